package bench

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// line is one connection that is kept alive. It sends bytes that were made
// before and reads no more of an answer than it must: what is measured is the
// server, and the client must not be what limits it.
type line struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte
}

func newLine(conn net.Conn) *line { return &line{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)} }

var contentLength = []byte("content-length:")

// ask sends a request. The body that it returns is good until the next one.
func (l *line) ask(request []byte) (status int, body []byte, err error) {
	if _, err := l.conn.Write(request); err != nil {
		return 0, nil, err
	}
	head, err := l.in.ReadSlice('\n')
	if err != nil || len(head) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("the answer begins with %q: %w", head, err)
	}
	if status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return 0, nil, err
	}
	size := -1
	for {
		head, err = l.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(head) <= len("\r\n") {
			break
		}
		if len(head) > len(contentLength) && bytes.EqualFold(head[:len(contentLength)], contentLength) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(head[len(contentLength):]))); err != nil {
				return 0, nil, err
			}
		}
	}
	if size < 0 {
		return 0, nil, fmt.Errorf("an answer of status %d does not say its length", status)
	}
	l.body = slices.Grow(l.body[:0], size)[:size]
	_, err = io.ReadFull(l.in, l.body)
	return status, l.body, err
}

// request writes a request down.
func request(method, host, path, token, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	} else {
		b.WriteString("Metadata: true\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// place is where a server listens: a unix socket, or TLS on an address.
type place struct {
	socket        string
	address, host string
	roots         *x509.CertPool
}

func (p place) dial() (net.Conn, error) {
	if p.socket != "" {
		return net.Dial("unix", p.socket)
	}
	return tls.Dial("tcp", p.address, &tls.Config{ServerName: p.host, RootCAs: p.roots})
}

func (p place) at(host string) place {
	p.host = host
	return p
}

func rootsFrom(t testing.TB, file string) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		t.Fatalf("%s holds no certificate", file)
	}
	return roots
}

// load is a server under one kind of request.
type load struct {
	server   *process
	lines    []*line
	next     func() []byte // the next request; may be called by several lines at once
	answered func([]byte)  // gets each body; nil where none is wanted
}

// against opens lines to a server and asks once on each, so that no handshake
// is in what is measured.
func against(t testing.TB, server *process, at place, lines int, next func() []byte) *load {
	t.Helper()
	l := &load{server: server, next: next}
	t.Cleanup(l.close)
	for range lines {
		conn, err := at.dial()
		if err != nil {
			t.Fatal(err)
		}
		l.lines = append(l.lines, newLine(conn))
	}
	if _, err := l.measure(lines); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *load) close() {
	for _, line := range l.lines {
		line.conn.Close()
	}
}

// same is the request that never changes.
func same(r []byte) func() []byte { return func() []byte { return r } }

// cost is what requests came to.
type cost struct {
	cpu  time.Duration // of the server, for one
	rate float64       // in a second
	p99  time.Duration
}

// measure sends n requests over all lines.
func (l *load) measure(n int) (cost, error) {
	before, begun := l.server.cpu(), time.Now()
	took := make([]time.Duration, n)
	var taken atomic.Int64
	failed := make(chan error, len(l.lines))
	var all sync.WaitGroup
	for _, line := range l.lines {
		all.Go(func() {
			for i := taken.Add(1) - 1; i < int64(n); i = taken.Add(1) - 1 {
				r, at := l.next(), time.Now()
				status, body, err := line.ask(r)
				if err != nil || status != 200 {
					failed <- fmt.Errorf("%.100q: %d %.300s: %w", r, status, body, err)
					return
				}
				took[i] = time.Since(at)
				if l.answered != nil {
					l.answered(body)
				}
			}
		})
	}
	all.Wait()
	elapsed := time.Since(begun)
	select {
	case err := <-failed:
		return cost{}, err
	default:
	}
	l.server.settle()
	slices.Sort(took)
	return cost{cpu: (l.server.cpu() - before) / time.Duration(n), rate: float64(n) / elapsed.Seconds(), p99: took[(n*99-1)/100]}, nil
}

// median is that of the values that f takes from all.
func median[T any, N int64 | float64 | time.Duration](all []T, f func(T) N) N {
	values := make([]N, len(all))
	for i, v := range all {
		values[i] = f(v)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
