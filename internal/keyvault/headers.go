package keyvault

import (
	"net/http"
	"net/netip"

	"midas/internal/wire"
)

// Headers of every answer (control-plane.md E4). The slices are shared by all
// answers and never changed.
var (
	noCache      = []string{"no-cache"}
	expired      = []string{"-1"}
	noSniff      = []string{"nosniff"}
	onlyTLS      = []string{"max-age=31536000;includeSubDomains"}
	serviceBuild = []string{"1.9.1720.1"}
)

// stamp puts the headers on that every answer has.
func stamp(w http.ResponseWriter, r *http.Request) {
	e := wire.EventOf(r.Context())
	h := w.Header()
	h["Cache-Control"], h["Pragma"], h["Expires"] = noCache, noCache, expired
	h["X-Content-Type-Options"], h["Strict-Transport-Security"] = noSniff, onlyTLS
	h["X-Ms-Keyvault-Service-Version"] = serviceBuild
	h["X-Ms-Request-Id"] = []string{e.RequestID}
	h["X-Ms-Keyvault-Network-Info"] = []string{networkInfo(e.Client)}
	if id := r.Header.Get("X-Ms-Client-Request-Id"); id != "" && len(id) <= 128 {
		h["X-Ms-Client-Request-Id"] = []string{id}
	}
}

// clientAddr is the address of a peer. One that came over a socket of this
// machine has none: it is this machine.
func clientAddr(peer string) netip.Addr {
	if p, err := netip.ParseAddrPort(peer); err == nil {
		return p.Addr().Unmap().WithZone("")
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func networkInfo(peer string) string {
	addr := clientAddr(peer)
	if addr.Is4() {
		return "conn_type=Ipv4;addr=" + addr.String() + ";act_addr_fam=InterNetwork;"
	}
	return "conn_type=Ipv6;addr=" + addr.String() + ";act_addr_fam=InterNetworkV6;"
}
