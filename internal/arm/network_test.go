package arm_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	nets = "$RG/providers/Microsoft.Network/virtualNetworks/"
	nics = "$RG/providers/Microsoft.Network/networkInterfaces/"
	ips  = "$RG/providers/Microsoft.Network/publicIPAddresses/"
	nsgs = "$RG/providers/Microsoft.Network/networkSecurityGroups/"
	lbs  = "$RG/providers/Microsoft.Network/loadBalancers/"
	hds  = "$RG/providers/Microsoft.Compute/disks/"
	vms  = "$RG/providers/$VMS/"
)

// subnet makes a network "net" with a subnet, $SUBNET.
func (w *world) subnet(t *testing.T) {
	t.Helper()
	w.vars["$SUBNET"] = w.expand(nets + "net/subnets/default")
	a := w.send(t, w.request("", "PUT "+nets+"net", `{"location":"westus","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"name":"default","properties":{"addressPrefix":"10.0.0.0/24"}}]}}`))
	if a.status != 200 && a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

// nic is the body of an interface with one configuration.
func nic(more string) string {
	return `{"location":"westus","properties":{"ipConfigurations":[{"name":"one","properties":{"subnet":{"id":"$SUBNET"}` + more + `}}]}}`
}

func disk(size int) string {
	return fmt.Sprintf(`{"location":"westus","sku":{"name":"Premium_LRS"},"properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":%d}}`, size)
}

func vmWith(nics string, disks string) string {
	return `{"location":"westus","properties":{"networkProfile":{"networkInterfaces":[` + nics + `]},"storageProfile":{"dataDisks":[` + disks + `]}}}`
}

// TestNetworkScenario walks a machine into a network and out of it, on both engines.
func TestNetworkScenario(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) { networkScenario(t, newWorldOn(t, fresh(t))) })
}

