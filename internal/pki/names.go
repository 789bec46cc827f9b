package pki

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Names are the hosts that the doors answer for. localhost, 127.0.0.1 and ::1
// are always among them.
type Names struct {
	Exact     []string // "login.microsoftonline.com"; an IP address is a name too
	Wildcards []string // "*.vault.azure.net": one label in place of the star

	// Attest is the name that attested documents are signed under, where there
	// are any. No door answers for it.
	Attest string
}

// normal is n in lower case, sorted, each name once, with the names of the
// machine itself.
func (n Names) normal() (Names, error) {
	fold := func(names []string) []string {
		folded := make([]string, len(names))
		for i, name := range names {
			folded[i] = strings.ToLower(name)
		}
		slices.Sort(folded)
		return slices.Compact(folded)
	}
	n = Names{
		Exact:     fold(append([]string{"localhost", "127.0.0.1", "::1"}, n.Exact...)),
		Wildcards: fold(n.Wildcards),
		Attest:    strings.ToLower(n.Attest),
	}
	for _, name := range n.Exact {
		if net.ParseIP(name) == nil && !isHost(name) {
			return Names{}, fmt.Errorf("%q is not a host name", name)
		}
	}
	if n.Attest != "" && !isHost(n.Attest) {
		return Names{}, fmt.Errorf("%q is not a host name", n.Attest)
	}
	for _, name := range n.Wildcards {
		if domain, ok := strings.CutPrefix(name, "*."); !ok || !isHost(domain) {
			return Names{}, fmt.Errorf("%q is not a wildcard such as *.example.com", name)
		}
	}
	return n, nil
}

// isHost reports whether name is made of DNS labels in lower case.
func isHost(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// subjects puts the names into a door's certificate.
func (n Names) subjects(cert *x509.Certificate) {
	for _, name := range n.Exact {
		if ip := net.ParseIP(name); ip != nil {
			cert.IPAddresses = append(cert.IPAddresses, ip)
		} else {
			cert.DNSNames = append(cert.DNSNames, name)
		}
	}
	cert.DNSNames = append(cert.DNSNames, n.Wildcards...)
}

// constrain limits an authority to the names and, as RFC 5280 section 4.2.1.10
// has it, to what lies below them. Addresses are listed too: a kind of name
// that no constraint mentions would be free.
func (n Names) constrain(ca *x509.Certificate) {
	ca.PermittedDNSDomainsCritical = true
	for _, name := range n.Exact {
		ip := net.ParseIP(name)
		switch {
		case ip == nil:
			ca.PermittedDNSDomains = append(ca.PermittedDNSDomains, name)
		case ip.To4() != nil:
			ca.PermittedIPRanges = append(ca.PermittedIPRanges, &net.IPNet{IP: ip.To4(), Mask: net.CIDRMask(32, 32)})
		default:
			ca.PermittedIPRanges = append(ca.PermittedIPRanges, &net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)})
		}
	}
	for _, name := range n.Wildcards {
		ca.PermittedDNSDomains = append(ca.PermittedDNSDomains, strings.TrimPrefix(name, "*."))
	}
	if n.Attest != "" {
		ca.PermittedDNSDomains = append(ca.PermittedDNSDomains, n.Attest)
	}
}

// uncovered is a name that the constraints of ca do not allow, or "".
func (n Names) uncovered(ca *x509.Certificate) string {
	for _, name := range slices.Concat(n.Exact, n.Wildcards, []string{n.Attest}) {
		if name != "" && !covers(ca, name) {
			return name
		}
	}
	return ""
}

func covers(ca *x509.Certificate, name string) bool {
	if ip := net.ParseIP(name); ip != nil {
		return len(ca.PermittedIPRanges) == 0 ||
			slices.ContainsFunc(ca.PermittedIPRanges, func(r *net.IPNet) bool { return r.Contains(ip) })
	}
	return len(ca.PermittedDNSDomains) == 0 ||
		slices.ContainsFunc(ca.PermittedDNSDomains, func(domain string) bool {
			return name == domain || strings.HasSuffix(name, "."+domain)
		})
}
