package imds

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/resource"
	"midas/internal/scheduledevents"
	"midas/internal/store"
)

const (
	richNIC     = "Microsoft.Network/networkInterfaces/nic"
	richSecond  = "Microsoft.Network/networkInterfaces/second"
	richIP      = "Microsoft.Network/publicIPAddresses/ip"
	richFront   = "Microsoft.Network/publicIPAddresses/front"
	richSubnet  = "Microsoft.Network/virtualNetworks/net/subnets/default"
	richBalance = "Microsoft.Network/loadBalancers/lb"
	richOS      = "Microsoft.Compute/disks/os"
	richData    = "Microsoft.Compute/disks/data"
)

func richID(path string) azure.ResourceID { return mustID(testGroup + "/providers/" + path) }

// put writes a resource as its provider keeps it, with $RG for the group.
func (w *world) put(path, properties string, extra ...string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		r := &resource.Resource{ID: richID(path), Location: "eastus", Properties: json.RawMessage(strings.ReplaceAll(properties, "$RG", testGroup+"/providers")), Extra: map[string]json.RawMessage{}}
		if old, err := resource.Get(tx, r.ID); err == nil {
			r.Version = old.Version
		}
		for i := 0; i+1 < len(extra); i += 2 {
			r.Extra[extra[i]] = json.RawMessage(extra[i+1])
		}
		return resource.Put(tx, r)
	})
}

// rich is a machine with something in every field there is.
func (w *world) rich() {
	w.t.Helper()
	w.put(richSubnet, `{"addressPrefix":"10.1.0.0/24"}`)
	w.put("Microsoft.Network/virtualNetworks/net/subnets/both", `{"addressPrefixes":["2001:db8:1::/64","10.1.1.0/25"]}`)
	w.put(richIP, `{"ipAddress":"203.0.113.7"}`)
	w.put(richFront, `{"ipAddress":"203.0.113.8"}`)
	w.put(richNIC, `{"macAddress":"00-0d-3A-01-02-fe","ipConfigurations":[
		{"name":"one","properties":{"privateIPAddress":"10.1.0.4","primary":true,"publicIPAddress":{"id":"$RG/`+richIP+`"},"subnet":{"id":"$RG/`+richSubnet+`"},
			"loadBalancerBackendAddressPools":[{"id":"$RG/`+richBalance+`/backendAddressPools/pool"}],"loadBalancerInboundNatRules":[{"id":"$RG/`+richBalance+`/inboundNatRules/ssh"}]}},
		{"name":"two","properties":{"privateIPAddress":"10.1.0.5","subnet":{"id":"$RG/`+richSubnet+`"}}}]}`)
	w.put(richSecond, `{"macAddress":"00-0D-3A-0A-0B-0C","ipConfigurations":[
		{"name":"one","properties":{"privateIPAddress":"10.1.1.4","privateIPAddressVersion":"IPv4","subnet":{"id":"$RG/Microsoft.Network/virtualNetworks/net/subnets/both"}}},
		{"name":"six","properties":{"privateIPAddress":"2001:db8:1::4","privateIPAddressVersion":"IPv6","subnet":{"id":"$RG/Microsoft.Network/virtualNetworks/net/subnets/both"}}}]}`)
	w.put(richBalance, `{"frontendIPConfigurations":[{"id":"$RG/`+richBalance+`/frontendIPConfigurations/front","properties":{"publicIPAddress":{"id":"$RG/`+richFront+`"}}},
			{"id":"$RG/`+richBalance+`/frontendIPConfigurations/inside","properties":{"privateIPAddress":"10.1.0.9"}}],
		"loadBalancingRules":[
			{"properties":{"frontendIPConfiguration":{"id":"$RG/`+richBalance+`/frontendIPConfigurations/front"},"backendAddressPool":{"id":"$RG/`+richBalance+`/backendAddressPools/POOL"},"protocol":"Tcp","frontendPort":80,"backendPort":8080}},
			{"properties":{"frontendIPConfiguration":{"id":"$RG/`+richBalance+`/frontendIPConfigurations/inside"},"backendAddressPools":[{"id":"$RG/`+richBalance+`/backendAddressPools/pool"}],"protocol":"Udp","frontendPort":53,"backendPort":53}},
			{"properties":{"frontendIPConfiguration":{"id":"$RG/`+richBalance+`/frontendIPConfigurations/front"},"backendAddressPool":{"id":"$RG/`+richBalance+`/backendAddressPools/other"},"protocol":"Tcp","frontendPort":81,"backendPort":81}}],
		"inboundNatRules":[{"id":"$RG/`+richBalance+`/inboundNatRules/ssh","properties":{"frontendIPConfiguration":{"id":"$RG/`+richBalance+`/frontendIPConfigurations/front"},"protocol":"Tcp","frontendPort":50022,"backendPort":22}},
			{"id":"$RG/`+richBalance+`/inboundNatRules/other","properties":{"frontendIPConfiguration":{"id":"$RG/`+richBalance+`/frontendIPConfigurations/front"},"protocol":"Tcp","frontendPort":50023,"backendPort":22}}],
		"outboundRules":[{"properties":{"frontendIPConfigurations":[{"id":"$RG/`+richBalance+`/frontendIPConfigurations/front"}],"backendAddressPool":{"id":"$RG/`+richBalance+`/backendAddressPools/pool"},"protocol":"All"}}]}`)
	w.put(richOS, `{"diskSizeGB":64,"diskSizeBytes":68719476736}`, "sku", `{"name":"Premium_LRS","tier":"Premium"}`)
	w.put(richData, `{"diskSizeGB":1024,"diskSizeBytes":1099511627776,"diskIOPSReadWrite":5000,"diskMBpsReadWrite":200,"maxShares":2}`, "sku", `{"name":"UltraSSD_LRS"}`)
	w.putVM("rich", true, func(vm *resource.Resource) {
		full(vm)
		vm.Extra["extendedLocation"] = json.RawMessage(`{"name":"edge1","type":"EdgeZone"}`)
		vm.Properties = json.RawMessage(strings.ReplaceAll(richProperties, "$RG", testGroup+"/providers"))
	})
}

