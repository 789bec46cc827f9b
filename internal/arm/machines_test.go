package arm_test

import (
	"strings"
	"testing"

	"midas/internal/resource"
	"midas/internal/store"
)

const machineBody = `{"location":"West US","tags":{"team":"blue","tier":"web"},"zones":["1"],"identity":{"type":"SystemAssigned"},"properties":{
	"hardwareProfile":{"vmSize":"Standard_B1s"},
	"storageProfile":{"imageReference":{"publisher":"Canonical","offer":"ubuntu-24_04-lts","sku":"server","version":"latest"},
		"osDisk":{"createOption":"FromImage","name":null,"caching":"ReadWrite","managedDisk":{"storageAccountType":null}}},
	"osProfile":{"computerName":null,"adminUsername":"ada","adminPassword":"S3cret-Passw0rd","customData":"c2VjcmV0"},
	"userData":"aGVsbG8=",
	"networkProfile":{"networkInterfaces":[]}}}`

func TestMachine(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const vm = "$SUB/resourcegroups/RG1/providers/microsoft.compute/VIRTUALMACHINES/vm1"
	secrets := list{"S3cret", "adminPassword", "customData", "c2VjcmV0", "userData", "null"}
	w.run(t, []step{
		{do: "GET " + vm, want: 404, code: "ResourceNotFound", has: list{"under resource group 'RG1' was not found"}},
		{do: "PATCH " + vm, body: `{"tags":{}}`, want: 404, code: "ResourceNotFound"},
		{do: "PUT " + vm, body: machineBody, want: 201, header: `ETag: "1"`, hasNot: secrets, keep: map[string]string{"$VMOID": "identity.principalId", "$VMID": "properties.vmId", "$DISK": "properties.storageProfile.osDisk.name"},
			has: list{`{"id":"$RG/providers/Microsoft.Compute/virtualMachines/vm1","name":"vm1","type":"Microsoft.Compute/virtualMachines","location":"westus","tags":{"team":"blue","tier":"web"},"zones":["1"],"identity":{"type":"SystemAssigned","principalId":"`,
				`"tenantId":"$TENANT"`, `"etag":"\"1\""`, `"provisioningState":"Succeeded"`, `"osType":"Linux"`, `"name":"vm1_OsDisk_1_`, `"deleteOption":"Detach"`, `"computerName":"vm1"`, `"adminUsername":"ada"`, `"timeCreated":"2026-03-04T05:06:07.8901230Z"`, `"caching":"ReadWrite"`}},
		{do: "GET " + vm, want: 200, header: `ETag: "1"`, hasNot: secrets, has: list{`"vmId":"$VMID"`, `"principalId":"$VMOID"`}},
		{do: "HEAD " + vm, want: 204},
		{do: "GET $RG/providers/$VMS/vm1?$V&$expand=userData", want: 200, has: list{`"userData":"aGVsbG8="`}},
		{do: "GET $RG/providers/$VMS/vm1?$V&$expand=instanceView", want: 200, hasNot: secrets},
		// A merge: what is not named stays, null removes, tags go as a whole.
		{do: "PATCH " + vm, body: `{"properties":{"hardwareProfile":{"vmSize":"Standard_B2s"},"OSPROFILE":{"adminPassword":"S3cret-Again"}}}`, want: 200, header: `ETag: "2"`, hasNot: secrets,
			has: list{"Standard_B2s", `"vmId":"$VMID"`, `"name":"$DISK"`, `"tags":{"team":"blue","tier":"web"}`, `"principalId":"$VMOID"`, `"networkInterfaces"`, `"adminUsername":"ada"`}},
		{do: "PATCH " + vm, body: `{"tags":{"tier":"db"},"properties":{"networkProfile":null,"vmId":"00000000-0000-0000-0000-000000000001","timeCreated":null,"provisioningState":"Failed"}}`, want: 200,
			has: list{`"tags":{"tier":"db"}`, `"vmId":"$VMID"`, `"timeCreated":"2026-03-04`, `"provisioningState":"Succeeded"`}, hasNot: list{"networkProfile", "blue"}},
		{do: "PATCH " + vm, body: `{"tags":null,"properties":{"licenseType":"x"}}`, want: 200, has: list{`"tags":{"tier":"db"}`, `"licenseType":"x"`}},
		{do: "PATCH " + vm, body: `{"location":"west us","zones":["2"]}`, want: 200, has: list{`"zones":["2"]`}},
		{do: "PATCH " + vm, body: `{"location":"eastus"}`, want: 409, code: "InvalidResourceLocation"},
		// A replacement: properties and tags are what the body says, the identity and the machine's own id stay.
		{do: "PUT $RG/providers/$VMS/VM1", body: `{"location":"westus","properties":{"storageProfile":{"osDisk":{"createOption":"FromImage"}}}}`, want: 200,
			has: list{`"id":"$RG/providers/Microsoft.Compute/virtualMachines/VM1"`, `"vmId":"$VMID"`, `"name":"$DISK"`, `"principalId":"$VMOID"`, `"tags":{}`}, hasNot: list{"hardwareProfile", "osProfile", "zones"}},
		{do: "PUT $RG/providers/$VMS/vm1", body: `{"location":"eastus","properties":{}}`, want: 409, code: "InvalidResourceLocation", has: list{"already exists in location 'westus'"}},
		{do: "PUT $RG/providers/$VMS/vm2", body: `{"properties":{}}`, want: 400, code: "LocationRequired"},
		{do: "PUT $RG/providers/$VMS/vm2", body: `{"location":"atlantis","properties":{}}`, want: 400, code: "LocationNotAvailableForResourceType"},
		{do: "PUT $RG/providers/$VMS/vm2", body: `{"location":"westus"}`, want: 201, has: list{`"properties":{`}},
		{do: "PUT $RG/providers/$VMS/win", body: `{"location":"westus","properties":{"storageProfile":{"imageReference":{"publisher":"MicrosoftWindowsServer"},"osDisk":{}}}}`, want: 201, has: list{`"osType":"Windows"`}},
		{do: "DELETE " + vm, want: 200},
		{do: "DELETE " + vm, want: 204},
		{do: "GET " + vm, want: 404, code: "ResourceNotFound"},
		{do: "DELETE $SUB/resourceGroups/none/providers/$VMS/vm1", want: 404, code: "ResourceGroupNotFound"},
		{do: "PUT $SUB/resourceGroups/none/providers/$VMS/vm1", body: `{"location":"westus"}`, want: 404, code: "ResourceGroupNotFound"},
	})
}