func networkScenario(t *testing.T, w *world) {
	w.groups(t, "rg1")
	w.subnet(t)
	w.run(t, []step{
		{do: "PUT " + nsgs + "nsg", body: `{"location":"westus","properties":{"securityRules":[{"name":"ssh","properties":{"protocol":"Tcp","access":"Allow","direction":"Inbound","priority":1000,"destinationPortRange":"22"}}]}}`, want: 201,
			has: list{`"name":"ssh"`, `"DenyAllOutBound"`, nsgs + "nsg/securityRules/ssh"}},
		{do: "PUT " + ips + "ip", body: `{"location":"westus","properties":{"dnsSettings":{"domainNameLabel":"Web1"}}}`, want: 201, has: list{`"sku":{"name":"Standard","tier":"Regional"}`, `"fqdn":"web1.westus.cloudapp.azure.com"`}, keep: map[string]string{"$ADDRESS": "properties.ipAddress"}},
		{do: "PUT " + nics + "nic", body: nic(`,"publicIPAddress":{"id":"` + ips + `ip","properties":{"ipAddress":"8.8.8.8"}}`), want: 201,
			has:    list{`"privateIPAddress":"10.0.0.4"`, `"privateIPAllocationMethod":"Dynamic"`, `"primary":true`, `"kind":"Regular"`, `"publicIPAddress":{"id":"` + ips + `ip"}`},
			hasNot: list{"virtualMachine\"", "8.8.8.8"}, keep: map[string]string{"$MAC": "properties.macAddress", "$NICGUID": "properties.resourceGuid"}},
		{do: "PUT " + hds + "hd", body: disk(8), want: 201, has: list{`"diskState":"Unattached"`, `"sku":{"name":"Premium_LRS","tier":"Premium"}`, `"diskSizeBytes":8589934592`}},
		{do: "PUT " + vms + "vm", body: vmWith(`{"id":"`+nics+`nic","properties":{"primary":true}}`, `{"lun":0,"createOption":"Attach","managedDisk":{"id":"`+hds+`hd"}}`), want: 201},
		{do: "GET " + nics + "nic", want: 200, has: list{`"virtualMachine":{"id":"` + vms + `vm"}`, `"macAddress":"$MAC"`}},
		{do: "GET " + ips + "ip", want: 200, has: list{`"ipConfiguration":{"id":"` + nics + `nic/ipConfigurations/one"}`, `"ipAddress":"$ADDRESS"`}},
		{do: "GET " + hds + "hd", want: 200, has: list{`"managedBy":"` + vms + `vm"`, `"diskState":"Attached"`}},
		{do: "GET " + nets + "net", want: 200, has: list{nics + "nic/ipConfigurations/one"}},
		{do: "GET " + nets + "net/subnets", want: 200, has: list{nics + "nic/ipConfigurations/one", `"addressPrefix":"10.0.0.0/24"`}},
		{do: "GET $RG/resources", want: 200, has: list{"networkInterfaces/nic"}, hasNot: list{"subnets"}},
		// What an update does not say stays, and an address is kept.
		{do: "PUT " + nics + "nic", body: nic(`,"publicIPAddress":{"id":"` + ips + `ip"},"privateIPAddress":"10.0.0.77","later":{"a":[null,1]}`), want: 200, has: list{`"privateIPAddress":"10.0.0.4"`, `"macAddress":"$MAC"`, `"resourceGuid":"$NICGUID"`, `"later":{"a":[null,1]}`}},
		{do: "PATCH " + nics + "nic", body: `{"tags":{"a":"b"}}`, want: 200, has: list{`"privateIPAddress":"10.0.0.4"`, `"tags":{"a":"b"}`}},
		{do: "PUT " + ips + "ip", body: `{"location":"westus","properties":{"ipAddress":"1.2.3.4"}}`, want: 200, has: list{`"ipAddress":"$ADDRESS"`}},
		// In use.
		{do: "DELETE " + nics + "nic", want: 400, code: "NicInUse", has: list{vms + "vm"}},
		{do: "DELETE " + ips + "ip", want: 400, code: "PublicIPAddressCannotBeDeleted"},
		{do: "DELETE " + hds + "hd", want: 409, code: "OperationNotAllowed"},
		{do: "DELETE " + nets + "net/subnets/default", want: 400, code: "InUseSubnetCannotBeDeleted"},
		{do: "DELETE " + nets + "net", want: 400, code: "InUseSubnetCannotBeDeleted"},
		{do: "PUT " + nets + "net", body: `{"location":"westus","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[]}}`, want: 400, code: "InUseSubnetCannotBeDeleted"},
		{do: "PUT " + nics + "nic2", body: nic(`,"publicIPAddress":{"id":"` + ips + `ip"}`), want: 400, code: "PublicIPAddressInUse"},
		{do: "PUT " + vms + "vm2", body: vmWith(`{"id":"`+nics+`nic"}`, ""), want: 409, code: "NicInUse"},
		{do: "PUT " + vms + "vm2", body: vmWith("", `{"lun":0,"managedDisk":{"id":"`+hds+`hd"}}`), want: 409, code: "AttachDiskWhileBeingAttached"},
		// Out again, in any way.
		{do: "PATCH " + vms + "vm", body: `{"properties":{"networkProfile":{"networkInterfaces":[]}}}`, want: 200},
		{do: "GET " + nics + "nic", want: 200, hasNot: list{"virtualMachine\""}},
		{do: "DELETE " + nics + "nic", want: 200},
		{do: "DELETE " + ips + "ip", want: 200},
		{do: "DELETE " + vms + "vm", want: 200},
		{do: "GET " + hds + "hd", want: 200, hasNot: list{"managedBy"}, has: list{`"diskState":"Unattached"`}},
		{do: "DELETE " + hds + "hd", want: 200},
		{do: "DELETE " + nets + "net", want: 200},
		{do: "GET " + nets + "net/subnets/default", want: 404, code: "ParentResourceNotFound"},
	})
}