const richProperties = `{
	"vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6", "hardwareProfile": {"vmSize": "Standard_D2s_v5"}, "userData": "aGVsbG8=", "licenseType": "RHEL_BYOS",
	"priority": "Spot", "evictionPolicy": "Deallocate", "platformFaultDomain": 1, "additionalCapabilities": {"hibernationEnabled": true},
	"host": {"id": "$RG/Microsoft.Compute/hostGroups/g/hosts/h"}, "hostGroup": {"id": "$RG/Microsoft.Compute/hostGroups/g"}, "virtualMachineScaleSet": {"id": "$RG/Microsoft.Compute/virtualMachineScaleSets/flex"},
	"storageProfile": {
		"imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest", "exactVersion": "24.04.202601010"},
		"osDisk": {"name": "os", "osType": "Linux", "caching": "ReadWrite", "createOption": "FromImage", "managedDisk": {"id": "$RG/Microsoft.Compute/disks/os"}},
		"dataDisks": [{"lun": 3, "name": "data", "caching": "None", "createOption": "Attach", "managedDisk": {"id": "$RG/Microsoft.Compute/disks/data"}}, {"lun": 4, "name": "loose", "diskSizeGB": 4}]},
	"osProfile": {"computerName": "rich", "adminUsername": "azureuser", "linuxConfiguration": {"disablePasswordAuthentication": true, "ssh": {"publicKeys": [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-rsa AAAA"}]}}},
	"securityProfile": {"securityType": "TrustedLaunch", "encryptionAtHost": true, "uefiSettings": {"secureBootEnabled": true, "vTpmEnabled": true}},
	"networkProfile": {"networkInterfaces": [{"id": "$RG/Microsoft.Network/networkInterfaces/nic"}, {"id": "$RG/Microsoft.Network/networkInterfaces/none"}, {"id": "$RG/Microsoft.Network/networkInterfaces/second"}]}}`

// event announces something to a machine.
func (w *world) event(vm string, typ scheduledevents.Type, in, lasts time.Duration) (e scheduledevents.Event) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) {
		e, err = scheduledevents.Add(tx, scheduledevents.Event{Resource: vmID(vm), Type: typ, Description: "Host maintenance", Duration: lasts, NotBefore: tx.Now.Add(in)})
		return err
	})
	return e
}

// TestEveryListedPathResolves walks all that text listings name, at every
// version, and finds each there; what is a branch in one is in JSON, too.
func TestEveryListedPathResolves(t *testing.T) {
	w := newWorld(t)
	w.rich()
	w.authority()
	m := w.vm("rich")
	for _, version := range apiVersions[1:] { // the first is the preview's
		query := "?api-version=" + version + "&format=text"
		seen := 0
		var walk func(path string)
		walk = func(path string) {
			rec := m.get(path + query)
			if rec.Code != http.StatusOK || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/plain") {
				t.Fatalf("%s at %s: %d %s", path, version, rec.Code, rec.Body)
			}
			seen++
			asJSON := m.get(path + "?api-version=" + version)
			if branch := strings.HasSuffix(path, "/"); branch != (asJSON.Code == http.StatusOK) && path != "attested/" || branch && asJSON.Code == http.StatusOK && !json.Valid(asJSON.Body.Bytes()) {
				t.Errorf("%s at %s in JSON: %d %s", path, version, asJSON.Code, asJSON.Body)
			}
			if !strings.HasSuffix(path, "/") {
				return
			}
			for line := range strings.SplitSeq(rec.Body.String(), "\n") {
				if line != "" {
					walk(path + line)
				}
			}
		}
		root := m.get(query)
		for line := range strings.SplitSeq(root.Body.String(), "\n") {
			switch line {
			case "identity/": // has no listing: it answers 404 itself (A.3)
				if rec := m.get("identity/info?api-version=" + version); rec.Code != http.StatusOK {
					t.Errorf("%s: %d", version, rec.Code)
				}
			case "scheduledevents/": // has versions of its own
				if rec := m.get("scheduledevents?api-version=2020-07-01"); rec.Code != http.StatusOK {
					t.Errorf("%s: %d", version, rec.Code)
				}
			case "versions":
				if rec := m.get("versions"); rec.Code != http.StatusOK {
					t.Errorf("%s: %d", version, rec.Code)
				}
			default:
				walk(line)
			}
		}
		if least := 15; seen < least || version >= sinceBalancer && seen < 150 {
			t.Errorf("%s: only %d paths", version, seen)
		}
	}
}

