package vault

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
)

const subscription = azure.SubscriptionID("0b1f6471-1bf0-4dda-aec3-cb9272f09590")

// remove deletes a vault as Resource Manager does, and returns its resource.
func (w *world) remove(name string) (r *resource.Resource) {
	w.Helper()
	w.must(func(tx *store.Tx) (err error) {
		id := vaultID(w, name)
		if r, err = resource.Get(tx, id); err != nil {
			return err
		}
		if err = SoftDelete(tx, r); err != nil {
			return err
		}
		_, err = resource.Delete(tx, id)
		return err
	})
	return r
}

// purge deletes a vault and purges it at once.
func (w *world) purge(name string) {
	w.Helper()
	w.remove(name)
	d, err := w.deleted(subscription, name)
	if err != nil {
		w.Fatal(err)
	}
	w.must(d.Purge)
}

// deleted finds a deleted vault.
func (w *world) deleted(s azure.SubscriptionID, name string) (d *DeletedVault, err error) {
	w.Helper()
	err = w.db.View(w.Context(), func(tx *store.Tx) (err error) { d, err = DeletedByName(tx, s, name); return err })
	return d, err
}

func (w *world) count(query string) (n int) {
	w.Helper()
	w.must(func(tx *store.Tx) error { return tx.QueryRow(query).Scan(&n) })
	return n
}

func (w *world) taken(name string) (taken bool) {
	w.Helper()
	w.must(func(tx *store.Tx) (err error) { taken, err = NameTaken(tx, name); return err })
	return taken
}

func TestSoftDeletedVault(t *testing.T) {
	w := newWorld(t, Properties{SoftDeleteRetentionInDays: ptr(10), EnabledForDeployment: ptr(true)})
	w.must(func(tx *store.Tx) error { // what there is to forget
		r, err := resource.Get(tx, vaultID(t, "Kv1"))
		if err != nil {
			return err
		}
		r.Tags, r.Extra, r.UpdatedBy = map[string]string{"a": "b"}, map[string]json.RawMessage{"kind": json.RawMessage(`"x"`)}, "somebody"
		return resource.Put(tx, r)
	})
	w.set("s", "a value", Change{})
	w.clock.Advance(time.Minute)
	was := w.remove("kv1")
	if err := w.db.View(t.Context(), func(tx *store.Tx) error { _, err := ByName(tx, "Kv1"); return err }); codeOf(err) != CodeVaultNotFound {
		t.Errorf("a deleted vault is found: %v", err)
	}
	d, err := w.deleted(subscription, "KV1")
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b azure.ResourceID) bool { return a.String() == b.String() })
	if diff := cmp.Diff(was, d.Resource, same); diff != "" || d.ID != w.kv.ID || d.Properties.RetentionDays() != 10 || !d.DeletedAt.Equal(w.clock.Now()) || d.PurgeAt.Sub(d.DeletedAt) != 10*24*time.Hour {
		t.Errorf("it is kept as %+v\n%s", d, diff)
	}
	if _, err := w.deleted("11111111-2222-3333-4444-555555555555", "kv1"); codeOf(err) != CodeDeletedVaultNotFound || !fault.Is(err, fault.NotFound) {
		t.Errorf("another subscription sees it: %v", err)
	}
	if !w.taken("kV1") || w.taken("kv2") {
		t.Error("the name of a deleted vault is free, or one that nobody has is not")
	}
	for _, name := range []string{"kv1", "kv-other"} { // its own id, and another one's
		err := w.db.Update(t.Context(), func(tx *store.Tx) error { return Create(tx, w.root, vaultID(t, name), "kv1") })
		if codeOf(err) != CodeVaultAlreadyExists {
			t.Errorf("%s takes the name: %v", name, err)
		}
	}
	// Another vault, and what never was one, are left as they are.
	w.create("kv2", Properties{})
	w.must(func(tx *store.Tx) error {
		return SoftDelete(tx, &resource.Resource{ID: vaultID(t, "kv9"), Properties: json.RawMessage("{}")})
	})
	w.must(func(tx *store.Tx) error {
		if err := d.Recover(tx); err != nil {
			return err
		}
		if err := resource.Put(tx, d.Resource); err != nil {
			return err
		}
		v, err := ByName(tx, "kv1")
		if err != nil {
			return err
		}
		s, err := GetSecret(tx, w.root, v, "s", "")
		if err == nil && (v.ID != w.kv.ID || s.Value != "a value") {
			t.Errorf("it comes back as %+v with %+v", v, s)
		}
		return err
	})
	if _, err := w.deleted(subscription, "kv1"); codeOf(err) != CodeDeletedVaultNotFound {
		t.Errorf("it is still deleted: %v", err)
	}
}

