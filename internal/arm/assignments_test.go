package arm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

func TestRoleAssignment(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const guid = "00000000-0000-0000-0000-0000000000a1"
	const id = "$RG/$ASSIGN/" + guid
	created := w.send(t, w.request("", "PUT "+id, assign("$READER", "$APP", "ServicePrincipal")))
	shape := `{"properties":{"roleDefinitionId":"$SUB/$ROLES/$READER","principalId":"$APP","principalType":"ServicePrincipal","scope":"$RG",` +
		`"condition":null,"conditionVersion":null,"createdOn":"2026-03-04T05:06:07.8901230Z","updatedOn":"2026-03-04T05:06:07.8901230Z","createdBy":null,"updatedBy":"$OPERATOR",` +
		`"delegatedManagedIdentityResourceId":null,"description":null},"id":"$RG/providers/Microsoft.Authorization/roleAssignments/` + guid + `","type":"Microsoft.Authorization/roleAssignments","name":"` + guid + `"}`
	if created.status != 201 {
		t.Errorf("it was answered with %d", created.status)
	}
	if diff := cmp.Diff(w.expand(shape), created.body); diff != "" {
		t.Error(diff)
	}
	later := strings.Replace(shape, `"createdBy":null`, `"createdBy":"$OPERATOR"`, 1)
	described := strings.Replace(assign("$READER", "$APP", ""), `"principalId"`, `"description":"d","principalId"`, 1)
	w.run(t, []step{
		{do: "GET " + id, want: 200, has: list{later}},
		{do: "GET $SUB/resourcegroups/RG1/providers/microsoft.authorization/ROLEASSIGNMENTS/" + guid, want: 200, has: list{later}},
		{do: "HEAD " + id, want: 200},
		{do: "PUT " + id, body: assign("$READER", "$APP", "ServicePrincipal"), want: 200},
		{do: "PUT " + id, body: described, want: 200, has: list{`"description":"d"`}},
		{do: "PUT " + id, body: assign("$OWNER", "$APP", ""), want: 400, code: "RoleAssignmentUpdateNotPermitted"},
		{do: "PUT " + id, body: assign("$READER", "$MACHINE", ""), want: 400, code: "RoleAssignmentUpdateNotPermitted"},
		{do: "PUT $SUB/$ASSIGN/" + guid, body: assign("$READER", "$APP", ""), want: 400, code: "RoleAssignmentUpdateNotPermitted"},
		{do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$APP", ""), want: 409, code: "RoleAssignmentExists",
			has: list{"The role assignment already exists. The ID of the existing role assignment is 000000000000000000000000000000a1."}},
		{do: "DELETE " + id, want: 200, has: list{`"name":"` + guid + `"`}},
		{do: "DELETE " + id, want: 204},
		{do: "GET " + id, want: 404, code: "RoleAssignmentNotFound"},
		// At the root of the tenant.
		{do: "PUT /$ASSIGN/" + guid, body: assign("$READER", "$APP", ""), want: 201, has: list{`"scope":"/"`, `"id":"/providers/Microsoft.Authorization/roleAssignments/` + guid + `"`, `"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/$READER"`}},
		{do: "DELETE /$ASSIGN/" + guid, want: 200},
		// An old body: no principalType, and a scope that does not count.
		{do: "PUT " + id + "?api-version=2015-07-01", body: `{"properties":{"roleDefinitionId":"/$ROLES/$READER","principalId":"$OPERATOR","scope":"/"}}`, want: 201, has: list{`"scope":"$RG"`, `"principalType":"User"`}},
	})
}

