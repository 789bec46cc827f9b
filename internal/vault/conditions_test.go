package vault

import (
	"errors"
	"strings"
	"testing"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/store"
)

// TestNameConditions: a condition on names of secrets lets through what it
// names, spelled as it is in the vault, and no list.
func TestNameConditions(t *testing.T) {
	w := newWorld(t, Properties{EnableRBACAuthorization: ptr(true)})
	w.set("Web-1", "v", Change{})
	w.set("Db", "v", Change{})
	const secrets = "[Microsoft.KeyVault/vaults/secrets:name]"
	allows := func(op Operation, name string) (allowed bool) {
		t.Helper()
		w.must(func(tx *store.Tx) error {
			err := Authorize(tx, Caller{Principals: []azure.ObjectID{alice}}, w.kv, op, name)
			if err != nil && codeOf(err) != CodeForbiddenByRBAC {
				t.Errorf("%s %q: %v", op.Action(), name, err)
			}
			allowed = err == nil
			return nil
		})
		return allowed
	}
	a := rbac.Assignment{ID: azure.NewGUID(), Scope: w.kv.Resource, RoleID: rbac.BuiltInNamed("Key Vault Secrets Officer").ID, PrincipalID: alice, PrincipalType: rbac.PrincipalUser, ConditionVersion: "2.0"}
	for _, c := range []struct {
		condition       string
		allowed, denied string // as operation=name
	}{
		{"@Resource" + secrets + " StringStartsWith 'Web-'", "get=Web-1 get=WEB-1 delete=web-1 versions=web-1", "get=Db set=Web-1 set=Web-2 list= restore= get=web-2"},
		{"@Resource" + secrets + " StringNotEquals 'Db'", "get=Web-1 get=other", "get=Db get=DB get=db list= set=Db"},
		{"@Request" + secrets + " StringLike 'Web-*' OR @Resource" + secrets + " StringLike 'Web-*'", "get=web-1 set=WEB-1 set=Web-2", "set=web-2 set=Db get=Db list= restore="},
		{"!(ActionMatches{'Microsoft.KeyVault/vaults/secrets/getSecret/action'}) OR @Resource" + secrets + " StringEquals 'Db'", "get=db list= set=x restore=", "get=Web-1"},
		{"@Resource[Microsoft.KeyVault/vaults:name] StringEquals 'Kv1'", "list= get=Db set=x restore=", ""},
		{"@Resource[Microsoft.KeyVault/vaults:name] StringEquals 'Kv2'", "", "list= get=Db set=x restore="},
	} {
		a.Condition = c.condition
		w.must(func(tx *store.Tx) error { _, _, err := rbac.PutAssignment(tx, a, bob); return err })
		ops := map[string]Operation{"get": SecretGet, "set": SecretSet, "delete": SecretDelete, "list": SecretList, "restore": SecretRestore, "versions": SecretListVersions}
		for want, calls := range map[bool]string{true: c.allowed, false: c.denied} {
			for _, call := range strings.Fields(calls) {
				op, name, _ := strings.Cut(call, "=")
				if allows(ops[op], name) != want {
					t.Errorf("%s: %s is allowed: %v", c.condition, call, !want)
				}
			}
		}
	}
}

// TestDeniedByDenyAssignment: a deny assignment wins, and the log learns of it.
func TestDeniedByDenyAssignment(t *testing.T) {
	w := newWorld(t, Properties{EnableRBACAuthorization: ptr(true)})
	w.must(func(tx *store.Tx) error {
		_, _, err := rbac.PutAssignment(tx, rbac.Assignment{ID: azure.NewGUID(), Scope: w.kv.Resource, RoleID: rbac.KeyVaultSecretsUser, PrincipalID: alice, PrincipalType: rbac.PrincipalUser}, bob)
		if err != nil {
			return err
		}
		_, _, err = rbac.PutDenyAssignment(tx, rbac.DenyAssignment{ID: azure.NewGUID(), Scope: w.kv.Scope("s"), Name: "no s", Permissions: []rbac.Permission{{DataActions: []string{SecretGet.Action()}}},
			Principals: []rbac.DenyPrincipal{{ID: alice, Type: rbac.PrincipalUser}}}, bob)
		return err
	})
	w.must(func(tx *store.Tx) error {
		who := Caller{Principals: []azure.ObjectID{alice}}
		if err := Authorize(tx, who, w.kv, SecretGet, "other"); err != nil {
			t.Error(err)
		}
		err := Authorize(tx, who, w.kv, SecretGet, "S")
		d, ok := errors.AsType[*Denial](err)
		if !ok || d.Deny == nil || !fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), `the deny assignment "no s"`) {
			t.Errorf("%v", err)
		}
		return nil
	})
}
