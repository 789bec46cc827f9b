package vault

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant = azure.TenantID("0fce6f74-0b07-4bb7-9c4e-20c2ae5f7e4f")
	group  = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/Rg1"
)

// clock is a time that the test moves.
type clock struct{ us atomic.Int64 }

func (c *clock) Now() time.Time          { return store.Time(c.us.Load()) }
func (c *clock) Advance(d time.Duration) { c.us.Add(d.Microseconds()) }

// world is a store with one vault.
type world struct {
	testing.TB
	db    *store.DB
	clock *clock
	root  *seal.Root
	kv    *Vault
}

func newWorld(t testing.TB, p Properties) *world {
	t.Helper()
	c := &clock{}
	c.us.Store(time.Date(2031, 2, 3, 4, 5, 6, 789, time.UTC).UnixMicro())
	w := inStore(t, storetest.NewAt(t, c.Now), p)
	w.clock = c
	return w
}

func inStore(t testing.TB, db *store.DB, p Properties) *world {
	t.Helper()
	root, err := seal.RootFromEnv(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, db: db, root: root}
	w.kv = w.create("Kv1", p)
	return w
}

func vaultID(t testing.TB, name string) azure.ResourceID {
	t.Helper()
	id, err := azure.ParseResourceID(group + "/providers/Microsoft.KeyVault/vaults/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// create stores the resource and registers the vault, as Resource Manager does.
func (w *world) create(name string, p Properties) (v *Vault) {
	w.Helper()
	p.TenantID = tenant
	body, err := json.Marshal(p)
	if err != nil {
		w.Fatal(err)
	}
	w.must(func(tx *store.Tx) error {
		id := vaultID(w, name)
		if err := resource.Put(tx, &resource.Resource{ID: id, Location: "eastus", Properties: body}); err != nil {
			return err
		}
		if err := Create(tx, w.root, id, name); err != nil {
			return err
		}
		v, err = ByName(tx, name)
		return err
	})
	return v
}

func (w *world) must(f func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.Context(), f); err != nil {
		w.Fatal(err)
	}
}

func (w *world) set(name, value string, c Change) (s *Secret) {
	w.Helper()
	w.must(func(tx *store.Tx) (err error) { s, err = SetSecret(tx, w.root, w.kv, name, value, c); return err })
	return s
}

// codeOf is the code of a fault, "" for none and the text of any other error.
func codeOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func ptr[T any](v T) *T { return &v }

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"kv1": true, "a-b": true, strings.Repeat("a", 24): true, "Kv-Sample-0b1f64": true,
		"": false, "kv": false, "1kv": false, "-kv": false, "kv-": false, "k--v": false, "kv_1": false, "kv.1": false, strings.Repeat("a", 25): false, "kv1\n": false,
	} {
		if ValidName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestIncarnations(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		w := inStore(t, fresh(t), Properties{})
		w.set("s", "old", Change{})
		before := w.db.Epoch(store.Vaults)
		w.must(func(tx *store.Tx) error {
			if err := Create(tx, w.root, w.kv.Resource, "KV1"); err != nil {
				t.Errorf("the same resource again: %v", err)
			}
			if err := Create(tx, w.root, vaultID(t, "other"), "kv1"); codeOf(err) != CodeVaultAlreadyExists || !fault.Is(err, fault.Conflict) {
				t.Errorf("a taken name gives %v", err)
			}
			if err := Create(tx, w.root, vaultID(t, "x"), "x"); codeOf(err) != CodeVaultNameNotValid {
				t.Errorf("a bad name gives %v", err)
			}
			v, err := ByName(tx, "kV1")
			if err != nil || v.ID != w.kv.ID || v.Name != "Kv1" || v.Location != "eastus" || v.Resource.String() != vaultID(t, "Kv1").String() || v.Properties.TenantID != tenant {
				t.Errorf("got %+v, %v", v, err)
			}
			return nil
		})
		w.purge("Kv1")
		if w.db.Epoch(store.Vaults) == before {
			t.Error("the epoch did not move")
		}
		w.must(func(tx *store.Tx) error {
			if _, err := ByName(tx, "kv1"); codeOf(err) != CodeVaultNotFound {
				t.Errorf("a deleted vault gives %v", err)
			}
			return nil
		})
		again := w.create("kv1", Properties{})
		w.must(func(tx *store.Tx) error {
			if _, err := GetSecret(tx, w.root, again, "s", ""); again.ID == w.kv.ID || codeOf(err) != CodeSecretNotFound {
				t.Errorf("the new vault is %s, its secret %v", again.ID, err)
			}
			return nil
		})
	})
}

func TestRecoveryLevel(t *testing.T) {
	for _, c := range []struct {
		days  *int
		purge *bool
		want  string
	}{
		{nil, nil, "Recoverable+Purgeable"},
		{ptr(90), ptr(false), "Recoverable+Purgeable"},
		{ptr(89), nil, "CustomizedRecoverable+Purgeable"},
		{ptr(7), ptr(true), "CustomizedRecoverable"},
		{ptr(90), ptr(true), "Recoverable"},
	} {
		p := Properties{SoftDeleteRetentionInDays: c.days, EnablePurgeProtection: c.purge}
		if got := p.RecoveryLevel(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// TestProperties holds the order and the nulls of what az writes back whole.
func TestProperties(t *testing.T) {
	const text = `{"sku":{"family":"A","name":"standard"},"tenantId":"t","networkAcls":{"bypass":"AzureServices","defaultAction":"Allow","ipRules":[],"virtualNetworkRules":[]},` +
		`"accessPolicies":[{"tenantId":"t","objectId":"o","permissions":{"keys":[],"secrets":["Get","list"]}}],"enabledForDeployment":false,"enableSoftDelete":true,` +
		`"softDeleteRetentionInDays":7,"vaultUri":"https://kv1.vault.azure.net/","provisioningState":"Succeeded","publicNetworkAccess":"Enabled"}`
	var p Properties
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(p); err != nil || string(got) != text {
		t.Errorf("%v\n got %s\nwant %s", err, got, text)
	}
}
