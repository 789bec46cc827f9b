package network

import (
	"encoding/json"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
)

// prepareInterface completes a network interface: a hardware address for life,
// and an address of its subnet for each of its IP configurations.
func prepareInterface(c *arm.Change) error {
	p, err := read(c.New)
	if err != nil {
		return err
	}
	was, err := read(c.Old)
	if err != nil {
		return err
	}
	refs := &references{Change: c}
	if err := configure(refs, p, was, "ipConfigurations"); err != nil {
		return err
	}
	if _, err := refs.add(c.New.ID, p, "properties.", "networkSecurityGroup", typeSecurityGroup, c.InRegion); err != nil {
		return err
	}
	p.remove("virtualMachine", "primary")
	mac := was.text("macAddress")
	if mac == "" {
		mac = newMAC()
	}
	p.set("macAddress", mac)
	keepGUID(c, p)
	p.otherwise("dnsSettings", object{"dnsServers": []any{}, "appliedDnsServers": []any{}})
	for _, name := range []string{"enableAcceleratedNetworking", "enableIPForwarding", "vnetEncryptionSupported", "disableTcpStateTracking"} {
		p.otherwise(name, false)
	}
	p.otherwise("hostedWorkloads", []any{})
	p.otherwise("tapConfigurations", []any{})
	p.otherwise("nicType", "Standard")
	p.otherwise("auxiliaryMode", "None")
	if c.New.Extra == nil {
		c.New.Extra = map[string]json.RawMessage{}
	}
	c.New.Extra["kind"] = json.RawMessage(`"Regular"`)
	return refs.save(p)
}

// configure completes the IP configurations of an interface.
func configure(refs *references, p, was members, name string) error {
	all, err := parts(refs.New, p, name)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return malformed("properties."+name, "Required property 'properties.%s' is missing.", name)
	}
	if !slices.ContainsFunc(all, func(cfg part) bool { return cfg.properties.flag("primary") }) {
		all[0].properties.set("primary", true)
	}
	pools := map[string]*pool{}
	for _, cfg := range all {
		cfg.properties.otherwise("primary", false)
		if _, ok := cfg.properties[cfg.properties.spelled("subnet")]; !ok {
			return malformed(cfg.path+"subnet", "Required property '%ssubnet' is missing.", cfg.path)
		}
		if err := place(refs, cfg, was, name, pools); err != nil {
			return err
		}
		if err := publish(refs, cfg); err != nil {
			return err
		}
		there := hasPart(refs.Change)
		if err := refs.addEach(cfg.id, cfg.properties, cfg.path, "loadBalancerBackendAddressPools", typeBalancer+"/backendAddressPools", there); err != nil {
			return err
		}
		if err := refs.addEach(cfg.id, cfg.properties, cfg.path, "loadBalancerInboundNatRules", typeBalancer+"/inboundNatRules", there); err != nil {
			return err
		}
	}
	return nil
}

// place gives a configuration its address in its subnet: the one that is asked
// for, the one that it had, or a free one.
func place(refs *references, cfg part, was members, name string, pools map[string]*pool) error {
	subnet, err := refs.add(cfg.id, cfg.properties, cfg.path, "subnet", typeSubnet, inNetwork(refs.Change))
	if err != nil {
		return err
	}
	o := pools[subnet.Key()]
	if o == nil {
		if o, err = openPool(refs.Tx, subnet, refs.New.ID); err != nil {
			return err
		}
		pools[subnet.Key()] = o
	}
	p := cfg.properties
	p.otherwise("privateIPAddressVersion", "IPv4")
	p.otherwise("privateIPAllocationMethod", "Dynamic")
	address := p.text("privateIPAddress")
	if strings.EqualFold(p.text("privateIPAllocationMethod"), "Static") {
		err = o.static(cfg.path+"privateIPAddress", address, cfg.id)
	} else {
		address, err = o.dynamic(had(was, name, cfg.text("name")), cfg.id, strings.EqualFold(p.text("privateIPAddressVersion"), "IPv6"))
	}
	p.set("privateIPAddress", address)
	refs.all[len(refs.all)-1].Address = address
	return err
}

// had is the address that a configuration of a name had before the change.
func had(was members, list, name string) string {
	all, err := was.list("", list)
	if err != nil {
		return ""
	}
	for _, m := range all {
		if strings.EqualFold(m.text("name"), name) {
			return m.object("properties").text("privateIPAddress")
		}
	}
	return ""
}

// inNetwork reports whether a subnet is there, in a network of the region.
func inNetwork(c *arm.Change) func(azure.ResourceID) (bool, error) {
	return func(id azure.ResourceID) (bool, error) {
		if ok, err := resource.Exists(c.Tx, id); err != nil || !ok {
			return false, err
		}
		return c.InRegion(id.Parent())
	}
}

// publish takes a public address for a configuration, which only one can have.
func publish(refs *references, cfg part) error {
	id, err := refs.add(cfg.id, cfg.properties, cfg.path, "publicIPAddress", typePublicIP, refs.InRegion)
	if err != nil || id.IsZero() {
		return err
	}
	holders, err := resource.ReferencesTo(refs.Tx, id)
	if err != nil {
		return err
	}
	holders = slices.DeleteFunc(slices.Clone(holders), func(r resource.Reference) bool { return refs.New.ID.Covers(r.From) })
	for _, h := range append(holders, refs.all[:len(refs.all)-1]...) { // of other resources, and of this one so far
		if h.To.Equal(id) {
			return fault.New(fault.Invalid, "Resource %s is referencing public IP address %s that is already allocated to resource %s.", cfg.id, id, h.From).Named("PublicIPAddressInUse").At(cfg.path + "publicIPAddress")
		}
	}
	return nil
}

func removeInterface(c *arm.Change) error {
	return inUse(c.Call, c.Old.ID, "NicInUse", "Network Interface %s is used by existing resource %s. In order to delete the network interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.")
}

// showInterface says which machine has the interface.
func showInterface(c *arm.Call, r *resource.Resource) error {
	p, err := read(r)
	if err != nil {
		return err
	}
	all, err := resource.ReferencesTo(c.Tx, r.ID)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		p.set("virtualMachine", object{"id": all[0].From.String()})
		p.set("primary", true)
	}
	return p.write(r)
}
