package rbac

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// benchStore has one assignment for alice, and many at the same scopes for others.
func benchStore(b *testing.B, others int) *store.DB {
	db := storetest.New(b)
	assign(b, db, rg1, alice, Reader)
	scopes := []string{"/", sub, rg1, vm}
	update(b, db, func(tx *store.Tx) error {
		for i := range others {
			if _, _, err := PutAssignment(tx, Assignment{ID: azure.NewGUID(), Scope: scopeOf(b, scopes[i%len(scopes)]),
				RoleID: Contributor, PrincipalID: azure.NewObjectID(), PrincipalType: PrincipalUser}, bob); err != nil {
				return err
			}
		}
		return nil
	})
	return db
}

func testPutAssignment(t *testing.T, db *store.DB) {
	const id, other = "12345678-90ab-cdef-1234-567890abcdef", "22345678-90ab-cdef-1234-567890abcdef"
	base := Assignment{ID: id, Scope: scopeOf(t, rg1), RoleID: Reader, PrincipalID: alice, PrincipalType: PrincipalUser, Description: "why"}
	put := func(change func(*Assignment)) (got Assignment, created bool, err error) {
		a := base
		change(&a)
		err = db.Update(t.Context(), func(tx *store.Tx) (err error) {
			got, created, err = PutAssignment(tx, a, bob)
			return err
		})
		return got, created, err
	}
	get := func(scope, id string) (a Assignment, err error) {
		err = db.View(t.Context(), func(tx *store.Tx) (err error) {
			a, err = GetAssignment(tx, scopeOf(t, scope), id)
			return err
		})
		return a, err
	}

	first, created, err := put(func(*Assignment) {})
	if err != nil || !created || first.CreatedAt.IsZero() || first.CreatedBy != bob || first.UpdatedAt != first.CreatedAt {
		t.Fatalf("%+v %v %v", first, created, err)
	}
	stored, err := get(strings.ToUpper(rg1), strings.ToUpper(id))
	same := cmp.Comparer(func(a, b azure.ResourceID) bool { return a == b })
	if diff := cmp.Diff(first, stored, same); diff != "" || err != nil {
		t.Errorf("read back: %v\n%s", err, diff)
	}
	if got, want := stored.ResourceID().String(), rg1+"/providers/Microsoft.Authorization/roleAssignments/"+id; got != want {
		t.Errorf("id %s, want %s", got, want)
	}

	// Repeated, in another case: the same, and nothing is written.
	again, created, err := put(func(a *Assignment) {
		a.ID, a.RoleID, a.PrincipalID = strings.ToUpper(a.ID), strings.ToUpper(a.RoleID), azure.ObjectID(strings.ToUpper(string(a.PrincipalID)))
		a.Scope, a.PrincipalType = scopeOf(t, strings.ToLower(rg1)), "user"
	})
	if diff := cmp.Diff(first, again, same); diff != "" || created || err != nil {
		t.Errorf("repeated: %v %v\n%s", created, err, diff)
	}
	changed, created, err := put(func(a *Assignment) { a.Description = "" })
	if err != nil || created || changed.Description != "" || changed.UpdatedAt.Before(first.UpdatedAt) || changed.CreatedAt != first.CreatedAt {
		t.Errorf("another description: %+v %v %v", changed, created, err)
	}

	for what, change := range map[string]func(*Assignment){
		"another principal": func(a *Assignment) { a.PrincipalID = staff },
		"another role":      func(a *Assignment) { a.RoleID = Owner },
		"another scope":     func(a *Assignment) { a.Scope = scopeOf(t, rg10) },
	} {
		_, _, err := put(change)
		e := refused(t, what, err, fault.Invalid, CodeAssignmentUpdateNotPermitted)
		if e.Message != "Tenant ID, application ID, principal ID, and scope are not allowed to be updated." {
			t.Errorf("%s: %q", what, e.Message)
		}
	}
	_, _, err = put(func(a *Assignment) { a.ID = other })
	if e := refused(t, "another id", err, fault.Conflict, CodeAssignmentExists); e.Message !=
		"The role assignment already exists. The ID of the existing role assignment is 1234567890abcdef1234567890abcdef." {
		t.Errorf("%q", e.Message)
	}
	_, _, err = put(func(a *Assignment) { a.ID, a.RoleID = other, other })
	if e := refused(t, "no such role", err, fault.NotFound, CodeDefinitionDoesNotExist); e.Message !=
		"The specified role definition with ID '"+other+"' does not exist." {
		t.Errorf("%q", e.Message)
	}

	for target, change := range map[string]func(*Assignment){
		"roleAssignmentName": func(a *Assignment) { a.ID = "x" },
		"roleDefinitionId":   func(a *Assignment) { a.RoleID = "Reader" },
		"principalId":        func(a *Assignment) { a.PrincipalID = "alice" },
		"principalType":      func(a *Assignment) { a.PrincipalType = "" },
		"scope":              func(a *Assignment) { a.Scope = azure.ResourceID{} },
		"description":        func(a *Assignment) { a.Description = strings.Repeat("ä", 2049) },
	} {
		_, _, err := put(func(a *Assignment) { a.ID = other; a.PrincipalID = staff; change(a) })
		if e := refused(t, target, err, fault.Invalid, ""); e.Target != target {
			t.Errorf("%s: the target is %q", target, e.Target)
		}
	}

	update(t, db, func(tx *store.Tx) error {
		gone, err := DeleteAssignment(tx, scopeOf(t, rg1), id)
		if gone.ID != id {
			t.Errorf("deleted %+v", gone)
		}
		return err
	})
	_, err = get(rg1, id)
	refused(t, "get of a deleted one", err, fault.NotFound, CodeAssignmentNotFound)
	err = db.Update(t.Context(), func(tx *store.Tx) error { _, err := DeleteAssignment(tx, scopeOf(t, rg1), id); return err })
	refused(t, "delete of a deleted one", err, fault.NotFound, CodeAssignmentNotFound)
}

