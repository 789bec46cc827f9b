package network

import (
	"fmt"

	"midas/internal/arm"
	"midas/internal/resource"
)

// prepareSecurityGroup completes a security group. Its rules are kept and
// shown; there is no traffic for them to look at.
func prepareSecurityGroup(c *arm.Change) error {
	p, err := read(c.New)
	if err != nil {
		return err
	}
	if _, err := parts(c.New, p, "securityRules"); err != nil {
		return err
	}
	p.remove("defaultSecurityRules", "networkInterfaces", "subnets")
	keepGUID(c, p)
	p.set("provisioningState", succeeded)
	return p.write(c.New)
}

func removeSecurityGroup(c *arm.Change) error {
	return inUse(c.Call, c.Old.ID, "InUseNetworkSecurityGroupCannotBeDeleted", "Network security group %s cannot be deleted because it is in use by the following resources: %s. In order to delete the Network security group, remove the association with the resource(s). To learn how to do this, see aka.ms/deletensg.")
}

// defaultRules are the rules that every group ends with.
var defaultRules = []struct {
	name, access, direction string
	priority                int
	from, to                string
}{
	{"AllowVnetInBound", "Allow", "Inbound", 65000, "VirtualNetwork", "VirtualNetwork"},
	{"AllowAzureLoadBalancerInBound", "Allow", "Inbound", 65001, "AzureLoadBalancer", "*"},
	{"DenyAllInBound", "Deny", "Inbound", 65500, "*", "*"},
	{"AllowVnetOutBound", "Allow", "Outbound", 65000, "VirtualNetwork", "VirtualNetwork"},
	{"AllowInternetOutBound", "Allow", "Outbound", 65001, "*", "Internet"},
	{"DenyAllOutBound", "Deny", "Outbound", 65500, "*", "*"},
}

// showSecurityGroup adds the rules that every group has, and who it is for.
func showSecurityGroup(c *arm.Call, r *resource.Resource) error {
	p, err := read(r)
	if err != nil {
		return err
	}
	var rules []any
	for _, d := range defaultRules {
		id := r.ID.Join("defaultSecurityRules", d.name)
		rules = append(rules, object{"name": d.name, "id": id.String(), "type": id.Type(), "properties": object{
			"provisioningState": succeeded, "description": fmt.Sprintf("%s from %s to %s", d.access, d.from, d.to), "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
			"sourceAddressPrefix": d.from, "destinationAddressPrefix": d.to, "access": d.access, "priority": d.priority, "direction": d.direction,
			"sourcePortRanges": []any{}, "destinationPortRanges": []any{}, "sourceAddressPrefixes": []any{}, "destinationAddressPrefixes": []any{},
		}})
	}
	p.set("defaultSecurityRules", rules)
	for name, typ := range map[string]string{"networkInterfaces": typeInterface, "subnets": typeSubnet} {
		all, err := users(c, r.ID, typ)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			p.set(name, all)
		}
	}
	return p.write(r)
}
