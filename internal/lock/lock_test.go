package lock_test

import (
	"errors"
	"strings"
	"testing"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/lock"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	sub = "/subscriptions/22222222-0000-0000-0000-00000000000b"
	rg1 = sub + "/resourceGroups/rg1"
	vm  = rg1 + "/providers/Microsoft.Compute/virtualMachines/ubuntu"
)

func scopeOf(t testing.TB, s string) azure.ResourceID {
	t.Helper()
	id, err := azure.ParseResourceID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestLocks: what locks at each scope forbid at each scope.
func TestLocks(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		db := fresh(t)
		for _, c := range []struct {
			at     string
			level  lock.Level
			forbid string // "scope:change", scopes by their last word
		}{
			{sub, lock.CanNotDelete, "sub:delete rg1:delete vm:delete role:delete rg10:delete"},
			{sub, lock.ReadOnly, "sub:delete rg1:delete vm:delete role:delete rg10:delete sub:write rg1:write vm:write role:write rg10:write"},
			{rg1, lock.CanNotDelete, "sub:delete rg1:delete vm:delete role:delete"},
			{rg1, lock.ReadOnly, "sub:delete rg1:delete vm:delete role:delete rg1:write vm:write role:write"},
			{vm, lock.CanNotDelete, "sub:delete rg1:delete vm:delete role:delete"},
			{vm, lock.ReadOnly, "sub:delete rg1:delete vm:delete role:delete vm:write role:write"},
		} {
			err := db.Update(t.Context(), func(tx *store.Tx) error {
				_, created, err := lock.Put(tx, lock.Lock{Scope: scopeOf(t, c.at), Name: "L", Level: lock.Level(strings.ToLower(string(c.level)))}, "me")
				if !created {
					t.Error("it is not new")
				}
				if err != nil {
					return err
				}
				for name, scope := range map[string]string{"sub": sub, "rg1": strings.ToUpper(rg1), "rg10": sub + "/resourceGroups/rg10", "vm": vm, "role": vm + "/providers/Microsoft.Authorization/roleAssignments/x", "root": "/"} {
					for _, change := range []lock.Change{lock.Write, lock.Delete} {
						err := lock.Check(tx, scopeOf(t, scope), change)
						want := strings.Contains(" "+c.forbid+" ", " "+name+":"+string(change)+" ")
						if want != (err != nil) {
							t.Errorf("%s at %s: %s of %s: %v", c.level, c.at, change, name, err)
						}
						says := "The scope '" + scopeOf(t, scope).String() + "' cannot perform " + string(change) + " operation because following scope(s) are locked: '" + c.at + "'. Please remove the lock and try again."
						if f, _ := errors.AsType[*fault.Error](err); want && (f == nil || f.Kind != fault.Conflict || f.Code != lock.CodeScopeLocked || f.Message != says) {
							t.Errorf("it says %v", err)
						}
					}
				}
				_, err = lock.Remove(tx, scopeOf(t, c.at), "l")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestLife(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		db := fresh(t)
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			put := func(scope, name string, level lock.Level) (lock.Lock, bool) {
				l, created, err := lock.Put(tx, lock.Lock{Scope: scopeOf(t, scope), Name: name, Level: level, Notes: "n"}, "me")
				if err != nil {
					t.Fatal(err)
				}
				return l, created
			}
			put(sub, "a", lock.CanNotDelete)
			put(rg1, "b", lock.CanNotDelete)
			put(vm, "c", lock.ReadOnly)
			if l, created := put(rg1, "B", lock.ReadOnly); created || l.Level != lock.ReadOnly || l.ResourceID().String() != rg1+"/providers/Microsoft.Authorization/locks/B" {
				t.Errorf("again: %v %+v", created, l)
			}
			for scope, want := range map[string]string{sub: "aBc", rg1: "aBc", vm: "aBc", sub + "/resourceGroups/rg10": "a"} {
				all, err := lock.List(tx, scopeOf(t, scope), false)
				names := ""
				for _, l := range all {
					names += l.Name
				}
				if err != nil || names != want {
					t.Errorf("%s: %q, %v", scope, names, err)
				}
			}
			if at, err := lock.List(tx, scopeOf(t, rg1), true); err != nil || len(at) != 2 {
				t.Errorf("at and above: %d, %v", len(at), err)
			}
			if l, err := lock.Remove(tx, scopeOf(t, rg1), "b"); err != nil || l.Notes != "n" || l.CreatedBy != "me" || !l.CreatedAt.Equal(tx.Now) {
				t.Errorf("removed %+v, %v", l, err)
			}
			if _, err := lock.Remove(tx, scopeOf(t, rg1), "b"); !fault.Is(err, fault.NotFound) {
				t.Errorf("removed twice: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestRefused(t *testing.T) {
	db := storetest.New(t)
	for target, l := range map[string]lock.Lock{
		"name":  {Scope: scopeOf(t, sub), Name: "a/b", Level: lock.ReadOnly},
		"scope": {Scope: azure.Root(), Name: "a", Level: lock.ReadOnly},
		"level": {Scope: scopeOf(t, sub), Name: "a", Level: "NotSpecified"},
		"notes": {Scope: scopeOf(t, sub), Name: "a", Level: lock.ReadOnly, Notes: strings.Repeat("x", 513)},
	} {
		err := db.Update(t.Context(), func(tx *store.Tx) error { _, _, err := lock.Put(tx, l, "me"); return err })
		if f, _ := errors.AsType[*fault.Error](err); f == nil || f.Kind != fault.Invalid || f.Target != target {
			t.Errorf("%s: %v", target, err)
		}
	}
}
