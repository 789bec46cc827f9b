package proxy

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"midas/internal/wire"
)

const (
	dialTime   = 10 * time.Second
	answerTime = 5 * time.Minute // for the head of another host's answer
	maxIdle    = 100
)

// wireServer is where Azure's own hosts serve their guests, beside the
// metadata service.
var wireServer = netip.MustParseAddr("168.63.129.16")

// dialer reaches other hosts by the addresses that the server's own machine
// resolves them to, except those of [Door.refuse].
func (d *Door) dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTime, Control: func(_, address string, _ syscall.RawConn) error {
		addr, err := netip.ParseAddrPort(address)
		if err != nil || d.refuse(addr) {
			return errAddress
		}
		return nil
	}}
}

// refuse keeps a command from the metadata service of the real cloud that this
// server may run in, whose identity is not ours to give, and from this port:
// a proxy that asks itself never ends.
func (d *Door) refuse(to netip.AddrPort) bool {
	addr := to.Addr().Unmap().WithZone("")
	if addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr == wireServer {
		return true
	}
	front, err := netip.ParseAddrPort(d.Front.listener.Addr().String())
	if err != nil || to.Port() != front.Port() {
		return err != nil
	}
	own, err := net.InterfaceAddrs()
	return err != nil || addr.IsLoopback() || addr.IsUnspecified() || slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap().WithZone("") == addr
	})
}

// forwarder sends requests on to other hosts, as they are.
func (d *Door) forwarder() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Host = r.In.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if v, ok := r.In.Header[name]; ok {
					r.Out.Header[name] = v
				}
			}
		},
		Transport: &http.Transport{
			DialContext:           d.dialer().DialContext,
			DisableCompression:    true,
			ResponseHeaderTimeout: answerTime,
			IdleConnTimeout:       dialTime,
			MaxIdleConns:          maxIdle,
		},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			t, _ := targetOf(r)
			wire.EventOf(r.Context()).Code = fail(w, r, errUnreachable(t, err))
		},
	}
}

// forward sends a request in absolute form on. How long its body and the
// answer's take is a matter between the command and the other host.
func (d *Door) forward(w http.ResponseWriter, r *http.Request, l *lease, to *httputil.ReverseProxy) error {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if err := rc.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	to.ServeHTTP(w, r.WithContext(ctx))
	return nil
}
