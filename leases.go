package midas

import (
	"context"
	"crypto/sha256"
	"net"
	"net/netip"
	"net/url"
	"sync"

	"midas/internal/control"
	"midas/internal/fault"
)

// ready ends the making of an attachment: by the proxy it gets a credential
// for what was opened.
func (l *lease) ready() (control.Attachment, error) {
	if l.grant == nil {
		return l.Attachment, nil
	}
	token, err := l.proxy.Open(l.ctx, *l.grant)
	if err != nil {
		return control.Attachment{}, err
	}
	name := "midas"
	if l.VM != "" {
		name = l.vm.Name()
	}
	address := url.URL{Scheme: "http", User: url.UserPassword(name, token), Host: reachable(l.front.Addr())}
	l.Proxy = address.String()
	return l.Attachment, nil
}

// reachable is the address by which clients on this machine reach a listener.
func reachable(l net.Addr) string {
	addr, err := netip.ParseAddrPort(l.String())
	if err != nil || !addr.Addr().IsUnspecified() {
		return l.String()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port()).String()
}

// maxStanding is how many standing leases there may be: a shell that is gone
// does not say so.
const maxStanding = 256

// standing are the leases that `midas env` has: nobody stays connected, so
// they end when they are asked to, or with the server. They are found by the
// hash of their address.
type standing struct {
	mu   sync.Mutex
	ends map[[sha256.Size]byte]context.CancelFunc
}

// stand opens a lease that lasts until [Server.endStanding], or until ctx ends.
func (s *Server) stand(ctx context.Context, q control.AttachRequest) (control.Attachment, error) {
	if q.Via != control.ViaProxy {
		return control.Attachment{}, fault.New(fault.Invalid, "a lease that nobody holds leads through the proxy only").At("via")
	}
	s.standing.mu.Lock()
	defer s.standing.mu.Unlock()
	if len(s.standing.ends) >= maxStanding {
		return control.Attachment{}, fault.New(fault.Throttled, "%d environments are in use\nhint: end those that are not needed with `midas env --undo`, in their own shells; all end with the server", maxStanding)
	}
	ctx, end := context.WithCancel(ctx)
	a, err := s.attach(ctx, q)
	if err != nil {
		end()
		return control.Attachment{}, err
	}
	if s.standing.ends == nil {
		s.standing.ends = map[[sha256.Size]byte]context.CancelFunc{}
	}
	s.standing.ends[credentialOf(a.Proxy)] = end
	return a, nil
}

// endStanding ends the lease that an address of the proxy belongs to.
func (s *Server) endStanding(_ context.Context, address string) (bool, error) {
	s.standing.mu.Lock()
	defer s.standing.mu.Unlock()
	key := credentialOf(address)
	end, ok := s.standing.ends[key]
	if ok {
		end()
		delete(s.standing.ends, key)
	}
	return ok, nil
}

// credentialOf is the hash of the credential in an address of the proxy: the
// host may be another where the address has been taken elsewhere.
func credentialOf(address string) [sha256.Size]byte {
	u, err := url.Parse(address)
	if err != nil {
		return sha256.Sum256([]byte(address))
	}
	token, _ := u.User.Password()
	return sha256.Sum256([]byte(token))
}
