package sandbox

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestOutside(t *testing.T) {
	for to, want := range map[string]string{
		"192.0.2.2:5432":                "[127.0.0.1:5432 [::1]:5432]",
		"[::ffff:192.0.2.2]:5432":       "[127.0.0.1:5432 [::1]:5432]",
		"198.51.100.7:443":              "[198.51.100.7:443]",
		"10.0.0.1:22":                   "[10.0.0.1:22]",
		"[2001:db8::7]:443":             "[[2001:db8::7]:443]",
		"[64:ff9b::c633:6407]:443":      "[[64:ff9b::c633:6407]:443]",
		"223.255.255.255:80":            "[223.255.255.255:80]",
		"[fe80::1%midas0]:80":           "[]",
		"[fe80::1]:80":                  "[]",
		"[febf:ffff::1]:80":             "[]",
		"127.0.0.1:80":                  "[]",
		"127.255.255.254:80":            "[]",
		"[::1]:80":                      "[]",
		"[::]:80":                       "[]",
		"0.0.0.0:80":                    "[]",
		"[::ffff:127.0.0.1]:80":         "[]",
		"[::127.0.0.1]:80":              "[]",
		"169.254.169.254:80":            "[]",
		"[::ffff:169.254.169.254]:80":   "[]",
		"[64:ff9b::169.254.169.254]:80": "[]",
		"[64:ff9b::192.0.2.2]:80":       "[]",
		"[64:ff9b:1::1]:80":             "[]",
		"[2002:a9fe:a9fe::1]:80":        "[]",
		"169.253.255.255:80":            "[169.253.255.255:80]",
		"169.255.0.0:80":                "[169.255.0.0:80]",
		"192.0.2.1:80":                  "[]",
		"192.0.2.255:80":                "[]",
		"168.63.129.16:80":              "[]",
		"100.100.100.200:80":            "[]",
		"[fd00:ec2::254]:80":            "[]",
		"[fd20:ce::254]:80":             "[]",
		"224.0.0.251:5353":              "[]",
		"255.255.255.255:67":            "[]",
		"[ff02::fb]:5353":               "[]",
		"9.9.9.9:853":                   "[]",
	} {
		if got := fmt.Sprint(outside(netip.MustParseAddrPort(to))); got != want {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
}

// FuzzOutside holds that nothing leads to the host itself but its own name's
// address, nor to any link, however the address is written.
func FuzzOutside(f *testing.F) {
	for _, s := range []string{"192.0.2.2", "169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "fe80::1"} {
		f.Add(netip.MustParseAddr(s).AsSlice(), uint16(80))
	}
	f.Fuzz(func(t *testing.T, octets []byte, port uint16) {
		addr, ok := netip.AddrFromSlice(octets)
		if !ok || addr.Unmap() == hostAddr {
			return
		}
		for _, to := range outside(netip.AddrPortFrom(addr, port)) {
			a := to.Addr()
			if a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.Is4In6() || a.Zone() != "" || to.Port() != port {
				t.Errorf("%v leads to %v", addr, to)
			}
		}
	})
}

// FuzzAnswerOutside asks for names that are looked up outside.
func FuzzAnswerOutside(f *testing.F) {
	f.Add(query(f, nil))
	f.Add(query(f, func(m *dnsmessage.Message) {
		m.Questions[0] = dnsmessage.Question{Name: dnsmessage.MustNewName("db.example.org."), Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET}
	}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		asked := 0
		n := names{ours, &Egress{
			Withhold: func(name string) bool { return name == "net" },
			Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
				asked++
				if name == "" || ours(name) || name == HostName || name == "net" {
					t.Errorf("%q was asked for outside", name)
				}
				if len(name)%2 == 0 {
					return nil, &net.DNSError{IsNotFound: true}
				}
				return []netip.Addr{hostAddr, netip.IPv6Loopback()}, nil
			},
		}}
		reply := n.answer(context.Background(), packet, maxUDPAnswer)
		if reply == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(reply); err != nil || len(reply) > maxUDPAnswer || asked > 1 {
			t.Errorf("answered %x with %x: %v, asked %d times", packet, reply, err, asked)
		}
	})
}
