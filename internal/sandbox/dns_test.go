package sandbox

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func ours(name string) bool { return strings.HasSuffix(name, ".vault.azure.net") }

// answer is the answer in a closed namespace.
func answer(query []byte, ours func(string) bool) []byte {
	return names{ours: ours}.answer(context.Background(), query, maxUDPAnswer)
}

func query(t testing.TB, change func(*dnsmessage.Message)) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header: dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName("Kv1.Vault.Azure.NET."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
		}},
	}
	if change != nil {
		change(&m)
	}
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*dnsmessage.Message)
		silent bool
		code   dnsmessage.RCode
		a      bool
	}{
		{name: "ours", a: true},
		{name: "any type of ours", change: func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeALL }, a: true},
		{name: "AAAA of ours", change: func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA }},
		{name: "HTTPS of ours", change: func(m *dnsmessage.Message) { m.Questions[0].Type = 65 }},
		{name: "unknown", change: func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("example.org.") }, code: dnsmessage.RCodeNameError},
		{name: "root", change: func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName(".") }, code: dnsmessage.RCodeNameError},
		{name: "another class", change: func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }, code: dnsmessage.RCodeNameError},
		{name: "another operation", change: func(m *dnsmessage.Message) { m.OpCode = 5 }, code: dnsmessage.RCodeNotImplemented},
		{name: "two questions", change: func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }, code: dnsmessage.RCodeFormatError},
		{name: "no question", change: func(m *dnsmessage.Message) { m.Questions = nil }, silent: true},
		{name: "an answer", change: func(m *dnsmessage.Message) { m.Response = true }, silent: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reply := answer(query(t, tt.change), ours)
			if tt.silent {
				if reply != nil {
					t.Errorf("answered %x", reply)
				}
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(reply); err != nil {
				t.Fatal(err)
			}
			if m.ID != 77 || !m.Response || !m.RecursionDesired || m.RCode != tt.code {
				t.Errorf("header %+v, want code %v", m.Header, tt.code)
			}
			if got := len(m.Answers) == 1; got != tt.a {
				t.Fatalf("answers %v, want one: %v", m.Answers, tt.a)
			}
			if tt.a {
				a, _ := m.Answers[0].Body.(*dnsmessage.AResource)
				if a == nil || a.A != [4]byte{127, 0, 0, 1} || m.Answers[0].Header.Name.String() != "Kv1.Vault.Azure.NET." {
					t.Errorf("answer %v", m.Answers[0])
				}
			}
		})
	}
}

func TestAnswerWithoutNames(t *testing.T) {
	var m dnsmessage.Message
	if err := m.Unpack(answer(query(t, nil), nil)); err != nil || m.RCode != dnsmessage.RCodeNameError {
		t.Errorf("header %+v, error %v", m.Header, err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(query(f, nil))
	f.Add(query(f, func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA }))
	f.Add(query(f, func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions...) }))
	f.Add(query(f, func(m *dnsmessage.Message) { m.OpCode = 4 }))
	f.Add([]byte{})
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01")) // a name that points to itself
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply := answer(packet, func(string) bool { return true })
		if reply == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(reply); err != nil {
			t.Fatalf("an answer that cannot be read: %v", err)
		}
		if m.ID != binary.BigEndian.Uint16(packet) || !m.Response || len(m.Questions) != 1 || len(reply) > maxUDPAnswer {
			t.Errorf("answered %v with %v", packet, m)
		}
	})
}

func TestServeTCP(t *testing.T) {
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		serveTCP(context.Background(), server, names{ours: ours})
	}()
	q := query(t, nil)
	for range 2 { // several questions on one connection
		if _, err := client.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)); err != nil {
			t.Fatal(err)
		}
		var size [2]byte
		if _, err := io.ReadFull(client, size[:]); err != nil {
			t.Fatal(err)
		}
		reply := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(client, reply); err != nil {
			t.Fatal(err)
		}
		var m dnsmessage.Message
		if err := m.Unpack(reply); err != nil || len(m.Answers) != 1 {
			t.Errorf("answered %v, error %v", m, err)
		}
	}
	if _, err := client.Write([]byte{0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	<-done // a message that is too large ends the connection
}
