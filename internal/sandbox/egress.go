package sandbox

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Egress is a way out of the namespace: the command reaches what this process
// reaches. Its packets end in a network stack of our own, which opens the
// connections anew in the caller's network, so that nobody needs root. Names
// are resolved as this process resolves them.
//
// The command never gets to link-local addresses, where a real cloud has its
// metadata service, and gets to the caller's loopback by [HostName] only.
type Egress struct {
	// Withhold tells whether a name (lower case, no trailing dot) must not be
	// asked for outside: it does not exist unless Config.Hosts has it. It is called
	// from several goroutines. Nil means no name.
	Withhold func(name string) bool

	// Lookup resolves a name in the caller's network. Nil is Go's own resolver.
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

	// Dial opens a connection in the caller's network; network is "tcp" or "udp",
	// address an IP address and port. Nil is Go's own dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// HostName is the name by which a command with a way out calls its host: what
// listens on the host's loopback addresses answers there.
const HostName = "host.midas.internal"

// Addresses inside, of TEST-NET-1 (RFC 5737) and of a unique local prefix of our
// own (RFC 4193): they are nobody's outside.
var (
	hostAddr    = netip.MustParseAddr("192.0.2.2")
	commandNet4 = netip.MustParsePrefix("192.0.2.1/24")
	commandNet6 = netip.MustParsePrefix("fd6d:6964:6173::1/64")
)

// closedNets are never reached: what is this host, this link, or everybody, and
// where clouds have the services that hand out credentials to their machines.
var closedNets = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/3"), // multicast, reserved, broadcast
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure's wire server
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba's metadata service
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle's
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("2002::/16"), // IPv4 in disguise, as above and below
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("fd00:ec2::/64"), // Amazon's
	netip.MustParsePrefix("fd20:ce::/64"),  // Google's
	commandNet6.Masked(),
}

// nat64 stands for all of IPv4 (RFC 6052), of which the same is closed.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

const (
	portDNS        = 53
	portDNSOverTLS = 853 // names asked there would leave: the port is closed
)

// outside lists where a destination inside may be outside, first choice first:
// nowhere for what is closed.
func outside(to netip.AddrPort) []netip.AddrPort {
	addr := to.Addr().Unmap().WithZone("")
	if addr == hostAddr {
		return []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port()), netip.AddrPortFrom(netip.IPv6Loopback(), to.Port())}
	}
	v4 := addr
	if nat64.Contains(addr) {
		b := addr.As16()
		v4 = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, closed := range closedNets {
		if closed.Contains(addr) || closed.Contains(v4) {
			return nil
		}
	}
	if to.Port() == portDNSOverTLS {
		return nil
	}
	return []netip.AddrPort{netip.AddrPortFrom(addr, to.Port())}
}

// dialTimeout is how long a connection may take to open, as long as a system's own.
const dialTimeout = 2 * time.Minute

var errClosed = errors.New("sandbox: the address is closed")

// dial opens the other end of a destination inside.
func (e *Egress) dial(ctx context.Context, network string, to netip.AddrPort) (conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dial := e.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	err = errClosed
	for _, addr := range outside(to) {
		if conn, err = dial(ctx, network, addr.String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// find resolves a name that is not ours. It always asks for addresses of both
// kinds: a name that has one kind only exists all the same.
func (e *Egress) find(ctx context.Context, name string, kind dnsmessage.Type) ([]netip.Addr, dnsmessage.RCode) {
	if name == "" || e.Withhold != nil && e.Withhold(name) {
		return nil, dnsmessage.RCodeNameError
	}
	if kind != dnsmessage.TypeA && kind != dnsmessage.TypeAAAA && kind != dnsmessage.TypeALL {
		return nil, dnsmessage.RCodeNotImplemented
	}
	lookup := e.Lookup
	if lookup == nil {
		lookup = func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		}
	}
	found, err := lookup(ctx, name)
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return nil, dnsmessage.RCodeNameError
	}
	if err != nil {
		return nil, dnsmessage.RCodeServerFailure
	}
	for i, a := range found {
		found[i] = a.Unmap().WithZone("")
	}
	return found, dnsmessage.RCodeSuccess
}
