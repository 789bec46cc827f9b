package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	firstByteTime = 10 * time.Second // as long as a server waits for the headers of a request
	acceptPause   = 50 * time.Millisecond
	handshake     = 0x16 // the first byte of every TLS connection, and of no HTTP request
)

// Front parts the connections of one listener by their first byte: TLS is for
// the cloud's doors, anything else for the proxy.
type Front struct {
	listener   net.Listener
	TLS, Plain *Queue
}

// NewFront parts the connections of l, from [Front.Run] on.
func NewFront(l net.Listener) *Front {
	return &Front{listener: l, TLS: newQueue(l.Addr()), Plain: newQueue(l.Addr())}
}

// Run parts connections until ctx ends. A client that takes its time for its
// first byte holds up no other, and is let go when it takes too much.
func (f *Front) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { f.listener.Close() })()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := f.listener.Accept()
		switch {
		case err == nil:
			wg.Go(func() { f.part(ctx, conn) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of descriptors, or the peer has gone: neither is final
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
		}
	}
}

func (f *Front) part(ctx context.Context, conn net.Conn) {
	ended := context.AfterFunc(ctx, func() { conn.Close() })
	late := time.AfterFunc(firstByteTime, func() { conn.Close() })
	first := make([]byte, 1)
	n, _ := conn.Read(first)
	if !late.Stop() || !ended() || n == 0 {
		conn.Close()
		return
	}
	to := f.Plain
	if first[0] == handshake {
		to = f.TLS
	}
	to.put(&headed{Conn: conn, head: first})
}

// Queue is a listener whose connections have been accepted elsewhere.
type Queue struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newQueue(addr net.Addr) *Queue {
	q := &Queue{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
	q.close = sync.OnceFunc(func() { close(q.closed) })
	return q
}

// put hands a connection to whoever accepts, and closes it where nobody does any more.
func (q *Queue) put(conn net.Conn) {
	select {
	case q.conns <- conn:
	case <-q.closed:
		conn.Close()
	}
}

func (q *Queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *Queue) Close() error {
	q.close()
	return nil
}

func (q *Queue) Addr() net.Addr { return q.addr }

// headed is a connection from which something has been read already.
type headed struct {
	net.Conn
	head []byte
}

func (c *headed) Read(b []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.head)
	c.head = c.head[n:]
	return n, nil
}

// CloseWrite passes a half-close on, as relays want it.
func (c *headed) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}
