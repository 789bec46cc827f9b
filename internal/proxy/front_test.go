package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener to which a test connects by pipes.
type pipes struct{ *Queue }

func (p pipes) connect() net.Conn {
	ours, theirs := net.Pipe()
	go p.put(theirs)
	return ours
}

// readAll reads what comes on an accepted connection until its end.
func readAll(t *testing.T, l net.Listener) string {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFrontParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := pipes{newQueue(&net.TCPAddr{})}
		front := NewFront(in)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- front.Run(ctx) }()

		// One that says nothing holds up none after it, and is let go in time.
		silent := in.connect()
		start := time.Now()
		for first, to := range map[string]*Queue{"\x16\x03\x01rest": front.TLS, "GET / HTTP/1.1": front.Plain, "\x00": front.Plain} {
			c := in.connect()
			go func() {
				for _, b := range []byte(first) { // byte by byte, with a pause
					c.Write([]byte{b})
					<-time.After(time.Millisecond)
				}
				c.Close()
			}()
			if got := readAll(t, to); got != first {
				t.Errorf("%q arrives as %q", first, got)
			}
		}
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the silent one got %v", err)
		}
		if waited := time.Since(start); waited != firstByteTime {
			t.Errorf("it was let go after %v", waited)
		}

		// What waits at the end is closed, whether it was parted or not.
		waiting, parted := in.connect(), in.connect()
		go parted.Write([]byte("G"))
		synctest.Wait()
		cancel()
		front.TLS.Close()
		front.Plain.Close()
		for _, c := range []net.Conn{waiting, parted} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("at the end one got %v", err)
			}
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := front.Plain.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed queue gives %v", err)
		}
	})
}

// failing is a listener that fails as one does that is out of descriptors, and then is closed.
type failing struct {
	net.Listener
	mu   sync.Mutex
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

func (f *failing) Addr() net.Addr { return &net.TCPAddr{} }

func TestFrontOutlivesAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{errs: []error{errors.New("too many open files"), errors.New("the peer has gone"), net.ErrClosed}}
		start := time.Now()
		if err := NewFront(f).Run(t.Context()); !errors.Is(err, net.ErrClosed) || len(f.errs) != 0 {
			t.Errorf("it ended with %v, %d failures before the last", err, len(f.errs))
		}
		if waited := time.Since(start); waited != 2*acceptPause {
			t.Errorf("it waited %v", waited)
		}
	})
}

// TestSlowRequestLine holds that a client that never ends its request does not
// keep its connection.
func TestSlowRequestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := pipes{newQueue(&net.TCPAddr{})}
		door := quietDoor(in)
		s := door.Server()
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(in) }()
		c := in.connect()
		go c.Write([]byte("GET http://"))
		start := time.Now()
		b, _ := io.ReadAll(c)
		if waited := time.Since(start); waited > firstByteTime || strings.Contains(string(b), "200") {
			t.Errorf("after %v: %q", waited, b)
		}
		s.Close()
		<-ended
	})
}
