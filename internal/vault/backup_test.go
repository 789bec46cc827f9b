package vault

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

func (w *world) backup(name string) (blob []byte) {
	w.Helper()
	if err := w.db.View(w.Context(), func(tx *store.Tx) (err error) { blob, err = BackupSecret(tx, w.root, w.kv, name); return err }); err != nil {
		w.Fatal(err)
	}
	return blob
}

func (w *world) restore(v *Vault, blob []byte) (s *Secret, err error) {
	w.Helper()
	err = w.db.Update(w.Context(), func(tx *store.Tx) (err error) { s, err = RestoreSecret(tx, w.root, v, blob); return err })
	return s, err
}

// versions reads every version with its value, also those that are disabled.
func (w *world) versions(v *Vault, name string) (all []*Secret) {
	w.Helper()
	w.must(func(tx *store.Tx) error {
		page, next, err := ListSecretVersions(tx, v, name, Page{Max: MaxPage})
		if err != nil || next != "" {
			w.Fatalf("the next page is at %q, %v", next, err)
		}
		all = page
		for _, s := range page {
			if s.Enabled {
				full, err := GetSecret(tx, w.root, v, name, s.Version)
				if err != nil {
					return err
				}
				s.Value = full.Value
			}
		}
		return nil
	})
	return all
}

func TestBackup(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		w := inStore(t, fresh(t), Properties{})
		exp := time.Unix(4_000_000_000, 0).UTC()
		w.set("My-Secret", "one \x00 ☃", Change{ContentType: ptr(""), Tags: map[string]string{}})
		w.set("my-secret", "off", Change{Enabled: ptr(false)})
		w.set("my-secret", strings.Repeat("é", MaxValue/2), Change{NotBefore: ptr(exp.Add(-time.Hour)), Expires: &exp, Tags: map[string]string{"a": "<b>"}})
		w.must(func(tx *store.Tx) error {
			_, err := UpdateSecret(tx, w.kv, "my-secret", "", Change{ContentType: ptr("x")})
			return err
		})
		want := w.versions(w.kv, "my-secret")
		blob := w.backup("MY-SECRET")
		if bytes.Contains(blob, []byte("my-secret")) || bytes.Contains(blob, []byte("☃")) {
			t.Error("the blob is in the clear")
		}
		other := w.create("Kv2", Properties{})
		s, err := w.restore(other, blob)
		if err != nil || s.Name != "My-Secret" || s.Version != want[2].Version {
			t.Fatalf("restored %+v, %v", s, err)
		}
		if diff := cmp.Diff(want, w.versions(other, "My-secret"), cmpopts.IgnoreUnexported(Secret{})); diff != "" || len(want) != 3 {
			t.Errorf("%d versions (-want +got)\n%s", len(want), diff)
		}
		w.kv = other
		if got := w.set("my-secret", "next", Change{}); got.seq != 4 || w.do("get", "my-secret") != "" {
			t.Errorf("the next version is number %d", got.seq)
		}
	})
}

// TestRestoreNeedsAFreeName walks through the life of a name.
func TestRestoreNeedsAFreeName(t *testing.T) {
	w := newWorld(t, Properties{})
	w.set("s", "v", Change{})
	blob := w.backup("s")
	for i, c := range []struct{ what, code string }{
		{"restore", "409"}, {"delete", ""}, {"restore", CodeDeletedButRecoverable}, {"purge", ""}, {"restore", ""}, {"get", ""},
		{"restore", "409"}, {"delete", ""}, {"wait", ""}, {"restore", ""}, {"get", ""},
	} {
		got := ""
		switch c.what {
		case "wait":
			w.clock.Advance(DefaultRetention * 24 * time.Hour)
		case "restore":
			_, err := w.restore(w.kv, blob)
			if got = codeOf(err); err != nil && got == "" && fault.Is(err, fault.Conflict) {
				got = "409"
			}
		default:
			got = w.do(c.what, "s")
		}
		if got != c.code {
			t.Errorf("step %d, %s: %q, want %q", i, c.what, got, c.code)
		}
	}
	for _, name := range []string{"none", "S/x"} {
		err := w.db.View(t.Context(), func(tx *store.Tx) error { _, err := BackupSecret(tx, w.root, w.kv, name); return err })
		if codeOf(err) != CodeSecretNotFound {
			t.Errorf("a backup of %q gives %v", name, err)
		}
	}
}

