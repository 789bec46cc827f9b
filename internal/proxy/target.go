package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// target is what a request is to reach.
type target struct {
	host string // a name in lower case without a trailing dot, or an address without brackets
	addr netip.Addr
	port uint16
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// targetOf reads the target of a request in absolute form, or of a CONNECT.
// What the Host header says does not count (RFC 9112 section 3.2.2).
func targetOf(r *http.Request) (target, error) {
	switch {
	case r.URL.User != nil:
		return target{}, errTarget
	case r.Method == http.MethodConnect:
		return parseTarget(r.URL.Host, "")
	case r.URL.Scheme == "http":
		return parseTarget(r.URL.Host, "80")
	case r.URL.Scheme == "https":
		return target{}, errNotTunnelled
	}
	return target{}, errTarget
}

// parseTarget reads "host:port"; the port may be missing where there is one to
// take instead.
func parseTarget(s, otherwise string) (target, error) {
	host, port := s, otherwise
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '+' {
		return target{}, errTarget
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return target{}, errTarget
		}
		addr = addr.Unmap()
		return target{addr.String(), addr, uint16(n)}, nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !isHostName(host) {
		return target{}, errTarget
	}
	addr, _ := netip.ParseAddr(host) // not valid for a name
	return target{host, addr, uint16(n)}, nil
}

// isHostName allows what DNS names and IPv4 addresses are made of.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// loopback reports whether the target is the client's own machine.
func (t target) loopback() bool { return t.host == "localhost" || t.addr.IsLoopback() }
