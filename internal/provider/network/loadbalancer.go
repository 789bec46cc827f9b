package network

import (
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/resource"
)

// balancerParts are the lists of a load balancer whose items have ids.
var balancerParts = []string{"frontendIPConfigurations", "backendAddressPools", "probes", "loadBalancingRules", "inboundNatRules", "inboundNatPools", "outboundRules"}

// prepareBalancer completes a load balancer. Who is in its pools is said by the
// interfaces, so what a body says of that is dropped.
func prepareBalancer(c *arm.Change) error {
	p, err := read(c.New)
	if err != nil {
		return err
	}
	was, err := read(c.Old)
	if err != nil {
		return err
	}
	c.New.Extra, err = withSKU(c.New.Extra, "Standard")
	if err != nil {
		return err
	}
	all := map[string][]part{}
	for _, name := range balancerParts {
		if all[name], err = parts(c.New, p, name); err != nil {
			return err
		}
	}
	refs := &references{Change: c}
	if err := frontends(refs, all["frontendIPConfigurations"], was); err != nil {
		return err
	}
	for _, pool := range all["backendAddressPools"] {
		pool.properties.remove("backendIPConfigurations")
	}
	for _, name := range []string{"loadBalancingRules", "inboundNatRules", "outboundRules"} {
		for _, rule := range all[name] {
			if err := inner(c, all, rule); err != nil {
				return err
			}
		}
	}
	keepGUID(c, p)
	if err := refs.save(p); err != nil {
		return err
	}
	return dissociate(c, was, p)
}

// frontends gives each frontend its address, public or of a subnet.
func frontends(refs *references, all []part, was members) error {
	pools := map[string]*pool{}
	for _, f := range all {
		_, inSubnet := f.properties[f.properties.spelled("subnet")]
		_, public := f.properties[f.properties.spelled("publicIPAddress")]
		if inSubnet == public {
			return malformed(f.path+"publicIPAddress", "'%s' needs either 'publicIPAddress' or 'subnet'.", strings.TrimSuffix(f.path, "."))
		}
		if inSubnet {
			if err := place(refs, f, was, "frontendIPConfigurations", pools); err != nil {
				return err
			}
			continue
		}
		f.properties.otherwise("privateIPAllocationMethod", "Dynamic")
		if err := publish(refs, f); err != nil {
			return err
		}
	}
	return nil
}

// inner checks what a rule names of its own balancer, one by one or as a list.
func inner(c *arm.Change, all map[string][]part, rule part) error {
	for _, n := range []struct{ one, list string }{{"frontendIPConfiguration", "frontendIPConfigurations"}, {"backendAddressPool", "backendAddressPools"}, {"probe", "probes"}} {
		there := func(id azure.ResourceID) (bool, error) {
			return slices.ContainsFunc(all[n.list], func(p part) bool { return p.id.Equal(id) }), nil
		}
		own := &references{Change: c} // what is inside holds nothing
		if _, err := own.add(rule.id, rule.properties, rule.path, n.one, typeBalancer+"/"+n.list, there); err != nil {
			return err
		}
		if err := own.addEach(rule.id, rule.properties, rule.path, n.list, typeBalancer+"/"+n.list, there); err != nil {
			return err
		}
	}
	return nil
}

// joinable are the lists whose items interfaces are in.
var joinable = map[string]string{"backendAddressPools": "loadBalancerBackendAddressPools", "inboundNatRules": "loadBalancerInboundNatRules"}

// dissociate takes interfaces out of the pools and rules that are gone.
func dissociate(c *arm.Change, was, is members) error {
	for list := range joinable {
		had, err := was.list("", list)
		if err != nil {
			return err
		}
		has, err := is.list("", list)
		if err != nil {
			return err
		}
		for _, m := range had {
			if slices.ContainsFunc(has, func(o members) bool { return strings.EqualFold(o.text("name"), m.text("name")) }) {
				continue
			}
			id, err := azure.ParseResourceID(m.text("id"))
			if err != nil {
				return err
			}
			if err := leave(c, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave takes every interface out of a pool or rule.
func leave(c *arm.Change, gone azure.ResourceID) error {
	in, err := resource.ReferencesTo(c.Tx, gone)
	if err != nil {
		return err
	}
	for _, ref := range in {
		nic, err := kept(c.Call, ref.From.Parent())
		if err != nil || nic == nil {
			return err
		}
		p, err := read(nic)
		if err != nil {
			return err
		}
		if err := forget(p, gone); err != nil {
			return err
		}
		nic.UpdatedBy = c.Caller.ID
		if err := p.write(nic); err != nil {
			return err
		}
		if err := resource.Put(c.Tx, nic); err != nil {
			return err
		}
		rest, err := resource.ReferencesOf(c.Tx, nic.ID)
		if err != nil {
			return err
		}
		rest = slices.DeleteFunc(rest, func(r resource.Reference) bool { return r.To.Equal(gone) })
		if err := resource.SetReferences(c.Tx, nic.ID, rest); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what names an id from the IP configurations of an interface.
func forget(p members, gone azure.ResourceID) error {
	configurations, err := p.list("", "ipConfigurations")
	if err != nil {
		return err
	}
	for _, cfg := range configurations {
		own := cfg.object("properties")
		for _, name := range joinable {
			all, err := own.list("", name)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				continue
			}
			own.set(name, slices.DeleteFunc(all, func(m members) bool { return strings.EqualFold(m.text("id"), gone.String()) }))
		}
	}
	return nil
}

// removeBalancer lets the interfaces go that are in its pools.
func removeBalancer(c *arm.Change) error {
	was, err := read(c.Old)
	if err != nil {
		return err
	}
	return dissociate(c, was, members{})
}

// showBalancer says who is in the pools.
func showBalancer(c *arm.Call, r *resource.Resource) error {
	p, err := read(r)
	if err != nil {
		return err
	}
	pools, err := p.list("", "backendAddressPools")
	if err != nil {
		return err
	}
	for _, pool := range pools {
		id, err := azure.ParseResourceID(pool.text("id"))
		if err != nil {
			return err
		}
		all, err := users(c, id, typeInterface+"/ipConfigurations")
		if err != nil {
			return err
		}
		if len(all) > 0 {
			pool.object("properties").set("backendIPConfigurations", all)
		}
	}
	return p.write(r)
}