// TestMachineKeepsNoPassword looks into the store itself.
func TestMachineKeepsNoPassword(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.run(t, []step{
		{do: "PUT $RG/providers/$VMS/vm1", body: `{"location":"westus","properties":{"osProfile":{"adminPassword":"S3cret"},"OSProfile":{"AdminPassword":"S3cret","customData":"S3cret"}}}`, want: 201},
		{do: "PUT $RG/providers/$VMS/vm2", body: `{"location":"westus","properties":{"osProfile":{"adminPassword":"S3cret"},"OSProfile":null}}`, want: 201},
		{do: "PATCH $RG/providers/$VMS/vm2", body: `{"properties":{"osProfile":{"ADMINPASSWORD":"S3cret","secrets":[]}}}`, want: 200},
	})
	w.keepsNo(t, "S3cret")
}

func TestMachineNames(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	for name, want := range map[string]int{
		"a": 201, "web-01": 201, "a.b_c": 201, strings.Repeat("x", 64): 201, strings.Repeat("x", 65): 400,
		"-a": 400, "a-": 400, "a.": 400, ".a": 400, "a%20b": 400, "%C3%A9": 400, "a%27b": 400,
	} {
		code := ""
		if want == 400 {
			code = "InvalidParameter"
		}
		w.run(t, []step{{do: "PUT $RG/providers/$VMS/" + name, body: `{"location":"westus"}`, want: want, code: code}})
	}
}

// TestPreconditions is the table of control-plane.md B4.
func TestPreconditions(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const vm, body, change = "$RG/providers/$VMS/vm1", `{"location":"westus"}`, `{"tags":{"a":"b"}}`
	const failed = "PreconditionFailed"
	w.run(t, []step{
		{do: "PUT " + vm, head: "If-Match: *", body: body, want: 412, code: failed},
		{do: "PUT " + vm, head: `If-Match: "1"`, body: body, want: 412, code: failed},
		{do: "PATCH " + vm, head: "If-Match: *", body: change, want: 404, code: "ResourceNotFound"},
		{do: "DELETE " + vm, head: "If-Match: *", want: 204},
		{do: "DELETE " + vm, head: `If-Match: "1"`, want: 204},
		{do: "PUT " + vm, head: "If-None-Match: *", body: body, want: 201, header: `ETag: "1"`},
		{do: "PUT " + vm, head: "If-None-Match: *", body: body, want: 412, code: failed},
		{do: "PUT " + vm, head: `If-None-Match: "1"`, body: body, want: 412, code: failed},
		{do: "PUT " + vm, head: `If-None-Match: "7"`, body: body, want: 200, header: `ETag: "2"`},
		{do: "PUT " + vm, head: `If-Match: "1"`, body: body, want: 412, code: failed},
		{do: "PUT " + vm, head: `If-Match: W/"2"`, body: body, want: 412, code: failed},
		{do: "PUT " + vm, head: `If-Match: "2"`, body: body, want: 200, header: `ETag: "3"`},
		{do: "PATCH " + vm, head: `If-Match: "2"`, body: change, want: 412, code: failed},
		{do: "PATCH " + vm, head: `If-Match: "3"`, body: change, want: 200, header: `ETag: "4"`},
		{do: "PATCH " + vm, head: "If-Match: *", body: change, want: 200, header: `ETag: "5"`},
		{do: "DELETE " + vm, head: `If-Match: "4"`, want: 412, code: failed},
		{do: "GET " + vm, want: 200, header: `ETag: "5"`},
		{do: "DELETE " + vm, head: `If-Match: "5"`, want: 200},
		{do: "PUT $RG", head: "If-None-Match: *", body: body, want: 412, code: failed},
		{do: "DELETE $RG", head: `If-Match: "9"`, want: 412, code: failed},
		{do: "DELETE $RG", head: `If-Match: "1"`, want: 200},
	})
}

