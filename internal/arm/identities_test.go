package arm_test

import (
	"strings"
	"testing"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
)

func mustID(t testing.TB, s string) azure.ResourceID {
	t.Helper()
	id, err := azure.ParseResourceID(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return id
}

// principalOf finds the managed identity of a resource.
func (w *world) principalOf(t testing.TB, id string) (p directory.Principal) {
	t.Helper()
	err := w.db.View(t.Context(), func(tx *store.Tx) (err error) {
		p, err = directory.PrincipalByResource(tx, mustID(t, w.expand(id)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUserAssignedIdentity(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const id, old, now = "$RG/providers/$IDS/id1", "?api-version=2023-01-31", "?api-version=2024-11-30"
	w.run(t, []step{
		{do: "GET " + id, want: 404, code: "ResourceNotFound"},
		{do: "PUT " + id + now, body: `{"location":"westus"}`, want: 201, keep: map[string]string{"$OID": "properties.principalId", "$CID": "properties.clientId"},
			has: list{`"id":"$SUB/resourcegroups/rg1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1"`, `"name":"id1"`, `"type":"Microsoft.ManagedIdentity/userAssignedIdentities"`, `"location":"westus","tags":{}`, `"tenantId":"$TENANT"`, `"isolationScope":"None"`}},
		{do: "GET " + id + old, want: 200, has: list{`"principalId":"$OID"`, `"clientId":"$CID"`}, hasNot: list{"isolationScope", "secret"}},
		{do: "GET " + id + now, want: 200, has: list{`"isolationScope":"None"`, "resourcegroups/rg1"}},
		{do: "PUT " + id + now, body: `{"location":"westus","tags":{"a":"b"},"properties":{"isolationScope":"regional"}}`, want: 200, has: list{`"isolationScope":"Regional"`, `"principalId":"$OID"`, `"tags":{"a":"b"}`}},
		{do: "PATCH " + id + now, body: `{"tags":{"c":"d"}}`, want: 200, has: list{`"isolationScope":"Regional"`, `"principalId":"$OID"`, `"tags":{"c":"d"}`}},
		// Its ids are nobody's to choose.
		{do: "PATCH " + id + now, body: `{"properties":{"principalId":"00000000-0000-0000-0000-000000000001","clientId":null,"tenantId":"x"}}`, want: 200, has: list{`"principalId":"$OID"`, `"clientId":"$CID"`, `"tenantId":"$TENANT"`}},
		{do: "PUT " + id + now, body: `{"location":"westus","properties":{"isolationScope":"Solar"}}`, want: 400, code: "BadRequest", has: list{`"target":"properties.isolationScope"`}},
		{do: "PUT " + id + now, body: `{"location":"westus","identity":{"type":"SystemAssigned"}}`, want: 400, code: "ResourceIdentityNotSupported"},
		{do: "GET $RG/providers/$IDS" + old, want: 200, has: list{"resourcegroups/rg1", "$OID"}, hasNot: list{"isolationScope"}},
		{do: "GET $SUB/providers/$IDS" + now, want: 200, has: list{"resourcegroups/rg1", "$OID", "isolationScope"}},
		// Everywhere else its id is spelled as all ids are.
		{do: "GET $SUB/resources", want: 200, has: list{"resourceGroups/rg1"}, hasNot: list{"resourcegroups"}},
		{do: "DELETE " + id, want: 200},
		{do: "DELETE " + id, want: 204},
		{do: "PUT " + id + now, body: `{"location":"westus"}`, want: 201, hasNot: list{"$OID", "$CID"}},
	})
	for name, want := range map[string]int{"abc": 201, "a_b-c": 201, strings.Repeat("x", 128): 201, strings.Repeat("x", 129): 400, "ab": 400, "-abc": 400, "a.bc": 400} {
		code := ""
		if want == 400 {
			code = "InvalidResourceName"
		}
		w.run(t, []step{{do: "PUT $RG/providers/$IDS/" + name + now, body: `{"location":"westus"}`, want: want, code: code}})
	}
}

// identities makes three of them and sets $A, $B, $C to their ids as VMs list them.
func (w *world) identities(t *testing.T) {
	t.Helper()
	for _, name := range []string{"$A", "$B", "$C"} {
		w.vars[name] = w.expand("$RG/providers/$IDS/id-" + strings.ToLower(name[1:]))
		w.run(t, []step{{do: "PUT " + name, body: `{"location":"westus"}`, want: 201, keep: map[string]string{name + "OID": "properties.principalId", name + "CID": "properties.clientId"}}})
		w.vars["$LOWER"+name[1:]] = strings.ToLower(w.vars[name])
	}
}

// TestIdentityBlock is every form of control-plane.md D2 and az-cli.md 5.8.
func TestIdentityBlock(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.identities(t)
	const vm = "$RG/providers/$VMS/vm1"
	patch := func(identity string) step {
		return step{do: "PATCH " + vm, body: `{"identity":` + identity + `}`, want: 200}
	}
	with := func(s step, has ...string) step { s.has = has; return s }
	none := func(s step, hasNot ...string) step { s.hasNot = hasNot; return s }
	const both = `"type":"SystemAssigned, UserAssigned"`
	entryA, entryB := `"$A":{"principalId":"$AOID","clientId":"$ACID"}`, `"$B":{"principalId":"$BOID","clientId":"$BCID"}`
	w.run(t, []step{
		{do: "PUT " + vm, body: `{"location":"westus"}`, want: 201, hasNot: list{"identity"}},
		// az vm identity assign --identities A, then B: the patch names the new one only.
		none(with(patch(`{"type":"UserAssigned","userAssignedIdentities":{"$A":{}}}`), `"identity":{"type":"UserAssigned","userAssignedIdentities":{`+entryA+`}}`), "tenantId", `"type":"SystemAssigned`),
		with(patch(`{"type":"UserAssigned","userAssignedIdentities":{"$B":{}}}`), entryA, entryB),
		// az vm identity assign (the system's own): no map, and it is kept.
		{do: "PATCH " + vm, body: `{"identity":{"type":"SystemAssigned, UserAssigned"}}`, want: 200, has: list{both, entryA, entryB}, keep: map[string]string{"$SYS1": "identity.principalId"}},
		with(patch(`{"type":"SystemAssigned,UserAssigned","userAssignedIdentities":{"$C":{}}}`), both, entryA, entryB, `"$C":`, `"principalId":"$SYS1"`),
		// az vm identity remove --identities C: the id is lower-cased.
		none(with(patch(`{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"$LOWERC":null}}`), both, entryA, entryB, `"principalId":"$SYS1"`), "$C\"", "$LOWERC"),
		// One that is attached already, spelled otherwise, is not attached twice.
		none(with(patch(`{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"$LOWERA":{}}}`), entryA), "$LOWERA"),
		// az vm identity remove (the system's own): its principal goes, the map stays.
		none(with(patch(`{"type":"UserAssigned"}`), `"type":"UserAssigned"`, entryA, entryB), "$SYS1"),
		{do: "PATCH " + vm, body: `{"identity":{"type":"systemassigned, userassigned"}}`, want: 200, has: list{both, entryA}, hasNot: list{"$SYS1"}, keep: map[string]string{"$SYS2": "identity.principalId"}},
		// The last user identity: no map, and it goes.
		none(with(patch(`{"type":"SystemAssigned"}`), `"identity":{"type":"SystemAssigned","principalId":"$SYS2","tenantId":"$TENANT"}`), "userAssigned"),
		with(patch(`{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"$B":{}}}`), both, entryB, "$SYS2"),
		none(with(patch(`{"type":"SystemAssigned","userAssignedIdentities":{"$LOWERB":null}}`), `"type":"SystemAssigned"`), "userAssigned"),
		none(patch(`{"type":"None"}`), "identity"),
		none(patch(`{"type":"None"}`), "identity"),
		// A patch that does not name it, or says null, leaves it.
		with(patch(`{"type":"UserAssigned","userAssignedIdentities":{"$A":{}}}`), entryA),
		with(step{do: "PATCH " + vm, body: `{"tags":{},"identity":null}`, want: 200}, entryA),
		with(patch(`{"userAssignedIdentities":{"$B":{}}}`), `"type":"UserAssigned"`, entryA, entryB),
		// A PUT's map is the whole set; without a block it stays.
		{do: "PUT " + vm, body: `{"location":"westus"}`, want: 200, has: list{entryA, entryB}},
		{do: "PUT " + vm, body: `{"location":"westus","identity":{"type":"UserAssigned","userAssignedIdentities":{"$C":{}}}}`, want: 200, has: list{`"$C":`}, hasNot: list{"$A\"", "$B\""}},
		{do: "PUT " + vm, body: `{"location":"westus","identity":{"type":"SystemAssigned,UserAssigned","userAssignedIdentities":{"$C":{},"$A":{}}}}`, want: 200, has: list{both, `"$C":`, entryA}},
		{do: "PUT " + vm, body: `{"location":"westus","identity":{"type":"None"}}`, want: 200, hasNot: list{"identity"}},
	})
}

func TestIdentityBlockRefused(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.identities(t)
	const vm = "$RG/providers/$VMS/vm1"
	w.run(t, []step{{do: "PUT " + vm, body: `{"location":"westus","identity":{"type":"UserAssigned","userAssignedIdentities":{"$A":{}}}}`, want: 201}})
	before := w.stored(t, vm)
	for _, c := range []struct{ identity, code string }{
		{`{"type":"Sometimes"}`, "InvalidIdentityValues"},
		{`{"type":7}`, "InvalidRequestContent"},
		{`"SystemAssigned"`, "InvalidRequestContent"},
		{`{"type":"UserAssigned","userAssignedIdentities":["$A"]}`, "InvalidRequestContent"},
		{`{"type":"UserAssigned","userAssignedIdentities":{"$A":null}}`, "InvalidIdentityValues"}, // none would be left
		{`{"type":"UserAssigned","userAssignedIdentities":{"$B":7}}`, "InvalidIdentityValues"},
		{`{"type":"UserAssigned","userAssignedIdentities":{"$B":"yes"}}`, "InvalidIdentityValues"},
		{`{"type":"UserAssigned","userAssignedIdentities":{"id-b":{}}}`, "InvalidIdentityValues"},
		{`{"type":"UserAssigned","userAssignedIdentities":{"` + vm + `":{}}}`, "InvalidIdentityValues"},
		{`{"type":"SystemAssigned","userAssignedIdentities":{"$B":{}}}`, "InvalidIdentityValues"},
		{`{"type":"None","userAssignedIdentities":{"$B":{}}}`, "InvalidIdentityValues"},
		{`{"type":"UserAssigned","userAssignedIdentities":{"$RG/providers/$IDS/none":{}}}`, "FailedIdentityOperation"},
	} {
		w.run(t, []step{{do: "PATCH " + vm, body: `{"identity":` + c.identity + `}`, want: 400, code: c.code}})
	}
	w.run(t, []step{
		{do: "PUT $RG/providers/$VMS/vm2", body: `{"location":"westus","identity":{}}`, want: 400, code: "InvalidIdentityValues"},
		{do: "PUT $RG/providers/$VMS/vm2", body: `{"location":"westus","identity":{"type":"UserAssigned"}}`, want: 400, code: "InvalidIdentityValues"},
		// The same identity under two spellings is one.
		{do: "PUT $RG/providers/$VMS/vm2", body: `{"location":"westus","identity":{"type":"UserAssigned","userAssignedIdentities":{"$B":{},"$LOWERB":{},"/$B/":{}}}}`, want: 201},
	})
	if n := len(w.stored(t, "$RG/providers/$VMS/vm2").Identity.UserAssigned); n != 1 {
		t.Errorf("%d identities are attached", n)
	}
	if after := w.stored(t, vm); after.Version != before.Version {
		t.Error("a refused change was stored")
	}
}

// TestAttachNeedsAssign: who may write a machine may still not attach any
// identity to it, nor learn which there are.
func TestAttachNeedsAssign(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	w.identities(t)
	const vmContributor, identityOperator = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c", "f1a07417-d97a-45cb-824c-7a7467783830"
	const vm = "$SUB/resourceGroups/rg2/providers/$VMS/vm1"
	w.grant("app", vmContributor, "$SUB/resourceGroups/rg2")
	refused := step{as: "app", do: "PUT " + vm, body: `{"location":"westus","identity":{"type":"UserAssigned","userAssignedIdentities":{"$A":{}}}}`, want: 403, code: "LinkedAuthorizationFailed",
		has: list{"with object id '$APP' has permission to perform action 'Microsoft.Compute/virtualMachines/write' on scope '" + vm + "'; however, it does not have permission to perform action(s) 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '$A' (respectively) or the linked scope(s) are invalid."}}
	missing := refused
	missing.body, missing.has = strings.Replace(refused.body, "$A", "$SUB/resourceGroups/rg1/providers/$IDS/missing", 1), nil
	allowed := refused
	allowed.want, allowed.code, allowed.has = 201, "", list{"$AOID"}
	w.run(t, []step{refused, missing, {do: "GET " + vm, want: 404, code: "ResourceNotFound"}})
	w.grant("app", identityOperator, "$A")
	w.run(t, []step{allowed})
	other := step{as: "app", do: "PATCH " + vm, body: `{"identity":{"type":"UserAssigned","userAssignedIdentities":{"$B":{}}}}`, want: 403, code: "LinkedAuthorizationFailed"}
	w.run(t, []step{other,
		// What is attached already needs no new right.
		{as: "app", do: "PATCH " + vm, body: `{"identity":{"type":"UserAssigned","userAssignedIdentities":{"$LOWERA":{}}}}`, want: 200, has: list{"$AOID"}},
		{as: "app", do: "PATCH " + vm, body: `{"identity":{"type":"SystemAssigned"}}`, want: 200},
	})
}

// TestDeleteAttachedIdentity: deleting one succeeds, the machine goes on
// listing it, and one made again under its name is another (control-plane.md D2).
func TestDeleteAttachedIdentity(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.identities(t)
	const vm = "$RG/providers/$VMS/vm1"
	w.run(t, []step{
		{do: "PUT " + vm, body: `{"location":"westus","identity":{"type":"UserAssigned","userAssignedIdentities":{"$A":{}}}}`, want: 201},
		{do: "DELETE $A", want: 200},
		{do: "GET " + vm, want: 200, has: list{"$AOID"}},
		{do: "PUT $A", body: `{"location":"westus"}`, want: 201, hasNot: list{"$AOID"}},
		{do: "GET " + vm, want: 200, has: list{"$AOID"}},
		{do: "PATCH " + vm, body: `{"identity":{"type":"UserAssigned","userAssignedIdentities":{"$A":null,"$B":{}}}}`, want: 200, has: list{"$BOID"}, hasNot: list{"$AOID"}},
	})
}
