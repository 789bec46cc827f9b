package rbac

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

const customID = "55555555-0000-0000-0000-00000000000e"

func customRole(t *testing.T) Definition {
	return Definition{ID: customID, RoleName: "VM Starter", Description: "starts", AssignableScopes: []azure.ResourceID{scopeOf(t, sub)},
		Permissions: []Permission{{Actions: []string{"Microsoft.Compute/*/start/action"}}}}
}

func testPutDefinition(t *testing.T, db *store.DB) {
	put := func(change func(*Definition)) (got *Definition, created bool, err error) {
		d := customRole(t)
		change(&d)
		err = db.Update(t.Context(), func(tx *store.Tx) (err error) {
			got, created, err = PutDefinition(tx, d, bob)
			return err
		})
		return got, created, err
	}
	first, created, err := put(func(d *Definition) { d.ID = strings.ToUpper(d.ID); d.Type = "customrole" })
	if err != nil || !created || first.ID != customID || first.Type != CustomRole || first.CreatedBy != bob || first.Permissions[0].NotDataActions == nil {
		t.Fatalf("%+v %v %v", first, created, err)
	}
	view(t, db, func(tx *store.Tx) error {
		got, err := GetDefinition(tx, strings.ToUpper(customID))
		if diff := cmp.Diff(first, got, cmp.Comparer(func(a, b azure.ResourceID) bool { return a == b })); diff != "" {
			t.Errorf("read back: %s", diff)
		}
		return err
	})
	second, created, err := put(func(d *Definition) { d.RoleName = "vm starter"; d.Permissions[0].Actions = []string{"*"} })
	if err != nil || created || second.CreatedAt != first.CreatedAt || second.Permissions[0].Actions[0] != "*" {
		t.Errorf("replaced: %+v %v %v", second, created, err)
	}

	const other = "66666666-0000-0000-0000-00000000000f"
	for _, name := range []string{"VM STARTER", "owner"} {
		_, _, err = put(func(d *Definition) { d.ID, d.RoleName = other, name })
		refused(t, name, err, fault.Conflict, CodeDefinitionSameName)
	}
	_, _, err = put(func(d *Definition) { d.ID = strings.ToUpper(Owner) })
	refused(t, "a built-in role", err, fault.Forbidden, "")
	for _, entry := range []string{"", "read", "a//b", "a/b ", "a/{b}", "/a", strings.Repeat("a/b", 200)} {
		_, _, err = put(func(d *Definition) { d.Permissions[0].NotDataActions = []string{entry} })
		refused(t, "the entry "+entry, err, fault.Invalid, CodeInvalidAction)
	}
	for what, c := range map[string]struct {
		target string
		change func(*Definition)
	}{
		"an id that is none": {"roleDefinitionId", func(d *Definition) { d.ID = "x" }},
		"another type":       {"type", func(d *Definition) { d.Type = BuiltInRole }},
		"no name":            {"roleName", func(d *Definition) { d.RoleName = " " }},
		"a long name":        {"roleName", func(d *Definition) { d.RoleName = strings.Repeat("a", 513) }},
		"a long description": {"description", func(d *Definition) { d.Description = strings.Repeat("a", 2049) }},
		"no scope":           {"assignableScopes", func(d *Definition) { d.AssignableScopes = nil }},
		"the root":           {"assignableScopes", func(d *Definition) { d.AssignableScopes[0] = azure.Root() }},
		"a resource":         {"assignableScopes", func(d *Definition) { d.AssignableScopes[0] = scopeOf(t, vm) }},
		"the zero scope":     {"assignableScopes", func(d *Definition) { d.AssignableScopes[0] = azure.ResourceID{} }},
		"a condition":        {"permissions", func(d *Definition) { d.Permissions[0].Condition = "x" }},
	} {
		_, _, err := put(c.change)
		if e := refused(t, what, err, fault.Invalid, ""); e.Target != c.target {
			t.Errorf("%s: the target is %q", what, e.Target)
		}
	}
}

