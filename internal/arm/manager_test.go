package arm_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas/internal/activity"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/vault"
)

const locksAt = "/providers/Microsoft.Authorization/locks/"

// TestLocks: a lock stands in the way of every verb that changes or deletes,
// after the right to do it, and of none that reads.
func TestLocks(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	const vm, kv = "$RG/providers/Microsoft.Compute/virtualMachines/vm1", "$RG/providers/Microsoft.KeyVault/vaults/kv-one"
	const reader = "$RG/$ASSIGN/00000000-0000-0000-0000-0000000000a1"
	w.run(t, []step{
		{do: "PUT " + vm, body: machineBody, want: 201}, {do: "PUT " + kv, body: vaultBody, want: 200}, {do: "PUT " + reader, body: assign("$READER", "$APP", ""), want: 201},
		{do: "PUT $RG" + locksAt + "l", body: `{"properties":{"level":"CanNotDelete"}}`, want: 201},
		{as: "app", do: "DELETE " + vm, want: 403, code: "AuthorizationFailed"},
		{do: "DELETE " + vm, want: 409, code: "ScopeLocked"}, {do: "DELETE $RG", want: 409, code: "ScopeLocked"}, {do: "DELETE " + reader, want: 409, code: "ScopeLocked"},
		{do: "PATCH " + vm, body: `{"tags":{"a":"b"}}`, want: 200}, {do: "PATCH $RG", body: `{"tags":{"a":"b"}}`, want: 200},
		{do: "POST $RG/moveResources", body: `{"resources":["` + vm + `"],"targetResourceGroup":"$SUB/resourceGroups/rg2"}`, want: 409, code: "ScopeLocked"},
		{do: "PUT $RG" + locksAt + "l", body: `{"properties":{"level":"ReadOnly"}}`, want: 200},
		{do: "PATCH " + vm, body: `{"tags":{"a":"c"}}`, want: 409, code: "ScopeLocked"}, {do: "PUT " + vm, body: machineBody, want: 409, code: "ScopeLocked"},
		{do: "PUT $RG", body: `{"location":"westus"}`, want: 409, code: "ScopeLocked"}, {do: "PATCH $RG", body: `{}`, want: 409, code: "ScopeLocked"},
		{do: "PUT $RG/providers/$VMS/vm2", body: machineBody, want: 409, code: "ScopeLocked"},
		{do: "PUT " + kv + "/accessPolicies/add", body: `{"properties":{"accessPolicies":[]}}`, want: 409, code: "ScopeLocked"},
		{do: "PUT " + kv + "/secrets/s", body: `{"properties":{"value":"v"}}`, want: 409, code: "ScopeLocked"},
		{do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$MACHINE", ""), want: 409, code: "ScopeLocked"},
		{do: "PATCH $RG/providers/Microsoft.Resources/tags/default", body: `{"operation":"Merge","properties":{"tags":{}}}`, want: 409, code: "ScopeLocked"},
		{do: "POST " + vm + "/dance", body: `{}`, want: 409, code: "ScopeLocked"},
		{do: "GET " + vm, want: 200}, {do: "GET $RG/providers/$VMS", want: 200, has: list{"vm1"}}, {do: "HEAD $RG", want: 204},
		{do: "PUT $SUB/resourceGroups/rg2/providers/$VMS/vm2", body: machineBody, want: 201},
		{do: "POST $SUB/resourceGroups/rg2/moveResources", body: `{"resources":["$SUB/resourceGroups/rg2/providers/$VMS/vm2"],"targetResourceGroup":"$RG"}`, want: 409, code: "ScopeLocked"},
		{do: "POST $SUB/providers/Microsoft.KeyVault/checkNameAvailability", body: `{"name":"kv-two","type":"Microsoft.KeyVault/vaults"}`, want: 200},
		// Locks and their lists; who can write resources cannot write locks.
		{do: "PUT " + vm + locksAt + "own", body: `{"properties":{"level":"ReadOnly","notes":"n"}}`, want: 201},
		{do: "GET $RG/providers/Microsoft.Authorization/locks?$V&$filter=atScope()", want: 200, has: list{locksAt + "l"}, hasNot: list{locksAt + "own"}},
		{do: "GET " + vm + "/providers/Microsoft.Authorization/locks", want: 200, has: list{locksAt + `l"`, locksAt + `own"`}},
		{do: "GET $RG/providers/Microsoft.Authorization/locks?$V&$filter=x", want: 400, code: "UnsupportedFilter"},
		{do: "PUT $RG/providers/$VMS/none" + locksAt + "l", body: `{"properties":{"level":"ReadOnly"}}`, want: 404, code: "ResourceNotFound"},
		{do: "PUT " + locksAt + "l", body: `{"properties":{"level":"ReadOnly"}}`, want: 400, code: "BadRequest"},
		{do: "DELETE " + vm + locksAt + "own", want: 200}, {do: "DELETE " + vm + locksAt + "own", want: 204},
		{do: "DELETE $RG" + locksAt + "l", want: 200}, {do: "DELETE $RG", want: 200},
		{do: "PUT $SUB" + locksAt + "all", body: `{"properties":{"level":"ReadOnly"}}`, want: 201},
		{do: "POST $SUB/providers/Microsoft.Compute/register", want: 409, code: "ScopeLocked"},
		{do: "PUT $SUB/resourceGroups/rg3", body: `{"location":"westus"}`, want: 409, code: "ScopeLocked"},
		{do: "PUT $SUB/tagNames/a", want: 409, code: "ScopeLocked"},
	})
	w.grant("app", w.vars["$CONTRIBUTOR"], "$SUB")
	w.run(t, []step{{as: "app", do: "DELETE $SUB" + locksAt + "all", want: 403, code: "AuthorizationFailed"}})
}

// TestMove: a resource has another id after a move, and the same identity,
// values and children; roles on it are lost, roles of its identity are not.
func TestMove(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "Rg2")
	const rg2 = "$SUB/resourceGroups/Rg2"
	const vm, kv = "/providers/Microsoft.Compute/virtualMachines/vm1", "/providers/Microsoft.KeyVault/vaults/kv-one"
	move := func(verb, resources, to string) step {
		return step{do: "POST $SUB/resourcegroups/RG1/" + verb, body: `{"resources":[` + resources + `],"targetResourceGroup":"` + to + `"}`, want: 204}
	}
	fails := func(s step, status int, code string) step { s.want, s.code = status, code; return s }
	both := `"$RG` + vm + `","$RG` + strings.ToLower(kv) + `"`
	w.run(t, []step{
		{do: "PUT $RG" + vm, body: `{"location":"westus","identity":{"type":"SystemAssigned"},"tags":{"a":"b"},"properties":{}}`, want: 201, keep: map[string]string{"$VM1": "identity.principalId", "$VMID": "properties.vmId"}},
		{do: "PUT $RG" + kv, body: vaultBody, want: 200}, {do: "PUT $RG" + kv + "/secrets/s", body: `{"properties":{"value":"v"}}`, want: 201},
		{do: "PUT $RG/providers/$IDS/id1", body: `{"location":"westus"}`, want: 201},
		{do: "PUT $RG" + vm + "/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: assign("$READER", "$APP", ""), want: 201},
		{do: "PUT " + rg2 + "/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$VM1", "ServicePrincipal"), want: 201},
		fails(move("moveResources", both, "$SUB/resourceGroups/none"), 404, "ResourceGroupNotFound"),
		fails(move("moveResources", both, "$RG"), 400, "InvalidResourceMove"),
		fails(move("moveResources", both, "$RG"+vm), 400, "InvalidResourceMove"),
		fails(move("moveResources", ``, rg2), 400, "InvalidResourceMove"),
		fails(move("moveResources", `"x"`, rg2), 400, "InvalidResourceMove"),
		fails(move("moveResources", `"$RG`+vm+`","$RG`+vm+`"`, rg2), 400, "InvalidResourceMove"),
		fails(move("moveResources", `"`+rg2+vm+`"`, rg2), 400, "InvalidResourceMove"),
		fails(move("moveResources", `"$RG`+kv+`/secrets/s"`, rg2), 400, "InvalidResourceMove"),
		fails(move("moveResources", `"$RG/providers/$VMS/none"`, rg2), 404, "ResourceNotFound"),
		fails(move("moveResources", `"$RG`+vm+`","$RG/providers/$IDS/id1"`, rg2), 409, "ResourceMoveNotSupported"),
		fails(move("moveResources", both, "/subscriptions/99999999-9999-9999-9999-999999999999/resourceGroups/x"), 404, "SubscriptionNotFound"),
		move("validateMoveResources", both, rg2),
		{do: "GET $RG" + vm, want: 200},
		move("moveResources", both, rg2),
		{do: "GET $RG" + vm, want: 404, code: "ResourceNotFound"}, {do: "GET $RG" + kv, want: 404, code: "ResourceNotFound"},
		{do: "GET " + rg2 + vm, want: 200, has: list{`"id":"` + rg2 + vm + `"`, `"principalId":"$VM1"`, `"vmId":"$VMID"`, `"tags":{"a":"b"}`}, header: `ETag: "2"`},
		{do: "GET " + rg2 + kv, want: 200, has: list{`"id":"` + rg2 + kv + `"`}}, {do: "GET " + rg2 + kv + "/secrets/s", want: 200},
		{do: "GET $SUB/resourceGroups/rg1/resources", want: 200, has: list{"id1"}, hasNot: list{"vm1", "kv-one"}},
		{do: "GET " + rg2 + vm + "/$ASSIGN?$V&$filter=atScope()", want: 200, hasNot: list{"0000000000a1"}},
		{do: "GET " + rg2 + "/$ASSIGN?$V&$filter=principalId eq '$VM1'", want: 200, has: list{"0000000000a2"}},
	})
	w.update(func(tx *store.Tx) error {
		id, err := azure.ParseResourceID(w.expand(rg2 + vm))
		if err != nil {
			return err
		}
		p, err := directory.PrincipalByResource(tx, id)
		if err != nil || string(p.ID) != w.vars["$VM1"] {
			t.Errorf("the identity is %v, %v", p, err)
		}
		v, err := vault.ByName(tx, "kv-one")
		if err == nil && v.Resource.String() != w.expand(rg2+kv) {
			t.Errorf("the vault is at %s", v.Resource)
		}
		return err
	})
	// Rights: to move from the one, and to write the other.
	w.grant("app", w.vars["$CONTRIBUTOR"], rg2)
	w.grant("app", w.vars["$READER"], "$RG")
	back := step{as: "app", do: "POST " + rg2 + "/moveResources", body: `{"resources":["` + rg2 + vm + `"],"targetResourceGroup":"$RG"}`, want: 403, code: "LinkedAuthorizationFailed"}
	w.run(t, []step{
		{as: "app", do: "POST $RG/moveResources", body: back.body, want: 403, code: "AuthorizationFailed"},
		back,
		{do: "PUT $RG" + vm, body: machineBody, want: 201},
		{do: back.do, body: back.body, want: 409, code: "InvalidResourceMove"},
		{do: "DELETE $RG" + vm, want: 200},
		{do: "PUT " + rg2 + vm + "/providers/Microsoft.Authorization/denyAssignments/00000000-0000-0000-0000-0000000000d1", body: denyBody("Microsoft.Compute/*/delete"), want: 201},
		{do: back.do, body: back.body, want: 409, code: "InvalidResourceMove"},
		{do: "DELETE " + rg2 + vm, want: 403, code: "DenyAssignmentAuthorizationFailed"},
		{do: "DELETE " + rg2 + vm + "/providers/Microsoft.Authorization/denyAssignments/00000000-0000-0000-0000-0000000000d1", want: 200},
		{do: back.do, body: back.body, want: 204},
		{do: "DELETE $RG" + vm, want: 200},
	})
}