// TestAddresses hands out the addresses of a subnet until there is none.
func TestAddresses(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.run(t, []step{{do: "PUT " + nets + "net", body: `{"location":"westus","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"name":"small","properties":{"addressPrefix":"10.0.0.0/29"}}]}}`, want: 201}})
	w.vars["$SUBNET"] = w.expand(nets + "net/subnets/small")
	static := func(address string) string {
		return nic(`,"privateIPAllocationMethod":"Static","privateIPAddress":"` + address + `"`)
	}
	w.run(t, []step{
		{do: "PUT " + nics + "a", body: static("10.0.0.5"), want: 201, has: list{`"privateIPAddress":"10.0.0.5"`}},
		{do: "PUT " + nics + "a", body: static("10.0.0.5"), want: 200},
		{do: "PUT " + nics + "b", body: static("10.0.0.5"), want: 400, code: "PrivateIPAddressIsAllocated"},
		{do: "PUT " + nics + "b", body: static("10.0.0.3"), want: 400, code: "PrivateIPAddressInReservedRange"},
		{do: "PUT " + nics + "b", body: static("10.0.0.7"), want: 400, code: "PrivateIPAddressInReservedRange"},
		{do: "PUT " + nics + "b", body: static("10.0.1.4"), want: 400, code: "PrivateIPAddressNotInSubnet"},
		{do: "PUT " + nics + "b", body: static("ten"), want: 400, code: "InvalidIPAddressFormat"},
		{do: "PUT " + nics + "b", body: nic(""), want: 201, has: list{`"privateIPAddress":"10.0.0.4"`}},
		{do: "PUT " + nics + "c", body: nic(""), want: 201, has: list{`"privateIPAddress":"10.0.0.6"`}},
		{do: "PUT " + nics + "d", body: nic(""), want: 400, code: "SubnetIsFull"},
		{do: "DELETE " + nics + "b", want: 200},
		{do: "PUT " + nics + "d", body: nic(""), want: 201, has: list{`"privateIPAddress":"10.0.0.4"`}},
	})
	seen := map[string]bool{}
	for i := range 12 {
		a := w.send(t, w.request("", fmt.Sprintf("PUT %sip%d", ips, i), `{"location":"westus"}`))
		address := a.at("properties.ipAddress")
		p, err := netip.ParseAddr(address)
		if err != nil || seen[address] || !netip.MustParsePrefix("203.0.113.0/24").Contains(p) {
			t.Errorf("%q is not another address for documentation", address)
		}
		seen[address] = true
	}
	a := w.send(t, w.request("", "PUT "+ips+"six", `{"location":"westus","properties":{"publicIPAddressVersion":"IPv6"}}`))
	if p, err := netip.ParseAddr(a.at("properties.ipAddress")); err != nil || !netip.MustParsePrefix("2001:db8::/32").Contains(p) {
		t.Errorf("%s", a.body)
	}
}