func testDefinitions(t *testing.T, db *store.DB) {
	mg := RootManagementGroup(tenant)
	for i, s := range []azure.ResourceID{mg, scopeOf(t, sub), scopeOf(t, rg1)} {
		update(t, db, func(tx *store.Tx) error {
			d := customRole(t)
			d.ID, d.RoleName, d.AssignableScopes = d.ID[:35]+string(rune('1'+i)), []string{"At mg", "At sub", "At rg1"}[i], []azure.ResourceID{s}
			_, _, err := PutDefinition(tx, d, bob)
			return err
		})
	}
	for _, c := range []struct {
		f    DefinitionFilter
		want string
	}{
		{DefinitionFilter{Name: "reader"}, "Reader"},
		{DefinitionFilter{Name: "AT SUB"}, "At sub"},
		{DefinitionFilter{Name: "At sub", Type: BuiltInRole}, ""},
		{DefinitionFilter{Name: "no such"}, ""},
		{DefinitionFilter{Type: "customrole"}, "At mg, At sub, At rg1"},
		{DefinitionFilter{Type: CustomRole, Scope: scopeOf(t, rg1)}, "At mg, At sub, At rg1"},
		{DefinitionFilter{Type: CustomRole, Scope: scopeOf(t, rg10)}, "At mg, At sub"},
		{DefinitionFilter{Type: CustomRole, Scope: scopeOf(t, sub)}, "At mg, At sub"},
		{DefinitionFilter{Type: CustomRole, Scope: scopeOf(t, sub), AndBelow: true}, "At mg, At sub, At rg1"},
		{DefinitionFilter{Type: CustomRole, Scope: mg}, "At mg"},
		{DefinitionFilter{Type: CustomRole, Scope: mg, AndBelow: true}, "At mg, At sub, At rg1"},
		{DefinitionFilter{Name: "Owner", Scope: scopeOf(t, secret)}, "Owner"},
	} {
		c.f.ManagementGroups = []azure.ResourceID{mg}
		view(t, db, func(tx *store.Tx) error {
			list, err := Definitions(tx, c.f)
			var got []string
			for _, d := range list {
				got = append(got, d.RoleName)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%+v: %v, want %s", c.f, got, c.want)
			}
			return err
		})
	}
	view(t, db, func(tx *store.Tx) error {
		all, err := Definitions(tx, DefinitionFilter{})
		if len(all) != len(builtIn)+3 {
			t.Errorf("%d roles in all", len(all))
		}
		return err
	})
}

func testDeleteDefinition(t *testing.T, db *store.DB) {
	del := func(id string) error {
		return db.Update(t.Context(), func(tx *store.Tx) error { _, err := DeleteDefinition(tx, id); return err })
	}
	e := refused(t, "an unknown role", del(customID), fault.NotFound, CodeDefinitionDoesNotExist)
	if e.Message != "The specified role definition with ID '"+customID+"' does not exist." {
		t.Errorf("%q", e.Message)
	}
	refused(t, "a built-in role", del(Reader), fault.Forbidden, "")
	update(t, db, func(tx *store.Tx) error { _, _, err := PutDefinition(tx, customRole(t), bob); return err })

	// It cannot be assigned beside its assignable scopes.
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, _, err := PutAssignment(tx, Assignment{ID: azure.NewGUID(), Scope: azure.Root(), RoleID: customID, PrincipalID: alice, PrincipalType: PrincipalUser}, bob)
		return err
	})
	refused(t, "beside the assignable scopes", err, fault.Invalid, CodeScopeNotAssignable)

	id := assign(t, db, rg1, alice, customID)
	refused(t, "a role in use", del(customID), fault.Conflict, CodeDefinitionHasAssignments)
	update(t, db, func(tx *store.Tx) error { _, err := DeleteAssignment(tx, scopeOf(t, rg1), id); return err })
	if err := del(customID); err != nil {
		t.Error(err)
	}
}

func TestDefinitionID(t *testing.T) {
	for at, want := range map[string]string{
		"/": "/providers/Microsoft.Authorization/roleDefinitions/" + Reader,
		vm:  sub + "/providers/Microsoft.Authorization/roleDefinitions/" + Reader,
	} {
		id := DefinitionID(scopeOf(t, at), Reader)
		if id.String() != want {
			t.Errorf("at %s: %s, want %s", at, id, want)
		}
		if got, err := ParseDefinitionID(strings.ToUpper(id.String())); got != Reader || err != nil {
			t.Errorf("%s: %s, %v", id, got, err)
		}
	}
	for _, s := range []string{"", Reader, "/subscriptions/s", "/providers/Microsoft.Authorization/roleDefinitions/Reader",
		"/providers/Microsoft.Authorization/roleAssignments/" + Reader} {
		_, err := ParseDefinitionID(s)
		refused(t, s, err, fault.Invalid, "")
	}
}

func FuzzParseDefinitionID(f *testing.F) {
	f.Add("/providers/Microsoft.Authorization/roleDefinitions/" + Reader)
	f.Add(sub + "/providers/microsoft.authorization/ROLEDEFINITIONS/x/")
	f.Fuzz(func(t *testing.T, s string) {
		guid, err := ParseDefinitionID(s)
		if _, ok := azure.ParseGUID(guid); ok != (err == nil) {
			t.Fatalf("%q: %q, %v", s, guid, err)
		}
	})
}
