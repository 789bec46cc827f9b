package vault

import (
	"net/netip"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
)

// Limits of a vault's network rules.
const (
	MaxIPRules             = 1000
	MaxVirtualNetworkRules = 200
)

// Codes of the refusals of a client by where it is (control-plane.md E3).
const (
	CodeForbiddenByFirewall   = "ForbiddenByFirewall"   // by the network rules
	CodeForbiddenByConnection = "ForbiddenByConnection" // because public access is off
)

// Check refuses network rules that no vault can have: an Invalid fault whose
// target is the member within "networkAcls". The provider of vaults
// (internal/provider/keyvault/keyvault.go) asks it before it stores any.
func (n *NetworkACLs) Check() error {
	if !oneOf(n.DefaultAction, "", "Allow", "Deny") {
		return badRule("defaultAction", "The default action '%.32s' is not one of 'Allow' and 'Deny'.", n.DefaultAction)
	}
	if !oneOf(n.Bypass, "", "AzureServices", "None") {
		return badRule("bypass", "The bypass '%.32s' is not one of 'AzureServices' and 'None'.", n.Bypass)
	}
	if len(n.IPRules) > MaxIPRules {
		return badRule("ipRules", "A vault can have at most %d IP rules.", MaxIPRules)
	}
	if len(n.VirtualNetworkRules) > MaxVirtualNetworkRules {
		return badRule("virtualNetworkRules", "A vault can have at most %d virtual network rules.", MaxVirtualNetworkRules)
	}
	for _, rule := range n.IPRules {
		if _, ok := rule.prefix(); !ok {
			return badRule("ipRules", "The value '%.64s' is not an IPv4 address or an IPv4 address range in CIDR notation.", rule.Value)
		}
	}
	for _, rule := range n.VirtualNetworkRules {
		if id, err := azure.ParseResourceID(rule.ID); err != nil || !strings.EqualFold(id.Type(), "Microsoft.Network/virtualNetworks/subnets") {
			return badRule("virtualNetworkRules", "The id '%.200s' is not that of a subnet.", rule.ID)
		}
	}
	return nil
}

func badRule(member, format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Named("BadRequest").At("properties.networkAcls." + member)
}

func oneOf(word string, words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// prefix is the range of a rule. One whose address has bits after its length
// is no range: whoever wrote it meant another one.
func (r IPRule) prefix() (p netip.Prefix, ok bool) {
	if !strings.Contains(r.Value, "/") {
		addr, err := netip.ParseAddr(r.Value)
		return netip.PrefixFrom(addr, 32), err == nil && addr.Is4()
	}
	p, err := netip.ParsePrefix(r.Value)
	return p, err == nil && p.Addr().Is4() && p == p.Masked()
}

// Admit says whether a client may reach the vault from its address. A refusal
// is a Forbidden fault whose Code says what refused. Nobody here is one of
// Azure's own services, so the rules' bypass lets nobody in; nor do the rules
// for virtual networks, because no address is known to be in one.
func (v *Vault) Admit(client netip.Addr) error {
	if !oneOf(v.Properties.PublicNetworkAccess, "", "Enabled") {
		return fault.New(fault.Forbidden, "Public network access is disabled and request is not from a trusted service nor via an approved private link.").Named(CodeForbiddenByConnection)
	}
	n := v.Properties.NetworkACLs
	if n == nil || oneOf(n.DefaultAction, "", "Allow") {
		return nil
	}
	client = client.Unmap()
	for _, rule := range n.IPRules {
		if p, ok := rule.prefix(); ok && p.Contains(client) {
			return nil
		}
	}
	return fault.New(fault.Forbidden, "Client address is not authorized and caller is not a trusted service.").Named(CodeForbiddenByFirewall)
}
