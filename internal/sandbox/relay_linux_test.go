package sandbox

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
)

// transferSize is well beyond every buffer on the way.
const transferSize = 32 << 20

// transferVariable makes a test of this file, as the command, be the client.
const transferVariable = "SANDBOX_TEST_TRANSFER"

// pattern is n bytes that differ by seed.
type pattern struct {
	seed byte
	n    int
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.n == 0 {
		return 0, io.EOF
	}
	b = b[:min(len(b), p.n)]
	for i := range b {
		b[i] = byte(p.n-i)*31 + p.seed
	}
	p.n -= len(b)
	return len(b), nil
}

func sum(r io.Reader) string {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return fmt.Sprintf("%d %x %v", n, h.Sum(nil), err)
}

// exchange sends one pattern while it reads the other, closes its writing half
// at the end, and returns the digest of what came until the peer closed its own.
func exchange(conn net.Conn, seed byte) string {
	defer conn.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, &pattern{seed, transferSize})
		conn.(interface{ CloseWrite() error }).CloseWrite()
		sent <- err
	}()
	got := sum(conn)
	if err := <-sent; err != nil {
		return err.Error()
	}
	return got
}

func TestTransfer(t *testing.T) {
	if port := os.Getenv(transferVariable); port != "" { // inside
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := exchange(conn, 1), sum(&pattern{2, transferSize}); got != want {
			t.Errorf("inside: got %s, want %s", got, want)
		}
		return
	}
	results := make(chan string, 1)
	const port = 80
	c := Config{
		Env: append(os.Environ(), transferVariable+"="+strconv.Itoa(port)),
		Listeners: []Listener{{
			Addr: "127.0.0.1:" + strconv.Itoa(port),
			Dial: dialUnix(t, func(conn net.Conn) { results <- exchange(conn, 2) }),
		}},
	}
	out, code, err := run(t, c, "/proc/self/exe", "-test.run=^TestTransfer$")
	if err != nil || code != 0 {
		t.Fatalf("exit code %d, error %v, printed %s", code, err, out)
	}
	if got, want := <-results, sum(&pattern{1, transferSize}); got != want {
		t.Errorf("outside: got %s, want %s", got, want)
	}
}

// TestHalfClose: the server answers only when the client has closed its half.
func TestHalfClose(t *testing.T) {
	if os.Getenv(transferVariable) != "" { // inside
		conn, err := net.Dial("tcp", "127.0.0.1:79")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "hello")
		conn.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "answer to hello" {
			t.Errorf("got %q, error %v", got, err)
		}
		return
	}
	c := Config{
		Env: append(os.Environ(), transferVariable+"=79"),
		Listeners: []Listener{{Addr: "127.0.0.1:79", Dial: dialUnix(t, func(conn net.Conn) {
			defer conn.Close()
			question, _ := io.ReadAll(conn)
			fmt.Fprintf(conn, "answer to %s", question)
		})}},
	}
	if out, code, err := run(t, c, "/proc/self/exe", "-test.run=^TestHalfClose$"); err != nil || code != 0 {
		t.Errorf("exit code %d, error %v, printed %s", code, err, out)
	}
}
