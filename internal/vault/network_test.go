package vault

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"midas/internal/fault"
)

func rules(values ...string) (rules []IPRule) {
	for _, v := range values {
		rules = append(rules, IPRule{v})
	}
	return rules
}

func TestNetworkRules(t *testing.T) {
	subnet := group + "/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
	for _, c := range []struct {
		what   string
		rules  NetworkACLs
		target string // of the fault, "" for none
	}{
		{"nothing", NetworkACLs{}, ""},
		{"everything", NetworkACLs{Bypass: "azureservices", DefaultAction: "DENY", IPRules: rules("192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "10.0.0.1/32"), VirtualNetworkRules: []VirtualNetworkRule{{subnet}}}, ""},
		{"another action", NetworkACLs{DefaultAction: "Drop"}, "defaultAction"},
		{"another bypass", NetworkACLs{Bypass: "All"}, "bypass"},
		{"no address", NetworkACLs{IPRules: rules("")}, "ipRules"},
		{"a name", NetworkACLs{IPRules: rules("example.org")}, "ipRules"},
		{"IPv6", NetworkACLs{IPRules: rules("2001:db8::1")}, "ipRules"},
		{"an IPv6 range", NetworkACLs{IPRules: rules("2001:db8::/32")}, "ipRules"},
		{"IPv4 within IPv6", NetworkACLs{IPRules: rules("::ffff:192.0.2.1")}, "ipRules"},
		{"a range with bits after its length", NetworkACLs{IPRules: rules("192.0.2.1/24")}, "ipRules"},
		{"too long", NetworkACLs{IPRules: rules("192.0.2.0/33")}, "ipRules"},
		{"no length", NetworkACLs{IPRules: rules("192.0.2.0/")}, "ipRules"},
		{"from and to", NetworkACLs{IPRules: rules("192.0.2.1-192.0.2.9")}, "ipRules"},
		{"a blank", NetworkACLs{IPRules: rules(" 192.0.2.1")}, "ipRules"},
		{"zeros in front", NetworkACLs{IPRules: rules("192.0.02.1")}, "ipRules"},
		{"the most", NetworkACLs{IPRules: slices.Repeat(rules("192.0.2.1"), MaxIPRules)}, ""},
		{"one more", NetworkACLs{IPRules: slices.Repeat(rules("192.0.2.1"), MaxIPRules+1)}, "ipRules"},
		{"the most subnets", NetworkACLs{VirtualNetworkRules: slices.Repeat([]VirtualNetworkRule{{subnet}}, MaxVirtualNetworkRules)}, ""},
		{"one more subnet", NetworkACLs{VirtualNetworkRules: slices.Repeat([]VirtualNetworkRule{{subnet}}, MaxVirtualNetworkRules+1)}, "virtualNetworkRules"},
		{"no subnet", NetworkACLs{VirtualNetworkRules: []VirtualNetworkRule{{strings.TrimSuffix(subnet, "/subnets/s")}}}, "virtualNetworkRules"},
		{"no id", NetworkACLs{VirtualNetworkRules: []VirtualNetworkRule{{"subnet"}}}, "virtualNetworkRules"},
	} {
		err := c.rules.Check()
		target := ""
		if f, ok := errors.AsType[*fault.Error](err); ok {
			target = strings.TrimPrefix(f.Target, "properties.networkAcls.")
		}
		if target != c.target || (err == nil) != (c.target == "") || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s gives %v at %q, want %q", c.what, err, target, c.target)
		}
	}
}

func TestAdmit(t *testing.T) {
	closed := func(values ...string) Properties {
		return Properties{NetworkACLs: &NetworkACLs{DefaultAction: "deny", Bypass: "AzureServices", IPRules: rules(values...)}}
	}
	for _, c := range []struct {
		what, client string
		properties   Properties
		code         string
	}{
		{"no rules", "192.0.2.1", Properties{}, ""},
		{"public", "192.0.2.1", Properties{PublicNetworkAccess: "enabled"}, ""},
		{"not public", "192.0.2.1", Properties{PublicNetworkAccess: "disabled"}, CodeForbiddenByConnection},
		{"public in another way", "192.0.2.1", Properties{PublicNetworkAccess: "SecuredByPerimeter"}, CodeForbiddenByConnection},
		{"not public but in a rule", "192.0.2.1", Properties{PublicNetworkAccess: "Disabled", NetworkACLs: closed("192.0.2.1").NetworkACLs}, CodeForbiddenByConnection},
		{"open", "192.0.2.1", Properties{NetworkACLs: &NetworkACLs{DefaultAction: "Allow", IPRules: rules("198.51.100.1")}}, ""},
		{"no action", "192.0.2.1", Properties{NetworkACLs: &NetworkACLs{IPRules: rules("198.51.100.1")}}, ""},
		{"an action that is not known", "192.0.2.1", Properties{NetworkACLs: &NetworkACLs{DefaultAction: "x"}}, CodeForbiddenByFirewall},
		{"closed, and the bypass lets nobody in", "192.0.2.1", closed(), CodeForbiddenByFirewall},
		{"the address", "192.0.2.1", closed("198.51.100.1", "192.0.2.1"), ""},
		{"the next address", "192.0.2.2", closed("198.51.100.1", "192.0.2.1"), CodeForbiddenByFirewall},
		{"the first of a range", "192.0.2.0", closed("192.0.2.0/24"), ""},
		{"the last of a range", "192.0.2.255", closed("192.0.2.0/24"), ""},
		{"behind a range", "192.0.3.0", closed("192.0.2.0/24"), CodeForbiddenByFirewall},
		{"everywhere", "203.0.113.9", closed("0.0.0.0/0"), ""},
		{"IPv4 within IPv6", "::ffff:192.0.2.1", closed("192.0.2.1"), ""},
		{"IPv6", "2001:db8::1", closed("0.0.0.0/0"), CodeForbiddenByFirewall},
	} {
		v := &Vault{Properties: c.properties}
		err := v.Admit(netip.MustParseAddr(c.client))
		if codeOf(err) != c.code || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if err := (&Vault{Properties: closed("0.0.0.0/0")}).Admit(netip.Addr{}); codeOf(err) != CodeForbiddenByFirewall {
		t.Errorf("no address at all: %v", err)
	}
}

func FuzzNetworkRule(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "::1", "1.2.3.4/", "/", "1.2.3.4/32/32", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		n := NetworkACLs{DefaultAction: "Deny", IPRules: rules(value)}
		if n.Check() != nil {
			return
		}
		address, _, _ := strings.Cut(value, "/")
		v := &Vault{Properties: Properties{NetworkACLs: &n}}
		if err := v.Admit(netip.MustParseAddr(address)); err != nil {
			t.Errorf("a rule %q does not admit its own address: %v", value, err)
		}
	})
}