// TestReferencesRefused: what is named has to be there, of the right type, in
// the region, and free to be taken.
func TestReferencesRefused(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.subnet(t)
	missing := list{"was not found. Please make sure that the referenced resource exists"}
	w.run(t, []step{
		{do: "PUT " + ips + "east", body: `{"location":"eastus"}`, want: 201},
		{do: "PUT " + nics + "n", body: strings.ReplaceAll(nic(""), "$SUBNET", "$SUBNET-no"), want: 400, code: "InvalidResourceReference", has: missing},
		{do: "PUT " + nics + "n", body: strings.ReplaceAll(nic(""), "$SUBNET", "/subnet"), want: 400, code: "LinkedInvalidPropertyId"},
		{do: "PUT " + nics + "n", body: strings.ReplaceAll(nic(""), "$SUBNET", ips+"east"), want: 400, code: "LinkedInvalidPropertyId"},
		{do: "PUT " + nics + "n", body: nic(`,"publicIPAddress":{"id":"` + ips + `none"}`), want: 400, code: "InvalidResourceReference", has: missing},
		{do: "PUT " + nics + "n", body: nic(`,"publicIPAddress":{"id":"` + ips + `east"}`), want: 400, code: "InvalidResourceReference", has: missing},
		{do: "PUT " + nics + "n", body: nic(`,"loadBalancerBackendAddressPools":[{"id":"` + lbs + `lb/backendAddressPools/p"}]`), want: 400, code: "InvalidResourceReference", has: missing},
		{do: "PUT " + nics + "n", body: `{"location":"westus","properties":{}}`, want: 400, code: "InvalidRequestFormat"},
		{do: "PUT " + nics + "n", body: `{"location":"westus","properties":{"ipConfigurations":"one"}}`, want: 400, code: "InvalidRequestFormat"},
		{do: "PUT " + nics + "n", body: `{"location":"westus","properties":{"ipConfigurations":[1]}}`, want: 400, code: "InvalidRequestFormat"},
		{do: "PUT " + nics + "n", body: `{"location":"westus","properties":{"ipConfigurations":[{"name":"a/b"}]}}`, want: 400, code: "InvalidRequestFormat"},
		{do: "PUT " + nics + "n", body: `{"location":"westus","properties":{"ipConfigurations":[{"name":"a"}]}}`, want: 400, code: "InvalidRequestFormat"},
		{do: "PUT " + vms + "v", body: vmWith(`{"id":"`+nics+`none"}`, ""), want: 400, code: "InvalidResourceReference", has: missing},
		{do: "PUT " + vms + "v", body: vmWith(`{"id":"/nic"}`, ""), want: 400, code: "LinkedInvalidPropertyId"},
		{do: "PUT " + vms + "v", body: vmWith("", `{"managedDisk":{"id":"`+hds+`none"}}`), want: 400, code: "InvalidResourceReference", has: missing},
		{do: "PUT " + nets + "net/subnets/two", body: `{"properties":{"addressPrefix":"10.0.0.128/25"}}`, want: 400, code: "NetcfgSubnetRangesOverlap"},
		{do: "PUT " + nets + "net/subnets/two", body: `{"properties":{"addressPrefix":"10.9.0.0/15"}}`, want: 400, code: "InvalidCIDRNotation"},
		{do: "PUT " + nets + "net/subnets/two", body: `{"properties":{"addressPrefix":"10.8.0.0/15"}}`, want: 400, code: "NetcfgInvalidSubnet"},
		{do: "PUT " + nets + "net/subnets/two", body: `{"properties":{"addressPrefix":"ten"}}`, want: 400, code: "InvalidAddressPrefixFormat"},
		{do: "PUT " + nets + "net/subnets/two", body: `{"properties":{}}`, want: 400, code: "InvalidRequestFormat"},
		{do: "PUT " + nets + "net/subnets/two", body: `{"properties":{"addressPrefix":"10.0.2.0/24","networkSecurityGroup":{"id":"` + nsgs + `none"}}}`, want: 400, code: "InvalidResourceReference"},
		{do: "PUT " + hds + "h", body: `{"location":"westus","properties":{}}`, want: 400, code: "InvalidParameter"},
		{do: "PUT " + hds + "h", body: disk(70000), want: 400, code: "InvalidParameter"},
		{do: "PUT " + hds + "h", body: disk(8), want: 201},
		{do: "PUT " + hds + "h", body: disk(4), want: 409, code: "OperationNotAllowed"},
		{do: "PATCH " + hds + "h", body: `{"properties":{"diskSizeGB":16}}`, want: 200, has: list{`"diskSizeBytes":17179869184`}},
		{do: "PUT " + nics + "n", body: nic(""), want: 201},
	})
	// To name something takes a right to it, and to name it no longer none.
	w.grant("app", w.vars["$CONTRIBUTOR"], nics+"n")
	w.run(t, []step{
		{do: "PUT " + ips + "west", body: `{"location":"westus"}`, want: 201},
		{as: "app", do: "PUT " + nics + "n", body: nic(`,"publicIPAddress":{"id":"` + ips + `west"}`), want: 403, code: "LinkedAuthorizationFailed", has: list{"Microsoft.Network/publicIPAddresses/join/action"}},
		{as: "app", do: "PUT " + nics + "n", body: nic(`,"publicIPAddress":{"id":"` + ips + `none"}`), want: 403, code: "LinkedAuthorizationFailed"},
		{as: "app", do: "PUT " + nics + "n", body: nic(""), want: 200},
	})
}

