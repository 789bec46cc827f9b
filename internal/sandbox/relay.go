package sandbox

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	maxRelays   = 1024 // connections of one listener at one time; more wait in its backlog
	acceptPause = 50 * time.Millisecond
)

// accept hands each connection of l to serve, at most limit at a time, until l
// is closed. It returns when the last serve has.
func accept(ctx context.Context, l net.Listener, limit int, serve func(context.Context, net.Conn)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, limit)
	for {
		room <- struct{}{}
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the peer has gone: neither is final
			<-room
			select {
			case <-ctx.Done():
				return
			case <-time.After(acceptPause):
			}
			continue
		}
		wg.Go(func() {
			defer func() { <-room }()
			serve(ctx, conn)
		})
	}
}

// relay joins inside to a connection that dial opens, and ends when both ways
// have ended or ctx has.
func relay(ctx context.Context, inside net.Conn, dial func(context.Context) (net.Conn, error)) {
	defer inside.Close()
	outside, err := dial(ctx)
	if err != nil {
		return
	}
	join(ctx, inside, outside)
}

// join copies both ways between two connections until both ways have ended or
// ctx has, and closes them.
func join(ctx context.Context, inside, outside net.Conn) {
	defer inside.Close()
	defer outside.Close()
	defer context.AfterFunc(ctx, func() {
		inside.Close()
		outside.Close()
	})()
	var wg sync.WaitGroup
	wg.Go(func() { pour(outside, inside) })
	wg.Go(func() { pour(inside, outside) })
	wg.Wait()
}

// pour copies one way until the source ends, then tells the destination so. When
// the destination takes no more, the source is told; the other way goes on, for
// an answer may still be in it.
func pour(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		if c, ok := from.(interface{ CloseRead() error }); ok {
			c.CloseRead()
		}
	}
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
		return
	}
	to.Close()
}
