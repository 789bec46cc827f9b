package rbac

import (
	"context"
	"errors"
	"testing"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestStored runs everything that speaks SQL on both engines.
func TestStored(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		for name, test := range map[string]func(*testing.T, *store.DB){
			"check":             testCheck,
			"inheritance":       testInheritance,
			"grants":            testGrants,
			"put assignment":    testPutAssignment,
			"list assignments":  testAssignments,
			"delete under":      testDeleteAssignmentsUnder,
			"put definition":    testPutDefinition,
			"list definitions":  testDefinitions,
			"delete definition": testDeleteDefinition,
			"conditions":        testConditions,
			"deny":              testDeny,
			"deny refused":      testDenyRefused,
		} {
			t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
		}
	})
}

// update runs f in one transaction that has to succeed.
func update(t testing.TB, db *store.DB, f func(*store.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, db *store.DB, f func(*store.Tx) error) {
	t.Helper()
	if err := db.View(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

// assign gives a role and returns the assignment's id.
func assign(t testing.TB, db *store.DB, scope string, principal azure.ObjectID, roleID string) string {
	t.Helper()
	id := azure.NewGUID()
	update(t, db, func(tx *store.Tx) error {
		_, created, err := PutAssignment(tx, Assignment{ID: id, Scope: scopeOf(t, scope), RoleID: roleID,
			PrincipalID: principal, PrincipalType: PrincipalServicePrincipal}, bob, RootManagementGroup(tenant))
		if err == nil && !created {
			err = errors.New("the assignment is not new")
		}
		return err
	})
	return id
}

// refused checks that err is a fault of a kind and rule.
func refused(t *testing.T, what string, err error, kind fault.Kind, code string) *fault.Error {
	t.Helper()
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Errorf("%s: %v, want %s %s", what, err, kind, code)
		return &fault.Error{}
	}
	return e
}
