// Package proxy is the door for commands that keep their own network: the
// front port's forward proxy (design.md section 4; az-cli.md section 8). It
// owns what a connection's first byte decides, the credentials of runs, and the
// way from a request to the cloud's names, to a machine's own addresses and,
// where that was granted, to other hosts. The credential is the caller's
// identity: nothing else in a request says which machine is asking. It knows
// neither what the doors answer nor what a machine is: names, handlers and
// lifetimes are handed in. It may import fault, wire and sandbox only.
package proxy

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"midas/internal/wire"
)

// Door is the proxy. All exported fields are needed.
type Door struct {
	Now    func() time.Time
	Log    *slog.Logger
	Serves func(host string) bool // reports whether a name is the cloud's
	Front  *Front                 // takes the connections that are tunnelled to us

	mu     sync.RWMutex
	leases map[[sha256.Size]byte]*lease // by the hash of their tokens
}

// Server returns the server of the plain half of the front port.
func (d *Door) Server() *http.Server {
	s := wire.Server(d.routes(), d.Log)
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if t, ok := conn.(*tunnel); ok {
			return context.WithValue(ctx, endpointKey{}, t.to)
		}
		return ctx
	}
	return s
}

// endpointKey is the key of what a tunnelled connection leads to.
type endpointKey struct{}

func (d *Door) routes() http.Handler {
	forward := d.forwarder()
	rest := wire.Door{Name: "proxy", Now: d.Now, Log: d.Log, Body: math.MaxInt64, Fail: fail}.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return d.serve(w, r, forward)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, ok := r.Context().Value(endpointKey{}).(endpoint); ok {
			e.serve(w, r)
		} else if e, ok := d.local(r); ok {
			e.serve(w, r) // it limits and logs by itself
		} else {
			rest.ServeHTTP(w, r)
		}
	})
}

// local finds the endpoint that a request in absolute form is for.
func (d *Door) local(r *http.Request) (endpoint, bool) {
	if r.Method == http.MethodConnect || r.URL.Host == "" {
		return endpoint{}, false
	}
	l, ok := d.leaseOf(r)
	if !ok {
		return endpoint{}, false
	}
	t, err := targetOf(r)
	if err != nil {
		return endpoint{}, false
	}
	return l.endpoint(t)
}

// serve answers everything else, in this order: what is no request to a proxy,
// the credential, the target.
func (d *Door) serve(w http.ResponseWriter, r *http.Request, forward *httputil.ReverseProxy) error {
	connect := r.Method == http.MethodConnect
	if !connect && r.URL.Host == "" {
		return errNoProxyRequest
	}
	l, ok := d.leaseOf(r)
	if !ok {
		return errCredential
	}
	t, err := targetOf(r)
	if err != nil {
		return err
	}
	wire.EventOf(r.Context()).Target = t.String()
	e, isLocal := l.endpoint(t)
	switch ours := d.Serves(t.host); {
	case isLocal:
		return d.tunnelTo(w, l, t, d.Front.Plain, e)
	case ours && connect && t.port == 443:
		return d.tunnelTo(w, l, t, d.Front.TLS, endpoint{})
	case ours:
		return errName(t)
	case !l.mayLeave(t):
		return errClosed(t)
	case connect:
		return d.tunnelOut(w, r, l, t)
	}
	return d.forward(w, r, l, forward)
}
