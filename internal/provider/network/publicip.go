package network

import (
	"encoding/json"
	"strings"

	"midas/internal/arm"
	"midas/internal/fault"
	"midas/internal/resource"
)

// preparePublicIP gives a new public address its value, for life.
func preparePublicIP(c *arm.Change) error {
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
	p.otherwise("publicIPAddressVersion", "IPv4")
	p.otherwise("publicIPAllocationMethod", "Static")
	v6 := strings.EqualFold(p.text("publicIPAddressVersion"), "IPv6")
	if !v6 && !strings.EqualFold(p.text("publicIPAddressVersion"), "IPv4") {
		return malformed("properties.publicIPAddressVersion", "the value of 'properties.publicIPAddressVersion' is neither 'IPv4' nor 'IPv6'.")
	}
	p.set("ipAddress", was.text("ipAddress"))
	switch {
	case c.Old == nil:
		address, err := publicAddress(c, v6)
		if err != nil {
			return err
		}
		p.set("ipAddress", address)
	case !strings.EqualFold(was.text("publicIPAddressVersion"), p.text("publicIPAddressVersion")):
		return fault.New(fault.Invalid, "The property 'publicIPAddressVersion' of the public IP address %s cannot be changed.", c.New.ID).Named("PropertyChangeNotAllowed").At("properties.publicIPAddressVersion")
	}
	p.remove("ipConfiguration")
	p.otherwise("idleTimeoutInMinutes", 4)
	p.otherwise("ipTags", []any{})
	if dns := p.object("dnsSettings"); dns.text("domainNameLabel") != "" {
		dns.set("fqdn", strings.ToLower(dns.text("domainNameLabel"))+"."+c.New.Location+"."+c.Cloud.AddressSuffix)
	}
	keepGUID(c, p)
	p.set("provisioningState", succeeded)
	return p.write(c.New)
}

// withSKU gives a resource a SKU where it has none.
func withSKU(extra map[string]json.RawMessage, name string) (map[string]json.RawMessage, error) {
	sku := map[string]any{}
	if raw, ok := extra["sku"]; ok {
		if err := json.Unmarshal(raw, &sku); err != nil {
			return extra, malformed("sku", "the value of 'sku' is not an object.")
		}
	}
	members(sku).otherwise("name", name)
	members(sku).otherwise("tier", "Regional")
	raw, err := json.Marshal(sku)
	if extra == nil {
		extra = map[string]json.RawMessage{}
	}
	extra["sku"] = raw
	return extra, err
}

func removePublicIP(c *arm.Change) error {
	return inUse(c.Call, c.Old.ID, "PublicIPAddressCannotBeDeleted", "Public IP address %s can not be deleted since it is still allocated to resource %s. In order to delete the public IP, disassociate/detach the Public IP address from the resource. To learn how to do this, see aka.ms/deletepublicip.")
}

// showPublicIP says who has the address.
func showPublicIP(c *arm.Call, r *resource.Resource) error {
	p, err := read(r)
	if err != nil {
		return err
	}
	all, err := resource.ReferencesTo(c.Tx, r.ID)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		p.set("ipConfiguration", object{"id": all[0].From.String()})
	}
	return p.write(r)
}