// denyBody denies an action to everyone but the machine.
func denyBody(action string) string {
	return `{"properties":{"denyAssignmentName":"d","permissions":[{"actions":["` + action + `"]}],"principals":[{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}],"excludePrincipals":[{"id":"$MACHINE","type":"ServicePrincipal"}]}}`
}

// TestDenyAssignments: what is denied is neither done nor listed.
func TestDenyAssignments(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	const deny = "/providers/Microsoft.Authorization/denyAssignments/00000000-0000-0000-0000-0000000000d"
	w.grant("app", w.vars["$CONTRIBUTOR"], "$SUB")
	w.grant("machine", w.vars["$READER"], "$SUB")
	w.run(t, []step{
		{do: "PUT $RG/providers/$VMS/vm1", body: machineBody, want: 201}, {do: "PUT $RG/providers/$VMS/vm2", body: machineBody, want: 201},
		{do: "PUT $RG/providers/$VMS/vm1" + deny + "1", body: denyBody("Microsoft.Compute/virtualMachines/read"), want: 201},
		{do: "PUT $SUB/resourceGroups/rg2" + deny + "2", body: denyBody("*/resourceGroups/read"), want: 201},
		{do: "GET $RG/providers/$VMS/vm1", want: 403, code: "DenyAssignmentAuthorizationFailed"},
		{do: "GET $RG/providers/$VMS", want: 200, has: list{"vm2"}, hasNot: list{"vm1"}},
		{do: "GET $RG/resources", want: 200, has: list{"vm2"}, hasNot: list{"vm1"}},
		{do: "GET $SUB/resourcegroups", want: 200, has: list{"rg1"}, hasNot: list{"rg2"}},
		{as: "machine", do: "GET $RG/providers/$VMS", want: 200, has: list{"vm1", "vm2"}},
		{do: "PUT $RG" + deny + "3", body: denyBody("Microsoft.Compute/*"), want: 201},
		{do: "GET $RG/providers/$VMS", want: 403, code: "DenyAssignmentAuthorizationFailed"},
		{do: "GET $RG/resources", want: 200, hasNot: list{"vm1", "vm2"}},
		{as: "nobody", do: "GET $RG/providers/$VMS", want: 401, code: "AuthenticationFailed"},
		// Who may write resources may not write or take back deny assignments.
		{as: "app", do: "DELETE $RG" + deny + "3", want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "PUT $RG" + deny + "4", body: denyBody("*"), want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "GET $RG" + deny + "3", want: 200},
		{do: "GET $SUB/providers/Microsoft.Authorization/denyAssignments?$V&$filter=denyAssignmentName eq 'D'", want: 200, has: list{"d1", "d2", "d3"}},
		{do: "GET $SUB/providers/Microsoft.Authorization/denyAssignments?$V&$filter=principalId eq '$APP'", want: 200, hasNot: list{"d1"}},
		{do: "GET $SUB/providers/Microsoft.Authorization/denyAssignments?$V&$filter=atScope() and gdprExportPrincipalId eq '$MACHINE'", want: 200, hasNot: list{"d1"}},
		{do: "GET $SUB/providers/Microsoft.Authorization/denyAssignments?$V&$filter=x", want: 400, code: "UnsupportedFilter"},
		{do: "PUT $RG" + deny + "4", body: strings.Replace(denyBody("*"), `"permissions"`, `"isSystemProtected":true,"permissions"`, 1), want: 400, code: "BadRequest"},
		{do: "PUT $RG" + deny + "4", body: strings.Replace(denyBody("*"), `"permissions"`, `"denyAssignmentEffect":"audit","permissions"`, 1), want: 400, code: "BadRequest"},
		{do: "PUT $RG" + deny + "4", body: strings.Replace(denyBody("*"), `"permissions"`, `"condition":"x","permissions"`, 1), want: 400, code: "BadRequest"},
		{do: "PUT $RG/providers/$VMS/none" + deny + "4", body: denyBody("*"), want: 404, code: "ResourceNotFound"},
		{do: "PUT $RG" + deny + "4", body: `[]`, want: 400, code: "InvalidRequestContent"},
		{do: "DELETE $RG" + deny + "3", want: 200}, {do: "DELETE $RG" + deny + "3", want: 204},
		{do: "GET $RG/providers/$VMS", want: 200, has: list{"vm2"}, hasNot: list{"vm1"}},
	})
}

