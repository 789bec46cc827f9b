package resource_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const sub = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590"

func id(t testing.TB, s string) azure.ResourceID {
	t.Helper()
	id, err := azure.ParseResourceID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestRoundTrip(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		db := fresh(t)
		vm := id(t, sub+"/resourceGroups/Rg/providers/Microsoft.Compute/virtualMachines/Ubuntu")
		r := &resource.Resource{ID: vm, Location: "eastus", Tags: map[string]string{"A": "b"}, UpdatedBy: "me",
			Identity:   &resource.Identity{Type: resource.UserAssigned, UserAssigned: map[string]resource.UserIdentity{sub + "/x": {PrincipalID: "p", ClientID: "c"}}},
			Extra:      map[string]json.RawMessage{"zones": json.RawMessage(`["1"]`)},
			Properties: json.RawMessage(`{"vmId":"x"}`)}
		if err := db.Update(t.Context(), func(tx *store.Tx) error { r.Version = 0; return resource.Put(tx, r) }); err != nil {
			t.Fatal(err)
		}
		changed := r.Clone()
		changed.UpdatedBy, changed.Tags["A"] = "you", "c"
		if err := db.Update(t.Context(), func(tx *store.Tx) error { changed.Version = 1; return resource.Put(tx, changed) }); err != nil {
			t.Fatal(err)
		}
		err := db.View(t.Context(), func(tx *store.Tx) error {
			got, err := resource.Get(tx, id(t, sub+"/RESOURCEGROUPS/rg/providers/microsoft.compute/VIRTUALMACHINES/ubuntu"))
			if err != nil {
				return err
			}
			if diff := cmp.Diff(changed, got, cmp.Comparer(func(a, b azure.ResourceID) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.Version != 2 || got.CreatedBy != "me" || r.Tags["A"] != "b" || db.Epoch(store.Resources) != 2 {
				t.Errorf("version %d, created by %s, the original's tag %s, epoch %d", got.Version, got.CreatedBy, r.Tags["A"], db.Epoch(store.Resources))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(t.Context(), func(tx *store.Tx) error {
			for _, want := range []bool{true, false} {
				if was, err := resource.Delete(tx, vm); err != nil || was != want {
					t.Errorf("deleted %v, %v", was, err)
				}
			}
			if there, err := resource.Exists(tx, vm); there || err != nil {
				t.Errorf("exists %v, %v", there, err)
			}
			_, err := resource.Get(tx, vm)
			return err
		})
		f, _ := errors.AsType[*fault.Error](err)
		if f == nil || f.Code != "ResourceNotFound" || f.Message != "The Resource 'Microsoft.Compute/virtualMachines/Ubuntu' under resource group 'Rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix" {
			t.Errorf("a missing resource gives %v", err)
		}
	})
}

func TestNotFound(t *testing.T) {
	for in, want := range map[string]string{
		sub + "/resourceGroups/Rg":                      "ResourceGroupNotFound: Resource group 'Rg' could not be found.",
		sub + "/resourceGroups/r/providers/N.S/a/b/c/d": "ResourceNotFound: The Resource 'N.S/a/c/b/d' under resource group 'r' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
		sub + "/providers/N.S/a/b":                      "ResourceNotFound: The Resource 'N.S/a/b' under the subscription '0b1f6471-1bf0-4dda-aec3-cb9272f09590' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
	} {
		if got := resource.NotFound(id(t, in)).Error(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestList(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		db := fresh(t)
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			for _, rg := range []string{"rg1", "rg10"} {
				scope := id(t, sub+"/resourceGroups/"+rg)
				if err := resource.Put(tx, &resource.Resource{ID: scope}); err != nil {
					return err
				}
				for i := range 5 {
					if err := resource.Put(tx, &resource.Resource{ID: scope.Join("providers", "N.S", "things", fmt.Sprint("t", i))}); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			q    resource.Query
			want int
		}{
			{"everything", resource.Query{Within: id(t, sub)}, 10},
			{"a group", resource.Query{Within: id(t, sub+"/RESOURCEGROUPS/RG1")}, 5},
			{"groups", resource.Query{Within: id(t, sub), Type: azure.TypeResourceGroup}, 2},
			{"a type", resource.Query{Within: id(t, sub), Type: "n.s/THINGS"}, 10},
			{"no such type", resource.Query{Within: id(t, sub), Type: "n.s/other"}, 0},
			{"no grants", resource.Query{Within: id(t, sub), Grants: []azure.ResourceID{}}, 0},
			{"a grant on a group", resource.Query{Within: id(t, sub), Grants: []azure.ResourceID{id(t, sub+"/resourceGroups/rg1")}}, 5},
			{"two grants", resource.Query{Within: id(t, sub), Grants: []azure.ResourceID{id(t, sub+"/resourceGroups/rg1"), id(t, sub+"/resourceGroups/rg10/providers/N.S/things/t0")}}, 6},
			{"a grant on all", resource.Query{Within: id(t, sub), Grants: []azure.ResourceID{azure.Root()}}, 10},
			{"another subscription", resource.Query{Within: id(t, "/subscriptions/x")}, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.q.Limit = 3
				seen := map[string]bool{}
				for {
					err := db.View(t.Context(), func(tx *store.Tx) (err error) {
						var page []*resource.Resource
						page, c.q.After, err = resource.List(tx, c.q)
						for _, r := range page {
							if seen[r.ID.Key()] {
								t.Errorf("%s is listed twice", r.ID)
							}
							seen[r.ID.Key()] = true
						}
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					if c.q.After == "" {
						break
					}
				}
				if len(seen) != c.want {
					t.Errorf("%d are listed, want %d", len(seen), c.want)
				}
			})
		}
	})
}
