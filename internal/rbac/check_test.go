package rbac

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"midas/internal/azure"
	"midas/internal/store"
)

func testCheck(t *testing.T, db *store.DB) {
	const (
		carol   = azure.ObjectID("dddddddd-0000-0000-0000-000000000004")
		operate = "99999999-0000-0000-0000-000000000009"
		startVM = "Microsoft.Compute/virtualMachines/start/action"
		mg      = "/providers/Microsoft.Management/managementGroups/" + string(tenant)
	)
	secretsUser := assign(t, db, secret, alice, KeyVaultSecretsUser)
	assign(t, db, rg1, alice, Reader)
	assign(t, db, sub, bob, Owner)
	assign(t, db, rg1, staff, Contributor)
	assign(t, db, mg, carol, Reader)
	update(t, db, func(tx *store.Tx) error {
		_, _, err := PutDefinition(tx, Definition{ID: operate, RoleName: "VM Operator", AssignableScopes: []azure.ResourceID{scopeOf(t, sub)},
			Permissions: []Permission{{Actions: []string{"Microsoft.Compute/*"}, NotActions: []string{"*/delete"}}}}, bob)
		return err
	})
	assign(t, db, vm, carol, operate)

	for _, c := range []struct {
		who    []azure.ObjectID
		action string
		data   bool
		scope  string
		want   Reason
		at     string // scope of the assignment that it rests on
	}{
		{[]azure.ObjectID{alice}, readVM, false, vm, Granted, rg1},
		{[]azure.ObjectID{"AAAAAAAA-0000-0000-0000-000000000001"}, readVM, false, vm, Granted, rg1},
		{[]azure.ObjectID{alice}, "microsoft.compute/virtualmachines/READ", false, "/SUBSCRIPTIONS/22222222-0000-0000-0000-00000000000B/resourcegroups/RG1", Granted, rg1},
		{[]azure.ObjectID{alice}, readVM, false, rg10, NoAssignment, ""},
		{[]azure.ObjectID{alice}, readVM, false, rg10 + "/providers/Microsoft.Compute/virtualMachines/ubuntu", NoAssignment, ""},
		{[]azure.ObjectID{alice}, "Microsoft.Resources/subscriptions/read", false, sub, NoAssignment, ""},
		{[]azure.ObjectID{alice}, getSecret, true, secret, Granted, secret},
		{[]azure.ObjectID{alice}, getSecret, true, secret + "2", ControlPlaneOnly, ""},
		{[]azure.ObjectID{alice}, getSecret, true, kv, ControlPlaneOnly, ""},
		{[]azure.ObjectID{alice}, writeRole, false, rg1, NotGranted, ""},
		{[]azure.ObjectID{alice, staff}, startVM, false, vm, Granted, rg1},
		{[]azure.ObjectID{alice, staff}, writeRole, false, rg1, Excluded, rg1},
		{[]azure.ObjectID{bob}, writeRole, false, secret, Granted, sub},
		{[]azure.ObjectID{bob}, getSecret, true, secret, ControlPlaneOnly, ""},
		{[]azure.ObjectID{bob}, "Microsoft.Management/managementGroups/read", false, mg, NoAssignment, ""},
		{[]azure.ObjectID{carol}, readVM, false, rg10, Granted, mg},
		{[]azure.ObjectID{carol}, readVM, false, vm, Granted, vm},
		{[]azure.ObjectID{carol}, readVM, false, "/providers/Microsoft.Billing/accounts/a", NoAssignment, ""},
		{[]azure.ObjectID{carol}, startVM, false, vm, Granted, vm},
		{[]azure.ObjectID{carol}, "Microsoft.Compute/virtualMachines/delete", false, vm, Excluded, vm},
		{nil, readVM, false, vm, NoAssignment, ""},
		{[]azure.ObjectID{bob}, "", false, vm, NoAssignment, ""},
		{[]azure.ObjectID{bob}, readVM, false, "", NoAssignment, ""},
		{[]azure.ObjectID{"' OR 1=1 --"}, readVM, false, vm, NoAssignment, ""},
	} {
		r := Request{Principals: c.who, Action: c.action, Data: c.data, ManagementGroups: []azure.ResourceID{RootManagementGroup(tenant)}}
		if c.scope != "" {
			r.Scope = scopeOf(t, c.scope)
		}
		d := check(t, db, r)
		at := ""
		if d.Assignment != nil {
			at = d.Assignment.Scope.String()
		}
		if d.Reason != c.want || d.Allowed != (c.want == Granted) || at != c.at {
			t.Errorf("%v %s at %s: %s (from %q), want %s from %q", c.who, c.action, c.scope, d, at, c.want, c.at)
		}
	}

	// A removed assignment counts no more in the next transaction.
	update(t, db, func(tx *store.Tx) error {
		_, err := DeleteAssignment(tx, scopeOf(t, secret), secretsUser)
		return err
	})
	if d := check(t, db, Request{Principals: []azure.ObjectID{alice}, Action: getSecret, Data: true, Scope: scopeOf(t, secret)}); d.Allowed {
		t.Errorf("still %s", d)
	}
}

