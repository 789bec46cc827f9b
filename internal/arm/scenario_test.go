package arm_test

import (
	"testing"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestScenario is the main scenario on both engines: a machine with both kinds
// of identity reads what it was given, and nothing once it is gone.
func TestScenario(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) { scenario(t, newWorldOn(t, fresh(t))) })
}

func scenario(t *testing.T, w *world) {
	const vm, id, kv = "$RG/providers/$VMS/vm1", "$RG/providers/$IDS/id1", "$RG/providers/$KVS/kv-one"
	w.groups(t, "rg1", "rg10")
	w.run(t, []step{
		{do: "PUT " + id, body: `{"location":"westus"}`, want: 201, keep: map[string]string{"$IDOID": "properties.principalId"}},
		{do: "PUT " + vm, body: `{"location":"westus","tags":{"team":"blue"},"identity":{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"` + id + `":{}}}}`, want: 201,
			has: list{"$IDOID"}, keep: map[string]string{"$VMOID": "identity.principalId"}},
		{do: "PUT " + kv, body: vaultBody, want: 200},
		{do: "PUT " + kv + "/accessPolicies/add", body: `{"properties":{"accessPolicies":[{"tenantId":"$TENANT","objectId":"$VMOID","permissions":{"secrets":["get"]}}]}}`, want: 200},
		{do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: assign("$READER", "$VMOID", ""), want: 201},
		{do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$VMOID", ""), want: 409, code: "RoleAssignmentExists"},
		{do: "PUT $SUB/$ASSIGN/00000000-0000-0000-0000-0000000000a3", body: assign("$CONTRIBUTOR", "$IDOID", "ServicePrincipal"), want: 201},
		{do: "PUT $SUB/$ROLES/00000000-0000-0000-0000-0000000000d1", body: `{"properties":{"roleName":"Restarter","assignableScopes":["$SUB"],"permissions":[{"actions":["Microsoft.Compute/virtualMachines/restart/action"]}]}}`, want: 201},
		{do: "GET $SUB/$ROLES?$V&$filter=roleName eq 'RESTARTER'", want: 200, has: list{"Restarter"}},
	})
	w.tokens["vm1"], w.tokens["id1"] = w.issue(w.principalOf(t, vm)), w.issue(w.principalOf(t, id))
	w.run(t, []step{
		{as: "vm1", do: "GET $SUB/resources?$V&$filter=tagName eq 'team'", want: 200, has: list{vm}},
		{as: "vm1", do: "GET $SUB/resourceGroups", want: 200, has: list{"rg1"}, hasNot: list{"rg10"}},
		{as: "vm1", do: "GET $SUB/resourceGroups/rg10", want: 403, code: "AuthorizationFailed"},
		{as: "id1", do: "PATCH " + vm, head: `If-Match: "1"`, body: `{"tags":{"team":"green"}}`, want: 200, header: `ETag: "2"`},
		{as: "id1", do: "PATCH " + vm, head: `If-Match: "1"`, body: `{"tags":{}}`, want: 412, code: "PreconditionFailed"},
		{as: "id1", do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a4", body: assign("$OWNER", "$IDOID", ""), want: 403, code: "AuthorizationFailed"},
		{do: "DELETE " + vm, want: 200},
		{as: "vm1", do: "GET $RG", want: 401, code: "InvalidAuthenticationToken"},
		{do: "GET $RG/$ASSIGN?$V&$filter=principalId eq '$VMOID'", want: 200, has: list{"0000000000a1"}},
		{do: "DELETE $RG", want: 200},
		{as: "id1", do: "GET $SUB", want: 401, code: "InvalidAuthenticationToken"},
		{do: "GET $SUB/$ASSIGN?$V&$filter=atScope()", want: 200, has: list{"0000000000a3"}},
		{do: "GET $SUB/resources", want: 200, has: list{`{"value":[]}`}},
	})
	w.groups(t, "rg1")
	w.run(t, []step{ // the vault went with its group, and comes back into a new one
		{do: "PUT " + kv, body: vaultBody, want: 409, code: "ConflictError"},
		{do: "GET " + deletedList, want: 200, has: list{`"vaultId":"$RG/providers/Microsoft.KeyVault/vaults/kv-one"`}},
		{do: "PUT " + kv, body: recoverBody("westus"), want: 200, has: list{"$VMOID"}},
		{do: "PUT " + kv + "/secrets/s", body: `{"properties":{"value":"v"}}`, want: 201},
		{do: "DELETE " + kv, want: 200},
		{do: "POST " + deletedWest + "kv-one/purge", want: 202},
		{do: "PUT " + kv, body: vaultBody, want: 200, hasNot: list{"$VMOID"}},
		{do: "GET " + kv + "/secrets", want: 200, has: list{`{"value":[]}`}},
	})
}
