package sandbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	maxQuery     = 4096 // octets; a question needs fewer than 300
	maxStreams   = 64   // DNS connections over TCP, and questions over UDP, at one time
	streamLife   = 10 * time.Second
	answerTTL    = 60 // seconds
	maxUDPAnswer = 512
)

// names is what the name server knows.
type names struct {
	ours   func(name string) bool // nil means no name
	egress *Egress                // nil where no other name exists
}

// answer is the reply to one DNS message, or nil when it deserves none: it is
// not a well-formed query. Names that ours accepts have the one address
// 127.0.0.1 and no AAAA; all others do not exist, or are those of the host
// where there is a way out (RFC 1035 4.1). A reply above limit octets says that
// it is cut short.
func (n names) answer(ctx context.Context, query []byte, limit int) []byte {
	reply, question, ok := read(query)
	if !ok {
		return nil
	}
	var found []netip.Addr
	if reply.RCode == dnsmessage.RCodeSuccess {
		found, reply.RCode = n.find(ctx, question)
	}
	message := compose(reply, question, found)
	if len(message) > limit {
		reply.Truncated = true
		return compose(reply, question, nil)
	}
	return message
}

// find returns the addresses of a name.
func (n names) find(ctx context.Context, question dnsmessage.Question) ([]netip.Addr, dnsmessage.RCode) {
	name := strings.ToLower(strings.TrimSuffix(question.Name.String(), "."))
	switch {
	case question.Class != dnsmessage.ClassINET:
		return nil, dnsmessage.RCodeNameError
	case n.ours != nil && n.ours(name):
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, dnsmessage.RCodeSuccess
	case n.egress == nil:
		return nil, dnsmessage.RCodeNameError
	case name == HostName:
		return []netip.Addr{hostAddr}, dnsmessage.RCodeSuccess
	}
	return n.egress.find(ctx, name, question.Type)
}

// read takes a query apart. The header of the reply says what is wrong with it.
func read(query []byte) (reply dnsmessage.Header, question dnsmessage.Question, ok bool) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil || header.Response {
		return reply, question, false
	}
	if question, err = parser.Question(); err != nil {
		return reply, question, false
	}
	reply = dnsmessage.Header{
		ID: header.ID, Response: true, OpCode: header.OpCode, Authoritative: true,
		RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
	}
	if header.OpCode != 0 {
		reply.RCode = dnsmessage.RCodeNotImplemented
	} else if _, err := parser.Question(); err != dnsmessage.ErrSectionDone {
		reply.RCode = dnsmessage.RCodeFormatError
	}
	return reply, question, true
}

// compose writes a reply that repeats its question, with those of the addresses
// that it asks for; nil when it cannot be packed.
func compose(header dnsmessage.Header, question dnsmessage.Question, found []netip.Addr) []byte {
	b := dnsmessage.NewBuilder(make([]byte, 0, maxUDPAnswer), header)
	b.EnableCompression()
	if b.StartQuestions() != nil || b.Question(question) != nil || b.StartAnswers() != nil {
		return nil
	}
	all := question.Type == dnsmessage.TypeALL
	rr := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: answerTTL}
	for _, a := range found {
		var err error
		switch {
		case a.Is4() && (all || question.Type == dnsmessage.TypeA):
			err = b.AResource(rr, dnsmessage.AResource{A: a.As4()})
		case a.Is6() && (all || question.Type == dnsmessage.TypeAAAA):
			err = b.AAAAResource(rr, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
		if err != nil {
			return nil
		}
	}
	message, err := b.Finish()
	if err != nil {
		return nil
	}
	return message
}

// serveUDP answers packets, several at a time, until the socket is closed.
func serveUDP(ctx context.Context, conn net.PacketConn, n names) {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, maxStreams)
	buf := make([]byte, maxQuery)
	for {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		query := bytes.Clone(buf[:size])
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if reply := n.answer(ctx, query, maxUDPAnswer); reply != nil {
				conn.WriteTo(reply, from) // the asker asks again when this is lost
			}
		})
	}
}

// serveTCP answers the messages on one DNS connection (RFC 1035 4.2.2) until it
// is closed, sends something malformed, or has lived long enough.
func serveTCP(ctx context.Context, conn net.Conn, n names) {
	ctx, cancel := context.WithTimeout(ctx, streamLife)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		length := binary.BigEndian.Uint16(size[:])
		if length > maxQuery {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := n.answer(ctx, query, math.MaxUint16)
		if reply == nil {
			return
		}
		out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(reply)), uint16(len(reply)))
		if _, err := conn.Write(append(out, reply...)); err != nil {
			return
		}
	}
}