// TestMachineLife is the life of a system-assigned identity: it goes with its
// machine, its assignments elsewhere stay and dangle, and a machine that is
// made again has another one.
func TestMachineLife(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const vm = "$RG/providers/$VMS/vm1"
	w.run(t, []step{
		{do: "PUT " + vm, body: `{"location":"westus","identity":{"type":"SystemAssigned"}}`, want: 201, keep: map[string]string{"$FIRST": "identity.principalId"}},
		{do: "GET " + vm + "/providers/Microsoft.ManagedIdentity/identities/default", want: 200, keep: map[string]string{"$CLIENT": "properties.clientId"},
			has: list{`"id":"` + vm + `/providers/Microsoft.ManagedIdentity/identities/default"`, `"type":"Microsoft.ManagedIdentity/identities"`, `"location":"westus"`, `"tenantId":"$TENANT"`, `"principalId":"$FIRST"`}},
		{do: "PUT $SUB/$ASSIGN/00000000-0000-0000-0000-0000000000b1", body: assign("$READER", "$FIRST", ""), want: 201, has: list{`"principalType":"ServicePrincipal"`}},
		{do: "PUT " + vm + "/$ASSIGN/00000000-0000-0000-0000-0000000000b2", body: assign("$READER", "$FIRST", ""), want: 201},
	})
	first := w.principalOf(t, vm)
	if string(first.AppID) != w.vars["$CLIENT"] {
		t.Errorf("the client id is %s, not %s", w.vars["$CLIENT"], first.AppID)
	}
	w.tokens["vm1"] = w.issue(first)
	w.run(t, []step{
		{as: "vm1", do: "GET " + vm, want: 200},
		{do: "DELETE " + vm, want: 200},
		{as: "vm1", do: "GET " + vm, want: 401, code: "InvalidAuthenticationToken"},
		{do: "GET $SUB/$ASSIGN", want: 200, has: list{"0000000000b1", "$FIRST"}, hasNot: list{"0000000000b2"}},
		{do: "PUT " + vm, body: `{"location":"westus","identity":{"type":"SystemAssigned"}}`, want: 201, hasNot: list{"$FIRST"}, keep: map[string]string{"$SECOND": "identity.principalId"}},
		{do: "GET $SUB/$ASSIGN?$V&$filter=principalId eq '$SECOND'", want: 200, has: list{`{"value":[]}`}},
	})
	w.tokens["vm1"] = w.issue(w.principalOf(t, vm))
	w.run(t, []step{
		{as: "vm1", do: "GET " + vm, want: 403, code: "AuthorizationFailed"},
		{do: "PATCH " + vm, body: `{"identity":{"type":"None"}}`, want: 200, hasNot: list{"identity"}},
		{as: "vm1", do: "GET " + vm, want: 401, code: "InvalidAuthenticationToken"},
		{do: "GET " + vm + "/providers/Microsoft.ManagedIdentity/identities/default", want: 404, code: "ResourceNotFound"},
		{do: "PATCH " + vm, body: `{"identity":{"type":"SystemAssigned"}}`, want: 200, hasNot: list{"$FIRST", "$SECOND"}, has: list{`"principalId"`}},
		{do: "GET $RG/providers/$VMS/none/providers/Microsoft.ManagedIdentity/identities/default", want: 404, code: "ResourceNotFound"},
		{do: "GET " + vm + "/providers/Microsoft.ManagedIdentity/identities/other", want: 404, code: "ResourceNotFound"},
	})
}

// stored reads a resource as it is kept.
func (w *world) stored(t *testing.T, id string) (r *resource.Resource) {
	t.Helper()
	err := w.db.View(t.Context(), func(tx *store.Tx) (err error) {
		r, err = resource.Get(tx, mustID(t, w.expand(id)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
