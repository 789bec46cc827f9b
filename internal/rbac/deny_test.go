package rbac

import (
	"strings"
	"testing"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

func user(id azure.ObjectID) []DenyPrincipal { return []DenyPrincipal{{id, PrincipalUser}} }

var everyone = []DenyPrincipal{{Everyone, PrincipalSystemDefined}}

func deny(t testing.TB, db *store.DB, d DenyAssignment) DenyAssignment {
	t.Helper()
	if d.ID == "" {
		d.ID = azure.NewGUID()
	}
	update(t, db, func(tx *store.Tx) (err error) {
		d, _, err = PutDenyAssignment(tx, d, bob)
		return err
	})
	return d
}

func testDeny(t *testing.T, db *store.DB) {
	assign(t, db, sub, alice, Owner)
	assign(t, db, kv, alice, KeyVaultSecretsUser)
	assign(t, db, sub, bob, Reader)
	const deleteVM = "Microsoft.Compute/virtualMachines/delete"
	noDelete := deny(t, db, DenyAssignment{Scope: scopeOf(t, rg1), Name: "no delete", Permissions: []Permission{{Actions: []string{"*/delete", "*/read"}, NotActions: []string{"*/read"}}}, Principals: user(alice)})
	deny(t, db, DenyAssignment{Scope: scopeOf(t, kv), Name: "no secrets", Permissions: []Permission{{DataActions: []string{"*"}}}, Principals: everyone, Excluded: user(bob)})
	deny(t, db, DenyAssignment{Scope: scopeOf(t, sub), Name: "here only", Permissions: []Permission{{Actions: []string{readVM}}}, Principals: []DenyPrincipal{{staff, PrincipalGroup}}, ScopeOnly: true})
	for _, c := range []struct {
		who    []azure.ObjectID
		action string
		data   bool
		scope  string
		want   Reason
	}{
		{[]azure.ObjectID{alice}, deleteVM, false, vm, Denied},
		{[]azure.ObjectID{alice}, deleteVM, false, rg10, Granted},
		{[]azure.ObjectID{alice}, readVM, false, vm, Granted},
		{[]azure.ObjectID{alice}, getSecret, true, secret, Denied},
		{[]azure.ObjectID{bob}, readVM, false, vm, Granted},
		{[]azure.ObjectID{bob}, deleteVM, false, vm, NotGranted}, // nothing was granted that could be taken away
		{[]azure.ObjectID{bob, staff}, readVM, false, sub, Denied},
		{[]azure.ObjectID{bob, staff}, readVM, false, rg1, Granted},
	} {
		d := check(t, db, Request{Principals: c.who, Action: c.action, Data: c.data, Scope: scopeOf(t, c.scope)})
		if d.Reason != c.want || d.Allowed != (c.want == Granted) || (d.Deny != nil) != (c.want == Denied) {
			t.Errorf("%v %s at %s: %s", c.who, c.action, c.scope, d)
		}
		if c.want == Denied && !strings.Contains(d.String(), ", but the deny assignment \""+d.Deny.Name+"\" at "+d.Deny.Scope.String()+" takes it away") {
			t.Errorf("it says %q", d)
		}
	}
	view(t, db, func(tx *store.Tx) error {
		g, err := GrantsFor(tx, []azure.ObjectID{alice}, deleteVM, false)
		if err != nil {
			return err
		}
		for scope, want := range map[string]bool{sub: true, rg1: false, vm: false, rg10: true} {
			if g.Covers(scopeOf(t, scope)) != want {
				t.Errorf("covers %s: %v", scope, !want)
			}
		}
		if within := g.Within(scopeOf(t, rg1)); len(within) != 1 || !g.Denied(within[0]) {
			t.Errorf("within: %v", within)
		}
		for scope, want := range map[string]int{sub: 3, rg1: 3, kv: 3, rg10: 1, "/": 3} {
			all, err := DenyAssignments(tx, scopeOf(t, scope), false)
			if err != nil || len(all) != want {
				t.Errorf("at, above and below %s there are %d, %v", scope, len(all), err)
			}
		}
		at, err := DenyAssignments(tx, scopeOf(t, rg1), true)
		if err != nil || len(at) != 2 {
			t.Errorf("at and above: %d, %v", len(at), err)
		}
		_, err = GetDenyAssignment(tx, scopeOf(t, sub), noDelete.ID)
		refused(t, "at another scope", err, fault.NotFound, CodeDenyAssignmentNotFound)
		return nil
	})
	noDelete.Principals = user(bob)
	if again := deny(t, db, noDelete); again.CreatedBy != bob || again.Principals[0].ID != bob {
		t.Errorf("%+v", again)
	}
	if d := check(t, db, Request{Principals: []azure.ObjectID{alice}, Action: deleteVM, Scope: scopeOf(t, vm)}); !d.Allowed {
		t.Errorf("after the change: %s", d)
	}
	update(t, db, func(tx *store.Tx) error {
		_, err := DeleteDenyAssignment(tx, scopeOf(t, rg1), noDelete.ID)
		return err
	})
	view(t, db, func(tx *store.Tx) error {
		_, err := GetDenyAssignment(tx, scopeOf(t, rg1), noDelete.ID)
		refused(t, "deleted", err, fault.NotFound, CodeDenyAssignmentNotFound)
		return nil
	})
}

func testDenyRefused(t *testing.T, db *store.DB) {
	good := DenyAssignment{ID: azure.NewGUID(), Scope: scopeOf(t, rg1), Name: "n", Permissions: []Permission{{Actions: []string{"*"}}}, Principals: user(alice)}
	for what, change := range map[string]func(*DenyAssignment){
		"no guid":            func(d *DenyAssignment) { d.ID = "x" },
		"no name":            func(d *DenyAssignment) { d.Name = " " },
		"a long description": func(d *DenyAssignment) { d.Description = strings.Repeat("x", maxDescription+1) },
		"nothing denied":     func(d *DenyAssignment) { d.Permissions = []Permission{{NotActions: []string{"*"}}} },
		"nobody":             func(d *DenyAssignment) { d.Principals = nil },
		"everyone":           func(d *DenyAssignment) { d.Principals = everyone },
		"nobody after all":   func(d *DenyAssignment) { d.Excluded = everyone },
		"everyone as a user": func(d *DenyAssignment) { d.Principals = user(Everyone) },
		"a user as everyone": func(d *DenyAssignment) { d.Principals = []DenyPrincipal{{alice, PrincipalSystemDefined}} },
		"a principal's type": func(d *DenyAssignment) { d.Principals = []DenyPrincipal{{alice, "Robot"}} },
		"a principal's id":   func(d *DenyAssignment) { d.Principals = user("alice") },
		"a condition": func(d *DenyAssignment) {
			d.Permissions = []Permission{{Actions: []string{"*"}, Condition: ifNotGet, ConditionVersion: "2.0"}}
		},
	} {
		d := good
		change(&d)
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			_, _, err := PutDenyAssignment(tx, d, bob)
			return err
		})
		refused(t, what, err, fault.Invalid, "")
	}
	bad := good
	bad.Permissions = []Permission{{Actions: []string{"a b"}}}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, _, err := PutDenyAssignment(tx, bad, bob)
		return err
	})
	refused(t, "an action", err, fault.Invalid, CodeInvalidAction)
	deny(t, db, good)
	moved := good
	moved.Scope = scopeOf(t, rg10)
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		_, _, err := PutDenyAssignment(tx, moved, bob)
		return err
	})
	refused(t, "another scope", err, fault.Invalid, "")
}