func TestPurgeOfVaults(t *testing.T) {
	w := newWorld(t, Properties{})
	w.set("s", "a value", Change{})
	w.create("kv-safe", Properties{EnablePurgeProtection: ptr(true), SoftDeleteRetentionInDays: ptr(7)})
	w.create("kv-week", Properties{SoftDeleteRetentionInDays: ptr(7)})
	for _, name := range []string{"kv1", "kv-safe", "kv-week"} {
		w.remove(name)
	}
	purge := func(name string) error {
		return w.db.Update(t.Context(), func(tx *store.Tx) error {
			d, err := DeletedByName(tx, subscription, name)
			if err != nil {
				return err
			}
			return d.Purge(tx)
		})
	}
	if err := purge("kv-safe"); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a protected vault is purged: %v", err)
	}
	if err := purge("kv1"); err != nil {
		t.Fatal(err)
	}
	if err := purge("kv1"); codeOf(err) != CodeDeletedVaultNotFound {
		t.Errorf("it is purged twice: %v", err)
	}
	if n := w.count(`SELECT COUNT(*) FROM secret_versions`) + w.count(`SELECT COUNT(*) FROM secrets`); n != 0 || w.taken("kv1") {
		t.Errorf("%d rows of the purged vault are left, or its name", n)
	}
	expire := func(want int64) {
		t.Helper()
		w.must(func(tx *store.Tx) error {
			n, err := PurgeExpiredVaults(tx)
			if n != want {
				t.Errorf("%d vaults were purged, not %d", n, want)
			}
			return err
		})
	}
	w.clock.Advance(7*24*time.Hour - time.Microsecond)
	expire(0)
	names := func() (names []string) {
		w.must(func(tx *store.Tx) error {
			all, err := DeletedIn(tx, subscription)
			for _, d := range all {
				names = append(names, d.Resource.ID.Name())
			}
			return err
		})
		return names
	}
	if diff := cmp.Diff([]string{"kv-safe", "kv-week"}, names()); diff != "" {
		t.Error(diff)
	}
	w.clock.Advance(time.Microsecond)
	if n := names(); n != nil || w.taken("kv-safe") {
		t.Errorf("past their time there are %v", n)
	}
	w.create("kv-safe", Properties{}) // before the sweep
	expire(1)
	expire(0)
	if n := w.count(`SELECT COUNT(*) FROM vaults`); n != 1 {
		t.Errorf("%d vaults are left", n)
	}
}

func TestDescribeSecret(t *testing.T) {
	w := newWorld(t, Properties{})
	first := w.set("Abc", "one", Change{Enabled: ptr(false), Tags: map[string]string{"a": "b"}})
	describe := func(name string) (s *Secret, err error) {
		err = w.db.View(t.Context(), func(tx *store.Tx) (err error) { s, err = DescribeSecret(tx, w.kv, name); return err })
		return s, err
	}
	if s, err := describe("aBC"); err != nil || s.Version != first.Version || s.Enabled || s.Value != "" || s.Tags["a"] != "b" {
		t.Errorf("it is described as %+v %v", s, err)
	}
	w.must(func(tx *store.Tx) error { _, err := DeleteSecret(tx, w.kv, "abc"); return err })
	for _, name := range []string{"abc", "none"} {
		if _, err := describe(name); codeOf(err) != CodeSecretNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}