func TestRoleAssignmentRefused(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const stranger = "99999999-9999-9999-9999-999999999999"
	put := func(body, code string, status int, has ...string) step {
		return step{do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: body, want: status, code: code, has: has}
	}
	w.run(t, []step{
		put(assign("$READER", stranger, ""), "PrincipalNotFound", 400, "Principal 99999999999999999999999999999999 does not exist in the directory "+testTenant+". Check that you have the correct principal ID."),
		put(assign("$READER", stranger, "User"), "PrincipalNotFound", 400, " does not exist in the directory "),
		put(assign("$READER", "$APP", "User"), "UnmatchedPrincipalType", 400),
		put(assign("$READER", "not-a-guid", ""), "InvalidPrincipalId", 400),
		put(assign(stranger, "$APP", ""), "RoleDefinitionDoesNotExist", 404, "The specified role definition with ID '"+stranger+"' does not exist."),
		put(`{}`, "BadRequest", 400), put(`{"properties":null}`, "BadRequest", 400), put(`null`, "BadRequest", 400),
		put(`[]`, "InvalidRequestContent", 400), put(`{"properties":7}`, "InvalidRequestContent", 400), put(`{"properties":{"principalId":7}}`, "InvalidRequestContent", 400, `"target":"properties.principalId"`),
		put(strings.Replace(assign("$READER", "$APP", ""), `"principalId"`, `"condition":"true","conditionVersion":"2.0","principalId"`, 1), "InvalidCondition", 400),
		put(strings.Replace(assign("$READER", "$APP", ""), `"principalId"`, `"description":"`+strings.Repeat("x", 2049)+`","principalId"`, 1), "BadRequest", 400),
		put(strings.Replace(assign("$READER", "$APP", ""), `"principalId"`, `"description":"\u0000","principalId"`, 1), "InvalidRequestContent", 400),
		// A service principal that was named as such need not be there yet.
		put(assign("$READER", stranger, "ServicePrincipal"), "", 201),
		{do: "PUT $RG/$ASSIGN/not-a-guid", body: assign("$READER", "$APP", ""), want: 400, code: "InvalidRoleAssignmentId"},
		{do: "GET $RG/$ASSIGN/not-a-guid", want: 400, code: "InvalidRoleAssignmentId"},
		{do: "DELETE $RG/$ASSIGN/not-a-guid", want: 400, code: "InvalidRoleAssignmentId"},
		{do: "PUT $SUB/resourceGroups/none/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$APP", ""), want: 404, code: "ResourceGroupNotFound"},
		{do: "PUT $RG/providers/$VMS/none/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$APP", ""), want: 404, code: "ResourceNotFound"},
		{do: "PUT $RG/providers/$KVS/none/secrets/s/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$APP", ""), want: 404, code: "ResourceNotFound"},
		{do: "PUT $RG/providers/$KVS/kv-one", body: vaultBody, want: 200},
		{do: "PUT $RG/providers/$KVS/kv-one/secrets/s/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$APP", ""), want: 201, has: list{`"scope":"$RG/providers/Microsoft.KeyVault/vaults/kv-one/secrets/s"`}},
	})
}