func check(t testing.TB, db *store.DB, r Request) (d Decision) {
	t.Helper()
	view(t, db, func(tx *store.Tx) (err error) {
		d, err = Check(tx, r)
		return err
	})
	return d
}

// tree is a small cloud: each scope comes with the one above it.
func tree() map[string]string {
	parents := map[string]string{"/providers/Microsoft.Management/managementGroups/" + string(tenant): "/"}
	for s := range 2 {
		sub := fmt.Sprintf("/subscriptions/22222222-0000-0000-0000-00000000000%d", s)
		parents[sub] = "/providers/Microsoft.Management/managementGroups/" + string(tenant)
		for g := range 2 {
			group := fmt.Sprintf("%s/resourceGroups/rg%d", sub, 1+9*g)
			vault := group + "/providers/Microsoft.KeyVault/vaults/kv"
			parents[group] = sub
			parents[vault] = group
			parents[vault+"/secrets/a"] = vault
			parents[vault+"/secrets/ab"] = vault
		}
	}
	return parents
}

// testInheritance gives roles at random and holds that what is allowed at a
// scope is allowed at each scope right below it, and that grants agree with
// single checks everywhere.
func testInheritance(t *testing.T, db *store.DB) {
	parents := tree()
	var scopes []string
	for s := range parents {
		scopes = append(scopes, s)
	}
	scopes = append(scopes, "/")
	who := []azure.ObjectID{alice, bob, staff}
	random := rand.New(rand.NewPCG(1, 2))
	given := map[string]bool{}
	for range 14 {
		scope, p, d := scopes[random.IntN(len(scopes))], who[random.IntN(len(who))], builtIn[random.IntN(len(builtIn))]
		if key := scope + string(p) + d.ID; !given[key] {
			given[key] = true
			assign(t, db, scope, p, d.ID)
		}
	}
	mgs := []azure.ResourceID{RootManagementGroup(tenant)}
	allowed := 0
	view(t, db, func(tx *store.Tx) error {
		for _, principals := range [][]azure.ObjectID{{alice}, {bob}, {alice, staff}} {
			for action, data := range map[string]bool{readVM: false, writeRole: false, "Microsoft.KeyVault/vaults/read": false, getSecret: true, "Microsoft.KeyVault/vaults/keys/read": true} {
				grants, err := GrantsFor(tx, principals, action, data, mgs...)
				if err != nil {
					return err
				}
				is := map[string]bool{}
				for _, s := range scopes {
					d, err := Check(tx, Request{Principals: principals, Action: action, Data: data, Scope: scopeOf(t, s), ManagementGroups: mgs})
					if err != nil {
						return err
					}
					if is[s] = d.Allowed; d.Allowed {
						allowed++
					}
					if grants.Covers(scopeOf(t, s)) != d.Allowed {
						t.Errorf("%v %s at %s: the grants disagree with %s", principals, action, s, d)
					}
				}
				for child, parent := range parents {
					if is[parent] && !is[child] {
						t.Errorf("%v %s is allowed at %s but not at %s", principals, action, parent, child)
					}
				}
			}
		}
		return nil
	})
	if all := 15 * len(scopes); allowed == 0 || allowed == all {
		t.Errorf("%d of %d allowed: the example shows nothing", allowed, all)
	}
}

