package sandbox

import (
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// packet is the beginning of an IP packet with these octets in it.
func packet(size int, octets map[int]byte) []byte {
	p := make([]byte, size)
	for at, value := range octets {
		p[at] = value
	}
	return p
}

func TestCarried(t *testing.T) {
	for name, c := range map[string]struct {
		packet []byte
		want   bool
	}{
		"TCP":                {packet(40, map[int]byte{0: 0x45, 9: 6}), true},
		"UDP":                {packet(28, map[int]byte{0: 0x45, 9: 17}), true},
		"an echo":            {packet(28, map[int]byte{0: 0x45, 9: 1}), false},
		"TCP in IPv6":        {packet(60, map[int]byte{0: 0x60, 6: 6}), true},
		"UDP in IPv6":        {packet(48, map[int]byte{0: 0x60, 6: 17}), true},
		"a fragment in IPv6": {packet(48, map[int]byte{0: 0x60, 6: 44}), true},
		"an echo in IPv6":    {packet(48, map[int]byte{0: 0x60, 6: 58}), false},
		"half a header":      {packet(19, map[int]byte{0: 0x45, 9: 6}), false},
		"half of IPv6's":     {packet(39, map[int]byte{0: 0x60, 6: 6}), false},
		"another version":    {packet(40, map[int]byte{0: 0x55, 9: 6}), false},
		"nothing":            {nil, false},
	} {
		if _, got := carried(c.packet); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzCarried(f *testing.F) {
	f.Add(packet(20, map[int]byte{0: 0x45, 9: 6}))
	f.Add(packet(40, map[int]byte{0: 0x60, 6: 17}))
	f.Fuzz(func(t *testing.T, p []byte) {
		protocol, ok := carried(p)
		if ok && !(protocol == ipv4.ProtocolNumber && len(p) >= 20 && p[0]>>4 == 4 || protocol == ipv6.ProtocolNumber && len(p) >= 40 && p[0]>>4 == 6) {
			t.Errorf("%x is carried as %d", p, protocol)
		}
	})
}
