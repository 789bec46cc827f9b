package proxy

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"midas/internal/sandbox"
)

// tunnel is a client's connection after its CONNECT was answered. It ends with
// the lease that it was opened by.
type tunnel struct {
	headed
	to    endpoint // zero for the cloud's doors and for other hosts
	leave func()
}

func (t *tunnel) Close() error {
	t.leave()
	return t.Conn.Close()
}

// open answers a CONNECT and takes the connection over.
func (d *Door) open(w http.ResponseWriter, l *lease, to target, e endpoint) (*tunnel, error) {
	if l.tunnels.Add(1) > maxTunnels {
		l.tunnels.Add(-1)
		return nil, errTunnels
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		l.tunnels.Add(-1)
		return nil, err
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered()) // a client need not wait for our answer
	cut := context.AfterFunc(l.ctx, func() { conn.Close() })
	t := &tunnel{headed: headed{conn, append([]byte(nil), early...)}, to: e, leave: sync.OnceFunc(func() {
		cut()
		l.tunnels.Add(-1)
	})}
	d.Log.LogAttrs(l.ctx, slog.LevelDebug, "tunnel", slog.String("to", to.String()), slog.String("client", conn.RemoteAddr().String()))
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		t.Close() // the client has gone; nobody is left to tell
		return nil, nil
	}
	return t, nil
}

// tunnelTo joins a client to a server of ours, as if it had connected there.
func (d *Door) tunnelTo(w http.ResponseWriter, l *lease, to target, q *Queue, e endpoint) error {
	t, err := d.open(w, l, to, e)
	if t == nil || err != nil {
		return err
	}
	q.put(t)
	return nil
}

// tunnelOut joins a client to another host, untouched.
func (d *Door) tunnelOut(w http.ResponseWriter, r *http.Request, l *lease, to target) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	outside, err := d.dialer().DialContext(ctx, "tcp", to.String())
	if err != nil {
		return errUnreachable(to, err)
	}
	t, err := d.open(w, l, to, endpoint{})
	if t == nil || err != nil {
		outside.Close()
		return err
	}
	sandbox.Join(l.ctx, t, outside)
	return nil
}

var _ net.Conn = (*tunnel)(nil)