// TestBackupIsBound holds that a blob is of use only where it may be restored.
func TestBackupIsBound(t *testing.T) {
	w := newWorld(t, Properties{})
	w.set("s", "v", Change{})
	blob := w.backup("s")
	w.do("delete", "s")
	w.do("purge", "s")
	like := func(change func(*Vault)) *Vault {
		v := &Vault{ID: w.kv.ID, Name: w.kv.Name, Resource: w.kv.Resource, Properties: w.kv.Properties, key: w.kv.key}
		change(v)
		return v
	}
	elsewhere, err := azure.ParseResourceID("/subscriptions/99999999-1bf0-4dda-aec3-cb9272f09590/resourceGroups/Rg1/providers/Microsoft.KeyVault/vaults/Kv1")
	if err != nil {
		t.Fatal(err)
	}
	for what, v := range map[string]*Vault{
		"another tenant":       like(func(v *Vault) { v.Properties.TenantID = "99999999-0b07-4bb7-9c4e-20c2ae5f7e4f" }),
		"another subscription": like(func(v *Vault) { v.Resource = elsewhere }),
	} {
		if _, err := w.restore(v, blob); codeOf(err) != CodeBadParameter || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s gives %v", what, err)
		}
	}
	sealed := blob[len(backupHeader):]
	mine, err := w.root.Seal([]byte(`{"name":"s","versions":[]}`), backupPlace(w.kv))
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{
		"nothing": nil, "only the header": []byte(backupHeader), "no header": sealed, "another kind": append([]byte("midas.secret.2\n"), sealed...),
		"garbage": []byte("garbage"), "a piece": blob[:len(blob)-1], "more": append(bytes.Clone(blob), 0), "no versions": append([]byte(backupHeader), mine...),
	} {
		if _, err := w.restore(w.kv, b); codeOf(err) != CodeBadParameter {
			t.Errorf("%s gives %v", what, err)
		}
	}
	kept := w.root
	if w.root, err = seal.RootFromEnv(seal.Generate()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.restore(w.kv, blob); codeOf(err) != CodeBadParameter {
		t.Errorf("another installation gives %v", err)
	}
	w.root = kept
	if _, err := w.restore(w.kv, blob); err != nil {
		t.Errorf("at home: %v", err)
	}
}

func TestBackupLimits(t *testing.T) {
	w := newWorld(t, Properties{})
	w.must(func(tx *store.Tx) error {
		for range MaxBackupVersions {
			if _, err := SetSecret(tx, w.root, w.kv, "s", "v", Change{}); err != nil {
				return err
			}
		}
		return nil
	})
	blob := w.backup("s")
	v := w.create("Kv2", Properties{})
	if _, err := w.restore(v, blob); err != nil {
		t.Errorf("the most versions: %v", err)
	}
	w.set("s", "v", Change{})
	err := w.db.View(t.Context(), func(tx *store.Tx) error { _, err := BackupSecret(tx, w.root, w.kv, "s"); return err })
	if codeOf(err) != CodeBadParameter {
		t.Errorf("one more gives %v", err)
	}
	tags := map[string]string{}
	for i := range 15 {
		tags[fmt.Sprintf("%0256d", i)] = strings.Repeat("t", 512)
	}
	w.must(func(tx *store.Tx) error {
		for range MaxBackupVersions {
			if _, err := SetSecret(tx, w.root, w.kv, "large", strings.Repeat("v", MaxValue), Change{Tags: tags}); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := w.restore(v, w.backup("large")); err != nil {
		t.Errorf("the most versions of the largest secret: %v", err)
	}
	if _, err := openBackup(w.root, w.kv, append(blob, make([]byte, MaxBackup)...)); codeOf(err) != CodeBadParameter {
		t.Errorf("too large a blob gives %v", err)
	}
}

func FuzzBackup(f *testing.F) {
	w := newWorld(f, Properties{})
	w.set("s", "v", Change{})
	good := w.backup("s")
	for _, b := range [][]byte{good, good[:len(good)-1], []byte(backupHeader), nil, good[len(backupHeader):], []byte("midas.secret.2\n")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		saved, err := openBackup(w.root, w.kv, blob)
		if err != nil && codeOf(err) != CodeBadParameter {
			t.Errorf("%q gives %v", blob, err)
		}
		if err == nil && (!bytes.Equal(blob, good) || saved.Name != "s") {
			t.Errorf("%q was taken for a backup", blob)
		}
	})
}