// TestRichDocumentIsInOrder is [TestDocumentIsInOrder] where every list has items.
func TestRichDocumentIsInOrder(t *testing.T) {
	w := newWorld(t)
	w.rich()
	m := &Machine{Door: w.Door, vm: vmID("rich")}
	s, err := m.present(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var check func(where string, n node)
	check = func(where string, n node) {
		switch n := n.(type) {
		case list:
			for i, e := range n {
				check(fmt.Sprint(where, ".", i), e)
			}
		case object:
			for i, m := range n {
				if i > 0 && n[i-1].name >= m.name || !knownVersion(m.since) {
					t.Errorf("%s: %s since %s", where, m.name, m.since)
				}
				check(where+"."+m.name, m.node)
			}
		}
	}
	check("", s.document)
}

// TestInstanceFollowsWhatIsAround: the very next request shows a change of any
// resource that the machine names.
func TestInstanceFollowsWhatIsAround(t *testing.T) {
	w := newWorld(t)
	w.rich()
	m := w.vm("rich")
	want := func(path, value string) {
		t.Helper()
		if rec := m.get(path + "?api-version=2025-04-07&format=text"); rec.Body.String() != value {
			t.Errorf("%s: %d %q, want %q", path, rec.Code, rec.Body, value)
		}
	}
	const v4 = "instance/network/interface/0/ipv4/"
	want(v4+"ipAddress/0/publicIpAddress", "203.0.113.7")
	w.put(richIP, `{"ipAddress":"203.0.113.70"}`)
	want(v4+"ipAddress/0/publicIpAddress", "203.0.113.70")
	want("loadbalancer/loadbalancer/publicIpAddresses/0/frontendIpAddress", "203.0.113.70")
	want("loadbalancer/loadbalancer/inboundRules/0/frontendIpAddress", "203.0.113.8")
	w.put(richFront, `{"ipAddress":"203.0.113.80"}`)
	want("loadbalancer/loadbalancer/inboundRules/0/frontendIpAddress", "203.0.113.80")
	want(v4+"subnet/0/address", "10.1.0.0")
	w.put(richSubnet, `{"addressPrefix":"10.1.8.0/22"}`)
	want(v4+"subnet/0/address", "10.1.8.0")
	want(v4+"subnet/0/prefix", "22")
	want("instance/compute/storageProfile/dataDisks/0/diskSizeGB", "1024")
	w.put(richData, `{"diskSizeGB":2048}`, "sku", `{"name":"StandardSSD_LRS"}`)
	want("instance/compute/storageProfile/dataDisks/0/diskSizeGB", "2048")
	want("instance/compute/storageProfile/dataDisks/0/diskCapacityBytes", "2199023255552")
	want("instance/compute/storageProfile/dataDisks/0/isUltraDisk", "false")
	want("instance/compute/storageProfile/dataDisks/0/managedDisk/storageAccountType", "StandardSSD_LRS")
	w.put(richNIC, `{"macAddress":"00-0D-3A-FF-FF-FF","ipConfigurations":[{"name":"one","properties":{"privateIPAddress":"10.1.0.99"}}]}`)
	want("instance/network/interface/0/macAddress", "000D3AFFFFFF")
	want(v4+"ipAddress/0/privateIpAddress", "10.1.0.99")
	want(v4+"ipAddress/0/publicIpAddress", "")
	want(v4+"subnet", "")
	if rec := m.get("loadbalancer?api-version=2025-04-07"); rec.Code != http.StatusNotFound {
		t.Errorf("out of the pool it is %d %s", rec.Code, rec.Body)
	}
	w.update(func(tx *store.Tx) error { _, err := resource.Delete(tx, richID(richNIC)); return err })
	want("instance/network/interface/0/macAddress", "000D3A0A0B0C")
	w.putVM("rich", false, func(vm *resource.Resource) { vm.Tags = map[string]string{"new": "tag"} })
	want("instance/compute/tags", "new:tag")
	want("instance/network/interface", "")
}