func testGrants(t *testing.T, db *store.DB) {
	mg := RootManagementGroup(tenant)
	other := "/subscriptions/33333333-0000-0000-0000-00000000000c"
	assign(t, db, vm, alice, Reader)
	assign(t, db, rg1, alice, Reader)
	assign(t, db, rg1, alice, Contributor)
	assign(t, db, rg10, staff, Contributor)
	assign(t, db, other, alice, KeyVaultSecretsUser)
	assign(t, db, mg.String(), bob, Reader)
	assign(t, db, rg1, bob, Reader)
	assign(t, db, "/", staff, BuiltInNamed("Key Vault Secrets Officer").ID)

	for _, c := range []struct {
		who    []azure.ObjectID
		action string
		data   bool
		scope  string
		covers bool
		within []string
	}{
		{[]azure.ObjectID{alice}, readVM, false, sub, false, []string{rg1}},
		{[]azure.ObjectID{alice, staff}, readVM, false, sub, false, []string{rg1, rg10}},
		{[]azure.ObjectID{alice, staff}, readVM, false, "/", false, []string{rg1, rg10}},
		{[]azure.ObjectID{alice, staff}, readVM, false, mg.String(), false, []string{rg1, rg10}},
		{[]azure.ObjectID{alice}, readVM, false, rg1, true, []string{rg1}},
		{[]azure.ObjectID{alice}, readVM, false, vm, true, []string{vm}},
		{[]azure.ObjectID{alice}, readVM, false, rg10, false, nil},
		{[]azure.ObjectID{alice}, readVM, false, other, false, nil},
		{[]azure.ObjectID{alice}, writeRole, false, sub, false, nil},
		{[]azure.ObjectID{alice}, getSecret, true, other, true, []string{other}},
		{[]azure.ObjectID{staff}, getSecret, true, secret, true, []string{secret}},
		{[]azure.ObjectID{bob}, readVM, false, sub, true, []string{sub}},
		{[]azure.ObjectID{bob}, readVM, false, "/", false, []string{mg.String()}},
		{nil, readVM, false, sub, false, nil},
		{[]azure.ObjectID{bob}, "", false, sub, false, nil},
	} {
		view(t, db, func(tx *store.Tx) error {
			g, err := GrantsFor(tx, c.who, c.action, c.data, mg)
			if err != nil {
				return err
			}
			scope := scopeOf(t, c.scope)
			var within []string
			for _, s := range g.Within(scope) {
				within = append(within, s.String())
			}
			if g.Covers(scope) != c.covers || fmt.Sprint(within) != fmt.Sprint(c.within) {
				t.Errorf("%v %s at %s: %v %v, want %v %v", c.who, c.action, c.scope, g.Covers(scope), within, c.covers, c.within)
			}
			if g.Covers(azure.ResourceID{}) {
				t.Error("no id is covered")
			}
			return nil
		})
	}
}

// BenchmarkCheck shows that what others were given does not cost the caller.
func BenchmarkCheck(b *testing.B) {
	for _, others := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			db := benchStore(b, others)
			r := Request{Principals: []azure.ObjectID{alice, staff}, Action: readVM, Scope: scopeOf(b, vm),
				ManagementGroups: []azure.ResourceID{RootManagementGroup(tenant)}}
			view(b, db, func(tx *store.Tx) error {
				b.ReportAllocs()
				for b.Loop() {
					if d, err := Check(tx, r); err != nil || !d.Allowed {
						b.Fatal(d, err)
					}
				}
				return nil
			})
		})
	}
}

// BenchmarkMatch is the longest of the built-in entries that has to try again.
func BenchmarkMatch(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Match("Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action")
	}
}
