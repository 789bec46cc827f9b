package imds

import "strings"

// network is the part of the document that tells of a machine's interfaces
// (local-endpoints.md A.4).
func network(s surroundings) object {
	all := list{}
	for _, n := range s.interfaces {
		all = append(all, n.describe())
	}
	return object{{"interface", sinceInstance, all}}
}

func (n networkInterface) describe() object {
	v4, v6, subnets := list{}, list{}, list{}
	seen := map[scalar]bool{} // configurations share a subnet
	for _, c := range n.IPConfigurations {
		private := member{"privateIpAddress", sinceInstance, leaf(c.Properties.PrivateIPAddress)}
		if c.v6() {
			v6 = append(v6, object{private})
			continue
		}
		v4 = append(v4, object{private, {"publicIpAddress", sinceInstance, leaf(c.public)}})
		if address, prefix, ok := strings.Cut(string(c.prefix), "/"); ok && !seen[c.prefix] {
			seen[c.prefix] = true
			subnets = append(subnets, object{{"address", sinceInstance, leaf(address)}, {"prefix", sinceInstance, leaf(prefix)}})
		}
	}
	return object{
		{"ipv4", sinceInstance, object{{"ipAddress", sinceInstance, v4}, {"subnet", sinceInstance, subnets}}},
		{"ipv6", sinceInstance, object{{"ipAddress", sinceInstance, v6}}},
		{"macAddress", sinceInstance, leaf(hardware(string(n.MACAddress)))},
	}
}

// hardware writes a hardware address as twelve digits.
func hardware(mac string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", ":", "").Replace(mac))
}
