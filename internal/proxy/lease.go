package proxy

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"

	"midas/internal/fault"
)

// Grant is what a credential opens besides the cloud's names.
type Grant struct {
	// Endpoints are what answers at the addresses of the machine, such as
	// "169.254.169.254:80". One on a loopback address is also found at the same
	// port of [Metadata]: many clients never ask a proxy for their own machine.
	Endpoints map[string]http.Handler

	// Own are addresses of this machine that the run may reach as they are: what
	// answers there asks for a credential of its own.
	Own []string

	Egress bool // other hosts can be reached, too
}

// Metadata is the address that no machine has for its own, and that clients
// ask a proxy for.
const Metadata = "169.254.169.254"

var metadata = netip.MustParseAddr(Metadata)

// maxTunnels is how many tunnels one lease may have open.
const maxTunnels = 1024

// lease is a grant for as long as ctx lasts.
type lease struct {
	ctx       context.Context
	endpoints map[netip.AddrPort]endpoint
	own       []netip.AddrPort
	egress    bool
	tunnels   atomic.Int64
}

// endpoint is what answers at an address of a machine.
type endpoint struct {
	http.Handler
	addr netip.AddrPort
}

// tokenBytes is the length of a credential's random part.
const tokenBytes = 32

// Open gives a credential for what g grants. It ends, and with it every
// tunnel that was opened by it, when ctx does. Only its hash is kept.
func (d *Door) Open(ctx context.Context, g Grant) (token string, err error) {
	l := &lease{ctx: ctx, egress: g.Egress, endpoints: map[netip.AddrPort]endpoint{}}
	for s, h := range g.Endpoints {
		addr, err := netip.ParseAddrPort(s)
		if err != nil {
			return "", fault.Wrap(err, fault.Invalid, "%q is not the address of an endpoint", s)
		}
		l.endpoints[addr] = endpoint{h, addr}
	}
	for _, s := range g.Own {
		addr, err := netip.ParseAddrPort(s)
		if err != nil {
			return "", fault.Wrap(err, fault.Invalid, "%q is not an address of this machine", s)
		}
		l.own = append(l.own, addr)
	}
	random := make([]byte, tokenBytes)
	rand.Read(random) // never fails
	token = base64.RawURLEncoding.EncodeToString(random)
	key := sha256.Sum256([]byte(token))
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leases == nil {
		d.leases = map[[sha256.Size]byte]*lease{}
	}
	d.leases[key] = l
	context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.leases, key)
	})
	return token, nil
}

// leaseOf finds the lease whose credential a request carries. How long the
// search takes depends on the hash of what was sent, which says nothing about
// the credential. The name is for people to read: the token alone counts.
func (d *Door) leaseOf(r *http.Request) (*lease, bool) {
	sent := r.Header["Proxy-Authorization"]
	if len(sent) != 1 {
		return nil, false
	}
	_, token, ok := (&http.Request{Header: http.Header{"Authorization": sent}}).BasicAuth()
	if !ok {
		return nil, false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	l, ok := d.leases[sha256.Sum256([]byte(token))]
	return l, ok && l.ctx.Err() == nil
}

// endpoint finds what answers at an address of the machine.
func (l *lease) endpoint(t target) (endpoint, bool) {
	e, ok := l.endpoints[netip.AddrPortFrom(t.addr, t.port)]
	if !ok && (t.loopback() || t.addr == metadata) {
		for _, self := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
			if e, ok = l.endpoints[netip.AddrPortFrom(self, t.port)]; ok {
				break
			}
		}
	}
	return e, ok
}

// mayLeave reports whether a target that is not the cloud's may be reached.
func (l *lease) mayLeave(t target) bool {
	return l.egress || slices.Contains(l.own, netip.AddrPortFrom(t.addr, t.port))
}

// serve answers as if the request had come to the address itself. Nothing is
// added, and nothing taken away that is not the proxy's own: a header that says
// that the request was forwarded is for the endpoint to refuse.
func (e endpoint) serve(w http.ResponseWriter, r *http.Request) {
	inner := r.Clone(r.Context())
	for _, name := range []string{"Proxy-Authorization", "Proxy-Connection"} {
		inner.Header.Del(name)
	}
	inner.URL.Scheme, inner.URL.Host = "", ""
	inner.RequestURI = inner.URL.RequestURI()
	if t, err := parseTarget(r.Host, "80"); err == nil && t.addr == metadata && e.addr.Addr() != metadata {
		inner.Host = e.addr.String()
	}
	e.ServeHTTP(w, inner)
}
