package network

import (
	"net/netip"
	"slices"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
)

// prepareNetwork completes a virtual network. Subnets are resources of their
// own: those in the body are written, and those that it leaves out of a list go.
// A body without a list leaves them alone.
func prepareNetwork(c *arm.Change) error {
	p, err := read(c.New)
	if err != nil {
		return err
	}
	space := p.object("addressSpace").texts("addressPrefixes")
	if len(space) == 0 {
		return malformed("properties.addressSpace.addressPrefixes", "Required property 'properties.addressSpace.addressPrefixes' is missing.")
	}
	if _, err := prefixes("properties.addressSpace.addressPrefixes", c.New.ID.String(), space); err != nil {
		return err
	}
	_, listed := p[p.spelled("subnets")]
	wanted, err := parts(c.New, p, "subnets")
	if err != nil {
		return err
	}
	p.remove("subnets")
	keepGUID(c, p)
	p.set("provisioningState", succeeded)
	p.otherwise("virtualNetworkPeerings", []any{})
	p.otherwise("enableDdosProtection", false)
	if err := p.write(c.New); err != nil {
		return err
	}
	if !listed {
		return checkSubnets(c)
	}
	if err := dropSubnets(c, wanted); err != nil {
		return err
	}
	for _, w := range wanted {
		if err := putSubnet(c, w); err != nil {
			return err
		}
	}
	return nil
}

// keepGUID gives a resource its own id for life.
func keepGUID(c *arm.Change, p members) {
	guid := azure.NewGUID()
	if was, err := read(c.Old); err == nil && was.text("resourceGuid") != "" {
		guid = was.text("resourceGuid")
	}
	p.set("resourceGuid", guid)
}

// subnets lists the subnets of a virtual network.
func subnets(c *arm.Call, network azure.ResourceID) ([]*resource.Resource, error) {
	all, _, err := resource.List(c.Tx, resource.Query{Type: typeSubnet, Within: network, Limit: 3 * maxParts})
	return all, err
}

// checkSubnets holds the subnets that are there against a changed space.
func checkSubnets(c *arm.Change) error {
	all, err := subnets(c.Call, c.New.ID)
	if err != nil {
		return err
	}
	for _, s := range all {
		p, err := read(s)
		if err != nil {
			return err
		}
		if err := fits(c, s.ID, c.New, p); err != nil {
			return err
		}
	}
	return nil
}