// TestRoleAssignmentFilters is the list of control-plane.md C3.
func TestRoleAssignmentFilters(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg10")
	var team directory.Principal
	w.update(func(tx *store.Tx) (err error) {
		if team, err = directory.CreateGroup(tx, testTenant, "team"); err != nil {
			return err
		}
		return directory.AddMember(tx, team.ID, w.callers["app"].ID)
	})
	w.vars["$TEAM"] = string(team.ID)
	at := func(n int, scope, principal string) step {
		return step{do: fmt.Sprintf("PUT %s/$ASSIGN/00000000-0000-0000-0000-0000000000%02d", scope, n), body: assign("$READER", principal, ""), want: 201}
	}
	w.run(t, []step{
		{do: "PUT $RG/providers/$VMS/vm1", body: `{"location":"westus"}`, want: 201},
		at(10, "$SUB", "$APP"), at(20, "$RG", "$APP"), at(30, "$RG/providers/$VMS/vm1", "$APP"), at(40, "$SUB/resourceGroups/rg10", "$APP"), at(50, "$RG", "$MACHINE"), at(60, "$RG", "$TEAM"),
	})
	ids := list{"0010", "0020", "0030", "0040", "0050", "0060"}
	for _, c := range []struct {
		scope, filter string
		want          list
		root          bool // the operator's own, at the root
	}{
		{"$RG", "", list{"0010", "0020", "0030", "0050", "0060"}, true},
		{"$RG", "atScope()", list{"0010", "0020", "0050", "0060"}, true},
		{"$RG", "ATSCOPE()", list{"0010", "0020", "0050", "0060"}, true},
		{"$RG", "principalId eq '$APP'", list{"0010", "0020", "0030"}, false},
		{"$RG", "principalId+eq+'$APP'", list{"0010", "0020", "0030"}, false},
		{"$RG", "assignedTo('$APP')", list{"0010", "0020", "0030", "0060"}, false},
		{"$RG", "atScope() and assignedTo('$APP')", list{"0010", "0020", "0060"}, false},
		{"$RG", "atScope()+and+assignedTo('$APP')", list{"0010", "0020", "0060"}, false},
		{"$SUB", "", ids, true},
		{"$SUB", "atScope()", list{"0010"}, true},
		{"$SUB", "principalId eq '99999999-9999-9999-9999-999999999999'", nil, false},
		{"$SUB", "principalId eq 'nobody'", nil, false},
		{"$RG/providers/$VMS/vm1", "atScope()", list{"0010", "0020", "0030", "0050", "0060"}, true},
		{"/", "principalId eq '$APP'", list{"0010", "0020", "0030", "0040"}, false},
	} {
		w.run(t, []step{{do: "GET " + strings.TrimSuffix(c.scope, "/") + "/$ASSIGN?$V&$filter=" + c.filter, want: 200}})
		a := w.send(t, w.request("", "GET "+strings.TrimSuffix(c.scope, "/")+"/$ASSIGN?$V&$filter="+c.filter, ""))
		var got list
		for _, id := range ids {
			if strings.Contains(a.body, id+`"`) {
				got = append(got, id)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %s\n%s", c.scope, c.filter, diff)
		}
		if strings.Contains(a.body, `"scope":"/"`) != c.root {
			t.Errorf("%s %s: the root's is not as it should be: %s", c.scope, c.filter, a.body)
		}
	}
	for _, filter := range []string{"nonsense", "principalId eq $APP", "principalId ne '$APP'", "assignedTo($APP)", "atScope() or atScope()", "principalId eq '"} {
		w.run(t, []step{{do: "GET $RG/$ASSIGN?$V&$filter=" + filter, want: 400, code: "UnsupportedFilter"}})
	}
	// What a caller may not read at a scope is not listed there.
	w.run(t, []step{{as: "machine", do: "GET $SUB/$ASSIGN", want: 403, code: "AuthorizationFailed"}})
}

func TestRoleDefinitions(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const guid = "00000000-0000-0000-0000-0000000000d1"
	const id = "$SUB/$ROLES/" + guid
	role := func(name, actions, scopes string) string {
		return `{"properties":{"roleName":"` + name + `","type":"CustomRole","description":"d","assignableScopes":[` + scopes + `],"permissions":[{"actions":[` + actions + `],"notActions":[]}]}}`
	}
	good := role("Restart and Read", `"Microsoft.Compute/virtualMachines/restart/action"`, `"$RG"`)
	put := func(body, code string, status int) step {
		return step{do: "PUT " + id, body: body, want: status, code: code}
	}
	w.run(t, []step{
		{do: "GET $SUB/$ROLES/$READER", want: 200, has: list{`{"properties":{"roleName":"Reader","type":"BuiltInRole"`, `"assignableScopes":["/"]`, `"permissions":[{"actions":["*/read"],"notActions":[],"dataActions":[],"notDataActions":[]}]`, `"id":"$SUB/providers/Microsoft.Authorization/roleDefinitions/$READER"`, `"name":"$READER"`, `"createdOn":null`}},
		{do: "GET $RG/$ROLES/$READER", want: 200, has: list{`"id":"$SUB/providers/Microsoft.Authorization/roleDefinitions/$READER"`}},
		{do: "GET /$ROLES/$READER", want: 200, has: list{`"id":"/providers/Microsoft.Authorization/roleDefinitions/$READER"`}},
		{do: "GET $SUB/$ROLES/" + guid, want: 404, code: "RoleDefinitionDoesNotExist"},
		{do: "GET $SUB/$ROLES/reader", want: 400, code: "RoleDefinitionIdNotValid"},
		{do: "GET $SUB/$ROLES?$V&$filter=roleName eq 'reader'", want: 200, has: list{`"roleName":"Reader"`}, hasNot: list{"Contributor"}},
		{do: "GET $RG/$ROLES?api-version=2022-05-01-preview&$filter=roleName%20eq%20'Key%20Vault%20Secrets%20User'", want: 200, has: list{"4633458b-17de-408a-b874-0445c86b69e6"}},
		{do: "GET $SUB/$ROLES?$V&$filter=roleName eq 'nobody''s'", want: 200, has: list{`{"value":[]}`}},
		{do: "GET $SUB/$ROLES?$V&$filter=type eq 'CustomRole'", want: 200, has: list{`{"value":[]}`}},
		{do: "GET $SUB/$ROLES", want: 200, has: list{"$OWNER", "$CONTRIBUTOR", "$READER"}},
		{do: "GET $SUB/$ROLES?$V&$filter=nonsense", want: 400, code: "UnsupportedFilter"},
		// 201 on an update, too: clients accept nothing else.
		{do: "PUT " + id, body: good, want: 201, has: list{`"roleName":"Restart and Read","type":"CustomRole","description":"d","assignableScopes":["$RG"]`, `"createdBy":"$OPERATOR"`, `"createdOn":"2026-03-04T05:06:07.8901230Z"`, `"notDataActions":[]`}},
		{do: "PUT " + id, body: good, want: 201},
		{do: "GET $RG/$ROLES?$V&$filter=roleName eq 'restart and read'", want: 200, has: list{guid}},
		{do: "GET $RG/$ROLES?$V&$filter=type eq 'CustomRole' and roleName eq 'Restart and Read'", want: 200, has: list{guid}},
		{do: "GET $SUB/$ROLES?$V&$filter=type eq 'CustomRole'", want: 200, hasNot: list{guid}},
		{do: "GET $SUB/$ROLES?$V&$filter=atScopeAndBelow()", want: 200, has: list{guid}},
		{do: "PUT $SUB/$ROLES/00000000-0000-0000-0000-0000000000d2", body: good, want: 409, code: "RoleDefinitionWithSameNameExists"},
		{do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: assign(guid, "$APP", ""), want: 201},
		{do: "PUT $SUB/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign(guid, "$APP", ""), want: 400, code: "RoleAssignmentScopeNotAssignableToRoleDefinition"},
		{do: "DELETE " + id, want: 409, code: "RoleDefinitionHasAssignments"},
		{do: "DELETE $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a1", want: 200},
		{do: "DELETE " + id, want: 200, has: list{guid}},
		{do: "DELETE " + id, want: 204},
		{do: "DELETE $SUB/$ROLES/$OWNER", want: 403, code: "AuthorizationFailed"},
		{do: "PUT $SUB/$ROLES/$OWNER", body: good, want: 403, code: "AuthorizationFailed"},
		put(role("x", `"Microsoft.Compute/*"`, ``), "BadRequest", 400),
		put(role("x", `"everything"`, `"$RG"`), "InvalidActionOrNotAction", 400),
		put(role("x", `"*"`, `"rg1"`), "RoleDefinitionScopeNotValid", 400),
		put(role("", `"*"`, `"$RG"`), "BadRequest", 400),
		put(role(`x\u0000`, `"*"`, `"$RG"`), "InvalidRequestContent", 400),
		put(strings.Replace(good, "CustomRole", "BuiltInRole", 1), "RoleDefinitionTypeNotValid", 400),
		put(`{"properties":{"permissions":{}}}`, "InvalidRequestContent", 400),
	})
}

// TestRoleDefinitionEscalation: who manages one group cannot change a role
// that reaches further than that group, or make one that does.
func TestRoleDefinitionEscalation(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg10")
	const id = "/$ROLES/00000000-0000-0000-0000-0000000000d1"
	role := func(actions, scope string) string {
		return `{"properties":{"roleName":"mine","assignableScopes":["` + scope + `"],"permissions":[{"actions":["` + actions + `"]}]}}`
	}
	w.run(t, []step{
		{do: "PUT $SUB" + id, body: role("*/read", "$SUB"), want: 201},
		{do: "PUT $SUB/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: assign("00000000-0000-0000-0000-0000000000d1", "$APP", ""), want: 201},
	})
	w.grant("app", rbac.Owner, "$RG")
	w.run(t, []step{
		{as: "app", do: "PUT $RG" + id, body: role("*", "$RG"), want: 403, code: "LinkedAuthorizationFailed"},
		{as: "app", do: "PUT $RG" + id, body: role("*", "$SUB"), want: 403, code: "LinkedAuthorizationFailed"},
		{as: "app", do: "DELETE $RG" + id, want: 403, code: "LinkedAuthorizationFailed"},
		{as: "app", do: "PUT $SUB" + id, body: role("*", "$SUB"), want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "PUT $RG/$ROLES/00000000-0000-0000-0000-0000000000d2", body: strings.Replace(role("*", "$SUB"), "mine", "new", 1), want: 403, code: "LinkedAuthorizationFailed"},
		{as: "app", do: "PUT $RG/$ROLES/00000000-0000-0000-0000-0000000000d2", body: strings.Replace(role("*", "$RG"), "mine", "new", 1), want: 201},
		{as: "app", do: "PUT $SUB/resourceGroups/rg10/providers/$VMS/vm1", body: `{"location":"westus"}`, want: 403, code: "AuthorizationFailed"},
	})
}

// TestScopes: rights reach down by whole segments, and each role what it says.
func TestScopes(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg10")
	const vm, other = "$RG/providers/$VMS/vm1", "$SUB/resourceGroups/rg10/providers/$VMS/vm1"
	const denied = "AuthorizationFailed"
	w.run(t, []step{{do: "PUT " + vm, body: `{"location":"westus"}`, want: 201}, {do: "PUT " + other, body: `{"location":"westus"}`, want: 201}})
	w.grant("app", rbac.Reader, "$RG")
	w.run(t, []step{
		{as: "app", do: "GET " + vm, want: 200},
		{as: "app", do: "GET $RG", want: 200},
		{as: "app", do: "GET " + strings.Replace(vm, "/$VMS", "//MICROSOFT.COMPUTE/virtualmachines", 1), want: 200},
		{as: "app", do: "PUT " + vm, body: `{"location":"westus"}`, want: 403, code: denied},
		{as: "app", do: "PATCH " + vm, body: `{"tags":{}}`, want: 403, code: denied},
		{as: "app", do: "DELETE " + vm, want: 403, code: denied},
		{as: "app", do: "GET " + other, want: 403, code: denied},
		{as: "app", do: "GET $SUB/resourceGroups/rg10", want: 403, code: denied},
		{as: "app", do: "GET $SUB/resourceGroups/rg", want: 403, code: denied},
	})
	w.revoke("app")
	w.run(t, []step{{as: "app", do: "GET " + vm, want: 403, code: denied}}) // at once
	w.grant("app", rbac.Contributor, "$RG")
	w.run(t, []step{
		{as: "app", do: "PATCH " + vm, body: `{"tags":{}}`, want: 200},
		{as: "app", do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: assign("$OWNER", "$APP", ""), want: 403, code: denied},
		{as: "app", do: "PUT " + vm + "/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: assign("$OWNER", "$APP", ""), want: 403, code: denied},
		{as: "app", do: "PUT $RG/$ROLES/00000000-0000-0000-0000-0000000000d1", body: `{}`, want: 403, code: denied},
		{as: "app", do: "DELETE " + other, want: 403, code: denied},
		{as: "app", do: "DELETE $SUB/resourceGroups/rg10", want: 403, code: denied},
		{as: "app", do: "DELETE $RG", want: 200},
	})
	// Through a group, and at the management group over everything.
	var team directory.Principal
	w.update(func(tx *store.Tx) (err error) {
		if team, err = directory.CreateGroup(tx, testTenant, "team"); err != nil {
			return err
		}
		_, _, err = rbac.PutAssignment(tx, rbac.Assignment{ID: azure.NewGUID(), Scope: rbac.RootManagementGroup(testTenant), RoleID: rbac.Reader, PrincipalID: team.ID, PrincipalType: rbac.PrincipalGroup}, team.ID)
		return err
	})
	w.run(t, []step{{as: "machine", do: "GET " + other, want: 403, code: denied}})
	w.update(func(tx *store.Tx) error { return directory.AddMember(tx, team.ID, w.callers["machine"].ID) })
	w.run(t, []step{{as: "machine", do: "GET " + other, want: 200}, {as: "machine", do: "DELETE " + other, want: 403, code: denied}})
}
