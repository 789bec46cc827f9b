package imds

import (
	"encoding/json"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
)

// surroundings are the resources that a machine names: what its documents show
// of them. One that is not there, or not in its shape, is as good as not named.
type surroundings struct {
	interfaces []networkInterface
	disks      map[string]managedProperties // by the key of their id
	balancers  []balancer                   // each once
}

// networkInterface is what is needed of one (control-plane.md D6).
type networkInterface struct {
	MACAddress       scalar
	IPConfigurations []ipConfiguration
}

type ipConfiguration struct {
	Properties struct {
		PrivateIPAddress, PrivateIPAddressVersion                    scalar
		PublicIPAddress, Subnet                                      reference
		LoadBalancerBackendAddressPools, LoadBalancerInboundNatRules []reference
	}
	public scalar // the public address
	prefix scalar // of the subnet: "10.0.0.0/24"
}

func (c ipConfiguration) v6() bool {
	return strings.EqualFold(string(c.Properties.PrivateIPAddressVersion), "IPv6")
}

// managedProperties is what is needed of a managed disk.
type managedProperties struct {
	DiskSizeGB, DiskSizeBytes, DiskIOPSReadWrite, DiskMBpsReadWrite, MaxShares scalar
	sku                                                                        struct{ Name scalar }
}

// look reads what is around a machine.
func look(tx *store.Tx, p properties) (s surroundings, err error) {
	for _, n := range p.NetworkProfile.NetworkInterfaces {
		var nic networkInterface
		found, err := fetch(tx, n.ID, &nic)
		if err != nil {
			return s, err
		}
		if found == nil {
			continue
		}
		for i := range nic.IPConfigurations {
			if err := nic.IPConfigurations[i].resolve(tx); err != nil {
				return s, err
			}
		}
		s.interfaces = append(s.interfaces, nic)
	}
	s.disks = map[string]managedProperties{}
	for _, d := range append([]disk{p.StorageProfile.OSDisk}, p.StorageProfile.DataDisks...) {
		var m managedProperties
		found, err := fetch(tx, d.ManagedDisk.ID, &m)
		if err != nil {
			return s, err
		}
		if found != nil {
			json.Unmarshal(found.Extra["sku"], &m.sku)
			s.disks[found.ID.Key()] = m
		}
	}
	s.balancers, err = lookForBalancers(tx, s.interfaces)
	return s, err
}

// resolve reads the public address and the subnet's prefix.
func (c *ipConfiguration) resolve(tx *store.Tx) error {
	var public struct{ IPAddress scalar }
	if _, err := fetch(tx, c.Properties.PublicIPAddress.ID, &public); err != nil {
		return err
	}
	var subnet struct {
		AddressPrefix   scalar
		AddressPrefixes []scalar
	}
	if _, err := fetch(tx, c.Properties.Subnet.ID, &subnet); err != nil {
		return err
	}
	c.public, c.prefix = public.IPAddress, subnet.AddressPrefix
	for _, p := range subnet.AddressPrefixes {
		if c.prefix == "" && strings.Contains(string(p), ":") == c.v6() {
			c.prefix = p
		}
	}
	return nil
}

// fetch reads the properties of a resource into a shape. It returns nil where
// the id is none or nothing is there.
func fetch(tx *store.Tx, id scalar, into any) (*resource.Resource, error) {
	parsed, err := azure.ParseResourceID(string(id))
	if err != nil {
		return nil, nil
	}
	r, err := resource.Get(tx, parsed)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	json.Unmarshal(r.Properties, into) // as with the machine's own
	return r, nil
}

// managed is the resource of a disk, and whether it has one.
func (s surroundings) managed(d disk) (managedProperties, bool) {
	id, err := azure.ParseResourceID(string(d.ManagedDisk.ID))
	if err != nil {
		return managedProperties{}, false
	}
	m, ok := s.disks[id.Key()]
	return m, ok
}