// TestDelegation: Key Vault Data Access Administrator assigns the roles of its
// condition, and no other.
func TestDelegation(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.grant("app", "8b54135c-b56d-4d72-a534-26097cfdc8d8", "$RG")
	const id, secretsUser = "$RG/$ASSIGN/00000000-0000-0000-0000-0000000000a1", "4633458b-17de-408a-b874-0445c86b69e6"
	w.run(t, []step{
		{as: "app", do: "PUT " + id, body: assign(secretsUser, "$MACHINE", ""), want: 201},
		{as: "app", do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$OWNER", "$APP", ""), want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: `{`, want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: `{"properties":{}}`, want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "GET " + id, want: 200}, {as: "app", do: "DELETE " + id, want: 200},
		{do: "PUT " + id, body: assign("$OWNER", "$MACHINE", ""), want: 201},
		{as: "app", do: "DELETE " + id, want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "PUT " + id, body: assign(secretsUser, "$MACHINE", ""), want: 400, code: "RoleAssignmentUpdateNotPermitted"},
	})
}

// TestTagsOfScopes: the tags of each kind of scope, and what each operation makes of them.
func TestTagsOfScopes(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.run(t, []step{{do: "PUT $RG/providers/$IDS/id1", body: `{"location":"westus","tags":{"A":"1"}}`, want: 201}})
	for scope, shown := range map[string]string{"$SUB": "$SUB", "$RG": "$RG", "$RG/providers/$IDS/id1": "$RG/providers/$IDS/id1"} {
		tags := scope + "/providers/Microsoft.Resources/tags/default"
		patch := func(operation, given, want string) step {
			return step{do: "PATCH " + tags, body: `{"operation":"` + operation + `","properties":{"tags":` + given + `}}`, want: 200, has: list{`"properties":{"tags":` + want + `}`}}
		}
		w.run(t, []step{
			{do: "PUT " + tags, body: `{"properties":{"tags":{"A":"1","b":"2"}}}`, want: 200, has: list{`"tags":{"A":"1","b":"2"}`, `"name":"default","type":"Microsoft.Resources/tags"`}},
			patch("Merge", `{"a":"3","c":"4"}`, `{"a":"3","b":"2","c":"4"}`),
			patch("delete", `{"B":"9","C":"4"}`, `{"a":"3","b":"2"}`),
			patch("Replace", `{"d":"5"}`, `{"d":"5"}`),
			{do: "PATCH " + tags, body: `{"operation":"Add","properties":{"tags":{"x":"y"}}}`, want: 400, code: "BadRequest"},
			{do: "PATCH " + tags, body: `{"operation":"Merge","properties":{"tags":{"x":"y","X":"z"}}}`, want: 400, code: "InvalidTagNameOrValue"},
			{do: "PUT " + tags, body: `{"properties":{"tags":{"<":"y"}}}`, want: 400, code: "InvalidTagNameOrValue"},
			{do: "GET " + tags, want: 200, has: list{`"tags":{"d":"5"}`}},
			{do: "GET " + shown, want: 200, has: list{`"tags":{"d":"5"}`}},
			{do: "DELETE " + tags, want: 200}, {do: "GET " + tags, want: 200, has: list{`"tags":{}`}},
			{as: "app", do: "GET " + tags, want: 403, code: "AuthorizationFailed"},
		})
	}
	const names = "$SUB/tagNames"
	w.run(t, []step{
		{do: "GET $RG/providers/Microsoft.Resources/tags/other", want: 404, code: "NotFound"},
		{do: "GET /providers/Microsoft.Resources/tags/default", want: 400, code: "BadRequest"},
		{do: "GET $RG/providers/$IDS/none/providers/Microsoft.Resources/tags/default", want: 404, code: "ResourceNotFound"},
		{do: "PATCH $RG/providers/$IDS/id1", body: `{"tags":{"Team":"red"}}`, want: 200},
		{do: "PUT " + names + "/team", want: 201, has: list{`"tagName":"team","count":{"type":"Total","value":1}`}}, {do: "PUT " + names + "/TEAM", want: 200},
		{do: "PUT " + names + "/team/tagValues/blue", want: 201}, {do: "PUT " + names + "/team/tagValues/blue", want: 200},
		{do: "PUT " + names + "/none/tagValues/blue", want: 404, code: "NotFound"},
		{do: "GET " + names, want: 200, has: list{`"tagValue":"blue","count":{"type":"Total","value":0}`, `"tagValue":"red","count":{"type":"Total","value":1}`}},
		{do: "DELETE " + names + "/team", want: 409, code: "TagInUse"}, {do: "DELETE " + names + "/team/tagValues/red", want: 409, code: "TagInUse"},
		{do: "DELETE " + names + "/team/tagValues/blue", want: 200}, {do: "DELETE " + names + "/team/tagValues/blue", want: 204},
		{do: "PATCH $RG/providers/$IDS/id1", body: `{"tags":{}}`, want: 200},
		{do: "DELETE " + names + "/team", want: 200}, {do: "DELETE " + names + "/team", want: 204}, {do: "GET " + names, want: 200, has: list{`"value":[]`}},
		{do: "PUT " + names + "/%3C", want: 400, code: "InvalidTagNameOrValue"},
		{as: "app", do: "GET " + names, want: 403, code: "AuthorizationFailed"},
	})
}

// TestActivityLog: changes and refusals are told to those who may read them
// where they were made, newest first, by every filter.
func TestActivityLog(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	operator, app := string(w.callers["operator"].ID), string(w.callers["app"].ID)
	at := func(n int, caller, operation, target string, status int) activity.Entry {
		return activity.Entry{Time: w.now().Add(time.Duration(n) * time.Minute), Plane: "arm", Caller: caller, Operation: operation, Target: w.expand(target), Status: status,
			RequestID: fmt.Sprintf("00000000-0000-0000-0000-%012d", n), CorrelationID: fmt.Sprintf("00000000-0000-0000-0001-%012d", n/2), ClientAddress: "127.0.0.1:99", Method: http.MethodPut}
	}
	log := activity.New(w.db, slog.New(slog.DiscardHandler))
	for _, e := range []activity.Entry{
		at(1, operator, "Microsoft.Resources/subscriptions/resourceGroups/write", "$RG", 201),
		at(2, operator, "Microsoft.Compute/virtualMachines/write", "$RG/providers/$VMS/vm1", 201),
		at(3, app, "Microsoft.Compute/virtualMachines/delete", "$RG/providers/$VMS/vm1", 403),
		at(4, app, "Microsoft.Compute/virtualMachines/read", "$RG/providers/$VMS/vm1", 403),
		at(5, operator, "Microsoft.KeyVault/vaults/write", "$SUB/resourceGroups/rg2/providers/$KVS/kv-one", 200),
		{Time: w.now().Add(6 * time.Minute), Plane: "keyvault", Operation: "Microsoft.KeyVault/vaults/secrets/getSecret/action", Target: w.expand("$RG/providers/$KVS/kv-one"), Status: 200},
		at(7, operator, "Microsoft.Authorization/roleAssignments/write", "/subscriptions/99999999-9999-9999-9999-999999999999", 201),
	} {
		log.Record(e)
	}
	ended, end := context.WithCancel(t.Context())
	end() // what was recorded is written before the log ends
	if err := log.Run(ended); err != nil {
		t.Fatal(err)
	}
	w.grant("app", w.vars["$READER"], "$RG")
	ask := func(as, filter string) answer {
		return w.send(t, w.request(as, "GET $SUB/providers/microsoft.insights/eventtypes/management/values?api-version=2015-04-01&$filter="+filter, ""))
	}
	const since = "eventTimestamp ge '2026-03-04T00:00:00Z'"
	for filter, want := range map[string]string{
		since: "5 3 2 1",
		since + " and eventTimestamp le 2026-03-04T05:08:30":                         "2 1",
		"eventTimestamp ge 2026-03-04T05:08:30.5+00:00":                              "5 3",
		since + " and resourceGroupName eq 'RG2'":                                    "5",
		since + " and resourceProvider eq 'microsoft.compute'":                       "3 2",
		since + " and resourceUri eq '$RG/providers/$VMS/VM1'":                       "3 2",
		since + " and caller eq 'ada@contoso.example'":                               "5 2 1",
		since + " and caller eq '" + operator + "'":                                  "5 2 1",
		since + " and status eq 'Failed'":                                            "3",
		since + " and status eq 'Succeeded' and eventChannels eq 'Admin, Operation'": "5 2 1",
		since + " and correlationId eq '00000000-0000-0000-0001-000000000001'":       "3 2",
		since + " and operationName eq 'Microsoft.KeyVault/vaults/write'":            "5",
		since + " and level eq 'Error'":                                              "3",
		since + " and category eq 'Security'":                                        "",
	} {
		a := ask("", filter)
		var got list
		for i := 0; a.at(fmt.Sprintf("value.%d.eventDataId", i)) != ""; i++ {
			got = append(got, strings.TrimLeft(strings.ReplaceAll(a.at(fmt.Sprintf("value.%d.eventDataId", i)), "-", ""), "0"))
		}
		if a.status != 200 || strings.Join(got, " ") != want {
			t.Errorf("%s: %d %v, want %s\n%.1000s", filter, a.status, got, want, a.body)
		}
	}
	shown := ask("app", since)
	for path, want := range map[string]string{"value.0.eventDataId": "00000000-0000-0000-0000-000000000003", "value.3.id": "", "value.2.eventDataId": "00000000-0000-0000-0000-000000000001",
		"value.0.caller": app, "value.1.caller": "ada@contoso.example", "value.0.status.value": "Failed", "value.0.subStatus.value": "Forbidden", "value.1.subStatus.localizedValue": "Created (HTTP Status Code: 201)",
		"value.0.operationName.value": "Microsoft.Compute/virtualMachines/delete", "value.0.resourceGroupName": "rg1", "value.0.httpRequest.clientIpAddress": "127.0.0.1", "value.0.httpRequest.method": "PUT",
		"value.0.eventTimestamp": "2026-03-04T05:09:07.8901230Z", "value.0.authorization.action": "Microsoft.Compute/virtualMachines/delete", "value.0.resourceType.value": "Microsoft.Compute/virtualMachines"} {
		if got := shown.at(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	first := ask("", since+"&$top=3")
	next := strings.TrimPrefix(first.at("nextLink"), "https://management.azure.com")
	rest := w.send(t, w.request("", "GET "+next, ""))
	if first.at("value.2.id") == "" || first.at("value.3.id") != "" || rest.at("value.0.eventDataId") != "00000000-0000-0000-0000-000000000001" || rest.at("nextLink") != "" {
		t.Errorf("pages: %s\n%s", first.body, rest.body)
	}
	if a := ask("", since+"&$select=eventDataId , status"); a.at("value.0.status.value") == "" || a.at("value.0.caller") != "" || a.at("value.0.id") != "" {
		t.Errorf("selected: %.500s", a.body)
	}
	w.run(t, []step{
		{as: "machine", do: "GET $SUB/providers/microsoft.insights/eventtypes/management/values?$V&$filter=" + since, want: 403, code: "AuthorizationFailed"},
		{do: "GET $SUB/providers/microsoft.insights/eventtypes/other/values?$V&$filter=" + since, want: 404, code: "NotFound"},
		{do: "GET $SUB/providers/microsoft.insights/eventtypes/management/values?$V&$filter=eventTimestamp ge yesterday", want: 400, code: "InvalidFilterInQueryString"},
		{do: "GET $SUB/providers/microsoft.insights/eventtypes/management/values?$V&$filter=" + since + " and colour eq 'red'", want: 400, code: "InvalidFilterInQueryString"},
		{do: "GET $SUB/providers/microsoft.insights/eventtypes/management/values?$V&$filter=" + since + " and status ne 'Failed'", want: 400, code: "InvalidFilterInQueryString"},
	})
}

// TestAssociatedResources: an identity tells what it is attached to.
func TestAssociatedResources(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	w.run(t, []step{
		{do: "PUT $RG/providers/$IDS/id1", body: `{"location":"westus"}`, want: 201},
		{do: "POST $RG/providers/$IDS/id1/listAssociatedResources", want: 200, has: list{`{"totalCount":0,"value":[]}`}},
		{do: "PUT $SUB/resourceGroups/rg2/providers/$VMS/vm1", body: `{"location":"westus","identity":{"type":"UserAssigned","userAssignedIdentities":{"$RG/providers/$IDS/ID1":{}}}}`, want: 201},
		{do: "POST $RG/providers/$IDS/id1/listAssociatedResources", want: 200, has: list{`"totalCount":1`, `"resourceGroup":"rg2","subscriptionId":"` + testSub + `","subscriptionDisplayName":"Pay"`}},
		{do: "POST $RG/providers/$IDS/none/listAssociatedResources", want: 404, code: "ResourceNotFound"},
		{as: "app", do: "POST $RG/providers/$IDS/id1/listAssociatedResources", want: 403, code: "AuthorizationFailed"},
	})
}

// TestRegistration: what a subscription is not registered for cannot be made
// in it, and is registered for again by who asks.
func TestRegistration(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.run(t, []step{
		{do: "POST $SUB/providers/Microsoft.Resources/unregister", want: 409, code: "Conflict"},
		{do: "POST $SUB/providers/Microsoft.Nothing/unregister", want: 404, code: "InvalidResourceNamespace"},
		{do: "POST $SUB/providers/microsoft.compute/unregister", want: 200, has: list{`"registrationState":"Unregistered"`}},
		{do: "GET $SUB/providers/Microsoft.Compute", want: 200, has: list{`"registrationState":"Unregistered"`}},
		{do: "PUT $RG/providers/$VMS/vm1", body: machineBody, want: 409, code: "MissingSubscriptionRegistration"},
		{do: "GET $RG/providers/$VMS", want: 200},
		{as: "app", do: "POST $SUB/providers/Microsoft.Compute/register", want: 403, code: "AuthorizationFailed"},
		{do: "POST $SUB/providers/Microsoft.Compute/register", want: 200, has: list{`"registrationState":"Registered"`}},
		{do: "PUT $RG/providers/$VMS/vm1", body: machineBody, want: 201},
		{do: "POST $SUB/providers/Microsoft.Compute/unregister", want: 409, code: "Conflict"},
		{do: "GET /providers/Microsoft.Authorization/providerOperations", want: 200, has: list{`"name":"Microsoft.Compute/virtualMachines/write"`, `"name":"Microsoft.KeyVault/vaults/secrets/getSecret/action"`, `"isDataAction":true`}},
		{do: "GET /providers/Microsoft.Authorization/providerOperations/Microsoft.Nothing", want: 404, code: "InvalidResourceNamespace"},
	})
}

// TestMetadataNeedsNoToken: the document is for those who have no token yet,
// and only that one is.
func TestMetadataNeedsNoToken(t *testing.T) {
	w := newWorld(t)
	for do, want := range map[string]int{
		"GET /metadata/endpoints?api-version=2022-09-01": 200, "GET //metadata//endpoints//?api-version=2022-09-01": 200, "GET /Metadata/Endpoints?api-version=2030-01-01": 200,
		"HEAD /metadata/endpoints?api-version=2015-01-01": 200, "GET /metadata/endpoints": 200, "GET /metadata/endpoints?api-version=x": 400, "POST /metadata/endpoints": 405,
		"GET /metadata": 401, "GET /metadata/endpoints/x": 401, "GET /metadata/endpoints%2fx": 401, "GET /x/metadata/endpoints": 401,
	} {
		if a := w.send(t, w.request("nobody", do, "")); a.status != want {
			t.Errorf("%s: %d %s", do, a.status, a.body)
		}
	}
}
