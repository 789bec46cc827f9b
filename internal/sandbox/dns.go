package sandbox

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	maxQuery     = 4096 // octets; a question needs fewer than 300
	maxStreams   = 64   // DNS connections over TCP at one time
	streamLife   = 10 * time.Second
	answerTTL    = 60 // seconds
	maxUDPAnswer = 512
)

// answer is the reply to one DNS message, or nil when it deserves none: it is
// not a well-formed query. Names that ours accepts have the one address
// 127.0.0.1 and no AAAA; all others do not exist (RFC 1035 4.1).
func answer(query []byte, ours func(name string) bool) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil || header.Response {
		return nil
	}
	question, err := parser.Question()
	if err != nil {
		return nil
	}
	reply := dnsmessage.Header{
		ID: header.ID, Response: true, OpCode: header.OpCode, Authoritative: true,
		RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
	}
	known := false
	if header.OpCode != 0 {
		reply.RCode = dnsmessage.RCodeNotImplemented
	} else if _, err := parser.Question(); err != dnsmessage.ErrSectionDone {
		reply.RCode = dnsmessage.RCodeFormatError
	} else {
		name := strings.ToLower(strings.TrimSuffix(question.Name.String(), "."))
		known = question.Class == dnsmessage.ClassINET && ours != nil && ours(name)
		if !known {
			reply.RCode = dnsmessage.RCodeNameError
		}
	}
	wantsA := question.Type == dnsmessage.TypeA || question.Type == dnsmessage.TypeALL
	return compose(reply, question, known && wantsA)
}

// compose writes a reply that repeats its question; nil when it cannot be packed.
func compose(header dnsmessage.Header, question dnsmessage.Question, withA bool) []byte {
	b := dnsmessage.NewBuilder(make([]byte, 0, maxUDPAnswer), header)
	b.EnableCompression()
	if b.StartQuestions() != nil || b.Question(question) != nil || b.StartAnswers() != nil {
		return nil
	}
	if withA {
		rr := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: answerTTL}
		if b.AResource(rr, dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}) != nil {
			return nil
		}
	}
	message, err := b.Finish()
	if err != nil {
		return nil
	}
	return message
}

// serveUDP answers one packet after the other until the socket is closed.
func serveUDP(conn net.PacketConn, ours func(string) bool) {
	buf := make([]byte, maxQuery)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := answer(buf[:n], ours); reply != nil {
			conn.WriteTo(reply, from) // the asker asks again when this is lost
		}
	}
}

// serveTCP answers the messages on one DNS connection (RFC 1035 4.2.2) until it
// is closed, sends something malformed, or has lived long enough.
func serveTCP(ctx context.Context, conn net.Conn, ours func(string) bool) {
	ctx, cancel := context.WithTimeout(ctx, streamLife)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint16(size[:])
		if n > maxQuery {
			return
		}
		query := make([]byte, n)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := answer(query, ours)
		if reply == nil {
			return
		}
		out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(reply)), uint16(len(reply)))
		if _, err := conn.Write(append(out, reply...)); err != nil {
			return
		}
	}
}