// dropSubnets removes those that are not among the wanted ones.
func dropSubnets(c *arm.Change, wanted []part) error {
	there, err := subnets(c.Call, c.New.ID)
	if err != nil {
		return err
	}
	for _, s := range there {
		if slices.ContainsFunc(wanted, func(w part) bool { return w.id.Equal(s.ID) }) {
			continue
		}
		if err := removeSubnet(&arm.Change{Call: c.Call, Old: s}); err != nil {
			return err
		}
		if _, err := resource.Delete(c.Tx, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// putSubnet writes a subnet that is in the body of its network.
func putSubnet(c *arm.Change, w part) error {
	old, err := kept(c.Call, w.id)
	if err != nil {
		return err
	}
	s := &resource.Resource{ID: w.id, UpdatedBy: c.Caller.ID}
	if old != nil {
		s.Version, s.CreatedAt, s.CreatedBy = old.Version, old.CreatedAt, old.CreatedBy
	}
	if err := w.properties.write(s); err != nil {
		return err
	}
	if err := completeSubnet(&arm.Change{Call: c.Call, Old: old, New: s}, c.New, w.path); err != nil {
		return err
	}
	return resource.Put(c.Tx, s)
}

// showNetwork puts the subnets back into their network.
func showNetwork(c *arm.Call, r *resource.Resource) error {
	p, err := read(r)
	if err != nil {
		return err
	}
	all, err := subnets(c, r.ID)
	if err != nil {
		return err
	}
	shown := []any{}
	for _, s := range all {
		if err := showSubnet(c, s); err != nil {
			return err
		}
		own, err := read(s)
		if err != nil {
			return err
		}
		shown = append(shown, object{"name": s.ID.Name(), "id": s.ID.String(), "type": typeSubnet, "properties": own})
	}
	p.set("subnets", shown)
	return p.write(r)
}

// prepareSubnet completes a subnet that is written by itself.
func prepareSubnet(c *arm.Change) error {
	network, err := resource.Get(c.Tx, c.New.ID.Parent())
	if err != nil {
		return err
	}
	return completeSubnet(c, network, "properties.")
}

func completeSubnet(c *arm.Change, network *resource.Resource, path string) error {
	p, err := read(c.New)
	if err != nil {
		return err
	}
	p.remove("ipConfigurations")
	refs := &references{Change: c}
	if len(subnetPrefixes(p)) == 0 {
		return malformed(path+"addressPrefix", "Required property '%saddressPrefix' is missing.", path)
	}
	if err := fits(c, c.New.ID, network, p); err != nil {
		return err
	}
	if err := shrinks(c, p); err != nil {
		return err
	}
	if _, err := refs.add(c.New.ID, p, path, "networkSecurityGroup", typeSecurityGroup, func(id azure.ResourceID) (bool, error) {
		group, err := kept(c.Call, id)
		return group != nil && group.Location == network.Location, err
	}); err != nil {
		return err
	}
	p.otherwise("delegations", []any{})
	p.otherwise("privateEndpointNetworkPolicies", "Disabled")
	p.otherwise("privateLinkServiceNetworkPolicies", "Enabled")
	return refs.save(p)
}

// subnetPrefixes are the prefixes of a subnet, in either of their forms.
func subnetPrefixes(p members) []string {
	if one := p.text("addressPrefix"); one != "" {
		return []string{one}
	}
	return p.texts("addressPrefixes")
}

// fits holds a subnet against the space of its network and its other subnets.
func fits(c *arm.Change, subnet azure.ResourceID, network *resource.Resource, p members) error {
	own, err := prefixes("properties.addressPrefix", subnet.String(), subnetPrefixes(p))
	if err != nil {
		return err
	}
	n, err := read(network)
	if err != nil {
		return err
	}
	space, err := prefixes("", network.ID.String(), n.object("addressSpace").texts("addressPrefixes"))
	if err != nil {
		return err
	}
	for _, o := range own {
		if !slices.ContainsFunc(space, func(s netip.Prefix) bool { return s.Contains(o.Addr()) && s.Bits() <= o.Bits() }) {
			return fault.New(fault.Invalid, "Subnet '%s' is not valid in virtual network '%s'.", subnet.Name(), network.ID.Name()).Named("NetcfgInvalidSubnet")
		}
	}
	others, err := subnets(c.Call, network.ID)
	if err != nil {
		return err
	}
	for _, other := range others {
		q, err := read(other)
		if err != nil || other.ID.Equal(subnet) {
			continue
		}
		theirs, _ := prefixes("", "", subnetPrefixes(q))
		for _, o := range own {
			if slices.ContainsFunc(theirs, o.Overlaps) {
				return fault.New(fault.Invalid, "Subnet '%s' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '%s'.", subnet.Name(), network.ID.Name()).Named("NetcfgSubnetRangesOverlap")
			}
		}
	}
	return nil
}

// shrinks refuses a range that leaves addresses outside that are in use.
func shrinks(c *arm.Change, p members) error {
	own, err := prefixes("properties.addressPrefix", c.New.ID.String(), subnetPrefixes(p))
	if err != nil {
		return err
	}
	taken, err := resource.ReferencesTo(c.Tx, c.New.ID)
	for _, t := range taken {
		a, err := netip.ParseAddr(t.Address)
		if err == nil && !slices.ContainsFunc(own, func(o netip.Prefix) bool { return o.Contains(a) }) {
			return fault.New(fault.Invalid, "IpPrefix %s on Subnet %s has active allocations and cannot be deleted.", t.Address, c.New.ID.Name()).Named("InUsePrefixCannotBeDeleted").At("properties.addressPrefix")
		}
	}
	return err
}

// removeSubnet refuses to remove one in which there are addresses.
func removeSubnet(c *arm.Change) error {
	user, err := c.User(c.Old.ID)
	if err != nil || user.IsZero() {
		return err
	}
	return fault.New(fault.Invalid, "Subnet %s is in use by %s and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.", c.Old.ID.Name(), user).Named("InUseSubnetCannotBeDeleted")
}

// showSubnet says who has an address of a subnet.
func showSubnet(c *arm.Call, r *resource.Resource) error {
	p, err := read(r)
	if err != nil {
		return err
	}
	all, err := resource.ReferencesTo(c.Tx, r.ID)
	if err != nil {
		return err
	}
	var shown []any
	for _, ref := range all {
		shown = append(shown, object{"id": ref.From.String()})
	}
	if shown != nil {
		p.set("ipConfigurations", shown)
	}
	return p.write(r)
}