const balancer = `{"location":"westus","properties":{
	"frontendIPConfigurations":[{"name":"front","properties":{"publicIPAddress":{"id":"` + ips + `ip"}}}],
	"backendAddressPools":[{"name":"pool"}],
	"loadBalancingRules":[{"name":"web","properties":{"frontendIPConfiguration":{"id":"` + lbs + `lb/frontendIPConfigurations/front"},"backendAddressPool":{"id":"` + lbs + `lb/backendAddressPools/pool"},"protocol":"Tcp","frontendPort":80,"backendPort":8080}}]}}`

// TestLoadBalancer: interfaces say which pool they are in, and leave it with the balancer.
func TestLoadBalancer(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.subnet(t)
	w.run(t, []step{
		{do: "PUT " + lbs + "lb", body: balancer, want: 400, code: "InvalidResourceReference"},
		{do: "PUT " + ips + "ip", body: `{"location":"westus"}`, want: 201},
		{do: "PUT " + lbs + "lb", body: strings.ReplaceAll(balancer, "lb/backendAddressPools/pool", "lb/backendAddressPools/none"), want: 400, code: "InvalidResourceReference"},
		{do: "PUT " + lbs + "lb", body: strings.ReplaceAll(balancer, `"publicIPAddress":{"id":"`+ips+`ip"}`, ""), want: 400, code: "InvalidRequestFormat"},
		{do: "PUT " + lbs + "lb", body: balancer, want: 201, has: list{`"frontendPort":80`, lbs + "lb/loadBalancingRules/web", `"probes":[]`}, hasNot: list{"backendIPConfigurations"}},
		{do: "DELETE " + ips + "ip", want: 400, code: "PublicIPAddressCannotBeDeleted"},
		{do: "PUT " + nics + "n", body: nic(`,"loadBalancerBackendAddressPools":[{"id":"` + lbs + `lb/backendAddressPools/pool"}]`), want: 201},
		{do: "GET " + lbs + "lb", want: 200, has: list{`"backendIPConfigurations":[{"id":"` + nics + `n/ipConfigurations/one"}]`}},
		{do: "DELETE " + lbs + "lb", want: 200},
		{do: "GET " + nics + "n", want: 200, has: list{`"privateIPAddress":"10.0.0.4"`}, hasNot: list{"backendAddressPools/pool"}},
		{do: "PUT " + nics + "n", body: nic(""), want: 200, has: list{`"privateIPAddress":"10.0.0.4"`}},
		{do: "DELETE " + ips + "ip", want: 200},
	})
}

// TestGroupOfNetworkGoes: a group's resources do not hold each other, and what
// another group holds stays.
func TestGroupOfNetworkGoes(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	w.subnet(t)
	other := strings.Replace(nics, "$RG", "$SUB/resourceGroups/rg2", 1) + "n"
	w.run(t, []step{
		{do: "PUT " + ips + "ip", body: `{"location":"westus"}`, want: 201},
		{do: "PUT " + nics + "n", body: nic(`,"publicIPAddress":{"id":"` + ips + `ip"}`), want: 201},
		{do: "PUT " + vms + "v", body: vmWith(`{"id":"`+nics+`n"}`, ""), want: 201},
		{do: "PUT " + other, body: nic(""), want: 201},
		{do: "DELETE $RG", want: 400, code: "InUseSubnetCannotBeDeleted", has: list{"rg2"}},
		{do: "GET " + vms + "v", want: 200},
		{do: "DELETE " + other, want: 200},
		{do: "DELETE $RG", want: 200},
		{do: "GET $SUB/resources", want: 200, has: list{`{"value":[]}`}},
	})
}
