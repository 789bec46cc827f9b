package arm_test

import (
	"encoding/json"
	"testing"
)

// FuzzNetworkProperties writes any properties to any type of the network, and
// to disks and machines: each is answered in the wire's own shape, and what is
// taken can be read and written back.
func FuzzNetworkProperties(f *testing.F) {
	w := newWorld(f)
	w.vars["$SUBNET"] = w.expand(nets + "net/subnets/default")
	for _, s := range []string{"PUT $SUB/resourcegroups/rg1", "PUT " + nets + "net", "PUT " + ips + "ip", "PUT " + lbs + "lb"} {
		body := map[string]string{"PUT " + nets + "net": `{"location":"westus","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16","fd00::/48"]},"subnets":[{"name":"default","properties":{"addressPrefixes":["10.0.0.0/24","fd00::/64"]}}]}}`, "PUT " + lbs + "lb": balancer}[s]
		if body == "" {
			body = `{"location":"westus"}`
		}
		if a := w.send(f, w.request("", s, body)); a.status != 201 {
			f.Fatalf("%s: %d %s", s, a.status, a.body)
		}
	}
	paths := []string{nets + "x", nets + "net/subnets/x", nsgs + "x", ips + "x", nics + "x", lbs + "x", hds + "x", vms + "x"}
	seeds := []string{`{}`, `{"ipConfigurations":[{"name":"a","properties":{"subnet":{"id":"$SUBNET"},"privateIPAddressVersion":"IPv6"}}]}`, `{"ipConfigurations":[{"name":"a","properties":null},{"name":"a"}]}`,
		`{"ipConfigurations":[{"name":"a","properties":{"subnet":{"id":"$SUBNET"},"privateIPAllocationMethod":"Static","privateIPAddress":"10.0.0.255%eth0"}}]}`,
		`{"addressSpace":{"addressPrefixes":["0.0.0.0/0"]},"subnets":[{"name":"a","properties":{"addressPrefix":"10.0.0.0/8"}},{"name":"b","properties":{"addressPrefix":"10.0.0.0/9"}}]}`, `{"addressPrefix":"10.0.255.255/32"}`,
		`{"addressPrefix":7,"addressPrefixes":[null]}`, `{"publicIPAddressVersion":"IPv6","dnsSettings":"x"}`, `{"frontendIPConfigurations":[{"name":"f","properties":{"subnet":{"id":"$SUBNET"}}}],"loadBalancingRules":[{"name":"r","properties":{"frontendIPConfiguration":[]}}]}`,
		`{"creationData":{"createOption":"Empty"},"diskSizeGB":1e3}`, `{"creationData":[],"diskSizeGB":-1}`, `{"networkProfile":{"networkInterfaces":[{"id":7}]}}`, `{"securityRules":{"a":1}}`, `{"SUBNETS":[],"subnets":[]}`}
	for i := range paths {
		for _, s := range seeds {
			f.Add(uint8(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, properties string) {
		w.t = t
		path := paths[int(which)%len(paths)]
		if !json.Valid([]byte(properties)) {
			return
		}
		a := w.send(t, w.request("", "PUT "+path, `{"location":"westus","properties":`+properties+`}`))
		if a.status >= 400 {
			return
		}
		read := w.send(t, w.request("", "GET "+path, ""))
		if read.status != 200 {
			t.Errorf("%d %s", read.status, read.body)
		}
		if again := w.send(t, w.request("", "PUT "+path, read.body)); again.status != 200 {
			t.Errorf("what is read cannot be written: %d %s\n%s", again.status, again.body, read.body)
		}
		if gone := w.send(t, w.request("", "DELETE "+path, "")); gone.status != 200 {
			t.Errorf("%d %s", gone.status, gone.body)
		}
	})
}
