package vault

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/store"
)

const (
	alice = azure.ObjectID("aaaaaaaa-0000-0000-0000-000000000001")
	team  = azure.ObjectID("aaaaaaaa-0000-0000-0000-000000000002")
	bob   = azure.ObjectID("aaaaaaaa-0000-0000-0000-000000000003")
	app   = azure.AppID("bbbbbbbb-0000-0000-0000-000000000001")
)

var everyOperation = []Operation{SecretGet, SecretList, SecretListVersions, SecretSet, SecretUpdate, SecretDelete, SecretGetDeleted, SecretListDeleted, SecretRecover, SecretPurge, SecretBackup, SecretRestore}

// TestPolicies is operation × permission on a vault with access policies.
func TestPolicies(t *testing.T) {
	all := Permissions{Secrets: []string{"ALL"}}
	for _, c := range []struct {
		name    string
		caller  Caller
		policy  AccessPolicy
		allowed string // the permissions that are allowed then, of all operations
	}{
		{"nothing", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice}, ""},
		{"get", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, Permissions: Permissions{Secrets: []string{"Get"}}}, "get"},
		{"list set", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, Permissions: Permissions{Secrets: []string{"list", "SET"}}}, "list set"},
		{"all but purge", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, Permissions: all}, "get list set delete recover backup restore"},
		{"purge", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, Permissions: Permissions{Secrets: []string{"purge", "all"}}}, "get list set delete recover purge backup restore"},
		{"backup", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, Permissions: Permissions{Secrets: []string{"backup"}}}, "backup"},
		{"restore", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, Permissions: Permissions{Secrets: []string{"restore"}}}, "restore"},
		{"recover", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, Permissions: Permissions{Secrets: []string{"recover", "delete"}}}, "delete recover"},
		{"keys only", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, Permissions: Permissions{Keys: []string{"all"}}}, ""},
		{"another", Caller{Principals: []azure.ObjectID{bob}}, AccessPolicy{ObjectID: alice, Permissions: all}, ""},
		{"through a group", Caller{Principals: []azure.ObjectID{bob, team}}, AccessPolicy{ObjectID: team, Permissions: Permissions{Secrets: []string{"get"}}}, "get"},
		{"in upper case", Caller{Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: azure.ObjectID(strings.ToUpper(string(alice))), Permissions: Permissions{Secrets: []string{"get"}}}, "get"},
		{"through the application", Caller{AppID: app, Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, ApplicationID: app, Permissions: Permissions{Secrets: []string{"get"}}}, "get"},
		{"through another application", Caller{AppID: "x", Principals: []azure.ObjectID{alice}}, AccessPolicy{ObjectID: alice, ApplicationID: app, Permissions: all}, ""},
		{"nobody", Caller{}, AccessPolicy{Permissions: all}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &Vault{Name: "kv1", Resource: vaultID(t, "kv1"), Properties: Properties{AccessPolicies: []AccessPolicy{{ObjectID: bob}, c.policy}}}
			for _, op := range everyOperation {
				want := strings.Contains(" "+c.allowed+" ", " "+op.Permission()+" ")
				err := Authorize(nil, c.caller, v, op, "s") // no transaction: policies need none
				if want != (err == nil) || !want && (!fault.Is(err, fault.Forbidden) || codeOf(err) != CodeAccessDenied) {
					t.Errorf("%s: %v", op.Permission(), err)
				}
			}
		})
	}
}

// TestRoles is operation × role on a vault with roles, at each scope.
func TestRoles(t *testing.T) {
	w := newWorld(t, Properties{EnableRBACAuthorization: ptr(true), AccessPolicies: []AccessPolicy{{ObjectID: alice, Permissions: Permissions{Secrets: []string{"all", "purge"}}}}})
	officer := rbac.BuiltInNamed("Key Vault Secrets Officer").ID
	reader := rbac.BuiltInNamed("Key Vault Reader").ID
	everything := "get list listversions set update delete getdeleted listdeleted recover purge backup restore"
	metadata := "list listversions getdeleted listdeleted"
	name := map[Operation]string{SecretGet: "get", SecretList: "list", SecretListVersions: "listversions", SecretSet: "set", SecretUpdate: "update", SecretDelete: "delete",
		SecretGetDeleted: "getdeleted", SecretListDeleted: "listdeleted", SecretRecover: "recover", SecretPurge: "purge", SecretBackup: "backup", SecretRestore: "restore"}
	secret := func(n string) azure.ResourceID { return w.kv.Scope(n) }
	for i, c := range []struct {
		role      string
		scope     azure.ResourceID
		principal azure.ObjectID
		allowed   string
	}{
		{"", azure.ResourceID{}, "", ""}, // access policies count for nothing here
		{officer, w.kv.Resource, alice, everything},
		{officer, w.kv.Resource.Scope(), alice, everything},
		{officer, azure.Root(), team, everything},
		{officer, rbac.RootManagementGroup(tenant), alice, everything},
		{officer, w.kv.Resource, bob, ""},
		{officer, vaultID(t, "kv10"), alice, ""},
		{officer, secret("S"), alice, strings.NewReplacer("listdeleted", "", "list ", "", "restore", "").Replace(everything)},
		{officer, secret("s1"), alice, ""},
		{rbac.KeyVaultSecretsUser, w.kv.Resource, alice, "get " + metadata},
		{reader, w.kv.Resource, alice, metadata},
		{rbac.Owner, w.kv.Resource, alice, ""},
	} {
		if c.role != "" {
			w.must(func(tx *store.Tx) error {
				tx.Changed(store.Roles)
				_, err := tx.Exec(`INSERT INTO role_assignments (scope_key, id, scope, role_id, principal_id, principal_type, created_at, updated_at, created_by, updated_by)
					VALUES ($1, $2, $3, $4, $5, 'User', 0, 0, '', '')`, c.scope.Key(), fmt.Sprint(i), c.scope.String(), c.role, string(c.principal))
				return err
			})
		}
		for _, op := range everyOperation {
			target := "s"
			if op == SecretList || op == SecretListDeleted || op == SecretRestore {
				target = ""
			}
			want := strings.Contains(" "+c.allowed+" ", " "+name[op]+" ")
			w.must(func(tx *store.Tx) error {
				err := Authorize(tx, Caller{Principals: []azure.ObjectID{alice, team}}, w.kv, op, target)
				if want != (err == nil) || !want && codeOf(err) != CodeForbiddenByRBAC {
					t.Errorf("case %d, %s: %v", i, name[op], err)
				}
				if f, ok := errors.AsType[*fault.Error](err); ok && f.Cause == nil {
					t.Error("the log does not learn why")
				}
				return nil
			})
		}
		w.must(func(tx *store.Tx) error { _, err := rbac.DeleteAssignmentsUnder(tx, azure.Root()); return err })
	}
}
