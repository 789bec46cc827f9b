package network

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
)

// reserved are the first addresses of a subnet that Azure keeps to itself: the
// network's own, the gateway and two for names. The last is kept, too.
const reserved = 4

// prefixes reads prefixes in CIDR notation.
func prefixes(path, what string, texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "Address prefix %.64s of resource %s is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24.", text, what).Named("InvalidAddressPrefixFormat").At(path)
		}
		if p != p.Masked() {
			return nil, fault.New(fault.Invalid, "The address prefix %s in resource %s has an invalid CIDR notation. For the given prefix length, the address prefix should be %s.", text, what, p.Masked()).Named("InvalidCIDRNotation").At(path)
		}
		all = append(all, p)
	}
	return all, nil
}

// last is the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// pool is a subnet as addresses are handed out of it.
type pool struct {
	subnet azure.ResourceID
	prefix []netip.Prefix
	taken  map[netip.Addr]azure.ResourceID // and by which IP configuration
}

// openPool reads a subnet. What the changed resource holds of it is free to it.
func openPool(tx *store.Tx, subnet, owner azure.ResourceID) (*pool, error) {
	r, err := resource.Get(tx, subnet)
	if err != nil {
		return nil, err
	}
	p, err := read(r)
	if err != nil {
		return nil, err
	}
	o := &pool{subnet: subnet, taken: map[netip.Addr]azure.ResourceID{}}
	if o.prefix, err = prefixes("", subnet.String(), subnetPrefixes(p)); err != nil {
		return nil, err
	}
	all, err := resource.ReferencesTo(tx, subnet)
	for _, ref := range all {
		if a, err := netip.ParseAddr(ref.Address); err == nil && !owner.Covers(ref.From) {
			o.taken[a] = ref.From
		}
	}
	return o, err
}

// usable reports whether an address may be handed out at all.
func usable(p netip.Prefix, a netip.Addr) bool {
	first := p.Addr()
	for range reserved {
		if a == first {
			return false
		}
		first = first.Next()
	}
	return p.Contains(a) && a != last(p)
}

// dynamic gives the address that was had before where it still is one, else the
// first free one.
func (o *pool) dynamic(was string, by azure.ResourceID, v6 bool) (string, error) {
	if a, err := netip.ParseAddr(was); err == nil && a.Is6() == v6 && o.check(a) == nil {
		o.taken[a] = by
		return was, nil
	}
	for _, p := range o.prefix {
		if p.Addr().Is6() != v6 {
			continue
		}
		a := p.Addr()
		for range reserved {
			a = a.Next()
		}
		for ; usable(p, a); a = a.Next() {
			if _, ok := o.taken[a]; !ok {
				o.taken[a] = by
				return a.String(), nil
			}
		}
	}
	return "", fault.New(fault.Invalid, "Subnet %s with address prefix %s does not have enough capacity for 1 IP addresses.", o.subnet, joined(o.prefix)).Named("SubnetIsFull")
}

// static takes the address that was asked for.
func (o *pool) static(path, given string, by azure.ResourceID) error {
	a, err := netip.ParseAddr(given)
	if err != nil || a.Zone() != "" {
		return fault.New(fault.Invalid, "IP address %.64s is not formatted correctly.", given).Named("InvalidIPAddressFormat").At(path)
	}
	if err := o.check(a); err != nil {
		return err.At(path)
	}
	o.taken[a] = by
	return nil
}

// check says why an address cannot be had.
func (o *pool) check(a netip.Addr) *fault.Error {
	for _, p := range o.prefix {
		if !p.Contains(a) {
			continue
		}
		if !usable(p, a) {
			return fault.New(fault.Invalid, "Private static IP address %s falls within reserved IP range of subnet prefix %s.", a, p).Named("PrivateIPAddressInReservedRange")
		}
		if by, ok := o.taken[a]; ok {
			return fault.New(fault.Invalid, "IP configuration %s is using the private IP address %s which is already allocated to another resource.", by, a).Named("PrivateIPAddressIsAllocated")
		}
		return nil
	}
	return fault.New(fault.Invalid, "Private static IP address %s does not belong to the range of subnet prefix %s.", a, joined(o.prefix)).Named("PrivateIPAddressNotInSubnet")
}

func joined(all []netip.Prefix) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}

// publicRanges are the ranges for documentation (RFC 5737, RFC 3849): nobody
// has these addresses.
var (
	publicRanges = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("192.0.2.0/24")}
	publicRange6 = netip.MustParsePrefix("2001:db8::/32")
)

// publicAddress finds an address that no public IP address has.
func publicAddress(c *arm.Change, v6 bool) (string, error) {
	if v6 {
		b := publicRange6.Addr().As16()
		rand.Read(b[8:])
		return netip.AddrFrom16(b).String(), nil
	}
	taken := map[string]bool{}
	for q := (resource.Query{Type: typePublicIP, Within: azure.Root(), Limit: maxParts}); ; {
		page, next, err := resource.List(c.Tx, q)
		if err != nil {
			return "", err
		}
		for _, r := range page {
			p, err := read(r)
			if err != nil {
				return "", err
			}
			taken[p.text("ipAddress")] = true
		}
		if q.After = next; next == "" {
			break
		}
	}
	for _, p := range publicRanges {
		for a := p.Addr().Next(); a != last(p); a = a.Next() {
			if !taken[a.String()] {
				return a.String(), nil
			}
		}
	}
	return "", fault.New(fault.Conflict, "Cannot create more than %d public IP addresses in this cloud.", len(publicRanges)*254)
}

// newMAC makes the hardware address of an interface, with one of the makers'
// codes that Azure's have.
func newMAC() string {
	var b [4]byte
	rand.Read(b[:])
	n := binary.BigEndian.Uint32(b[:])
	return fmt.Sprintf("00-0D-3A-%02X-%02X-%02X", byte(n>>16), byte(n>>8), byte(n))
}