func testAssignments(t *testing.T, db *store.DB) {
	mg := RootManagementGroup(tenant)
	names := map[string]string{} // id → a name for the table below
	for _, a := range []struct {
		name, scope string
		principal   azure.ObjectID
	}{
		{"root", "/", bob}, {"mg", mg.String(), alice}, {"sub", sub, alice}, {"rg1", rg1, staff}, {"rg10", rg10, alice}, {"vm", vm, alice},
		{"odd", sub + "/resourceGroups/rg1%_", bob}, {"secret", secret, bob}, {"umlaut", sub + "/resourceGroups/rgÄ/providers/N.S/t/x", bob},
	} {
		names[assign(t, db, a.scope, a.principal, Reader)] = a.name
	}
	for _, c := range []struct {
		f    AssignmentFilter
		want string
	}{
		{AssignmentFilter{Scope: scopeOf(t, sub)}, "root mg sub rg1 rg10 vm odd secret umlaut"},
		{AssignmentFilter{Scope: scopeOf(t, sub), AtScope: true}, "root mg sub"},
		{AssignmentFilter{Scope: scopeOf(t, strings.ToUpper(rg1))}, "root mg sub rg1 vm secret"},
		{AssignmentFilter{Scope: scopeOf(t, rg1), AtScope: true}, "root mg sub rg1"},
		{AssignmentFilter{Scope: scopeOf(t, rg10)}, "root mg sub rg10"},
		{AssignmentFilter{Scope: scopeOf(t, kv), AtScope: true}, "root mg sub rg1"},
		{AssignmentFilter{Scope: scopeOf(t, kv)}, "root mg sub rg1 secret"},
		{AssignmentFilter{Scope: scopeOf(t, sub+"/resourceGroups/rgä")}, "root mg sub umlaut"},
		{AssignmentFilter{Scope: azure.Root()}, "root mg sub rg1 rg10 vm odd secret umlaut"},
		{AssignmentFilter{Scope: azure.Root(), AtScope: true}, "root"},
		{AssignmentFilter{Scope: mg}, "root mg sub rg1 rg10 vm odd secret umlaut"},
		{AssignmentFilter{Scope: mg, AtScope: true}, "root mg"},
		{AssignmentFilter{Scope: scopeOf(t, rg1), Principals: []azure.ObjectID{alice}}, "mg sub vm"},
		{AssignmentFilter{Scope: scopeOf(t, rg1), Principals: []azure.ObjectID{alice, staff}}, "mg sub rg1 vm"},
		{AssignmentFilter{Scope: scopeOf(t, rg1), AtScope: true, Principals: []azure.ObjectID{alice, staff}}, "mg sub rg1"},
		{AssignmentFilter{Scope: scopeOf(t, rg1), Principals: []azure.ObjectID{}}, ""},
		{AssignmentFilter{}, ""},
	} {
		c.f.ManagementGroups = []azure.ResourceID{mg}
		view(t, db, func(tx *store.Tx) error {
			list, err := Assignments(tx, c.f)
			var got []string
			for _, a := range list {
				got = append(got, names[a.ID])
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s %v %v: %v, want %s", c.f.Scope, c.f.AtScope, c.f.Principals, got, c.want)
			}
			return err
		})
	}
}

func testDeleteAssignmentsUnder(t *testing.T, db *store.DB) {
	for _, s := range []string{sub, rg1, rg10, vm, secret} {
		assign(t, db, s, alice, Reader)
	}
	for _, c := range []struct {
		scope string
		gone  int
		left  int
	}{
		{strings.ToUpper(kv), 1, 4}, // the secret's goes with the vault
		{rg1, 2, 2},
		{rg1, 0, 2},
		{sub, 2, 0},
	} {
		update(t, db, func(tx *store.Tx) error {
			n, err := DeleteAssignmentsUnder(tx, scopeOf(t, c.scope))
			if err != nil {
				return err
			}
			left, err := Assignments(tx, AssignmentFilter{Scope: azure.Root()})
			if n != c.gone || len(left) != c.left {
				t.Errorf("%s: %d gone, %d left, want %d, %d", c.scope, n, len(left), c.gone, c.left)
			}
			return err
		})
	}
	update(t, db, func(tx *store.Tx) error {
		n, err := DeleteAssignmentsUnder(tx, azure.ResourceID{})
		if n != 0 {
			t.Errorf("%d gone with no id", n)
		}
		return err
	})
}
