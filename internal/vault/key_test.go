package vault

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestEachVaultHasItsKey holds that a value opens with the key of its vault
// and with nothing else, and not at all once that key is gone.
func TestEachVaultHasItsKey(t *testing.T) {
	w := newWorld(t, Properties{})
	s := w.set("s", "TheCakeIsALie", Change{})
	other := w.create("Kv2", Properties{})
	var values []SealedValue
	w.must(func(tx *store.Tx) (err error) { values, err = SealedValues(tx, w.kv.ID, "", "", 10); return err })
	if len(values) != 1 || values[0].Name != "s" || values[0].Version != s.Version {
		t.Fatalf("the vault has %+v", values)
	}
	sealed := values[0]
	mine, err := w.kv.values(w.root)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mine.Open(sealed.Ciphertext, sealed.At); err != nil || string(got) != "TheCakeIsALie" {
		t.Errorf("the vault's key opens %q, %v", got, err)
	}
	if again, _ := w.kv.values(w.root); again != mine {
		t.Error("an opened key is not remembered")
	}
	theirs, err := other.values(w.root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Open(sealed.Ciphertext, sealed.At); !fault.Is(err, fault.Unavailable) {
		t.Errorf("another vault's key gives %v", err)
	}
	if _, err := w.root.Open(sealed.Ciphertext, sealed.At); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the root gives %v", err)
	}
	w.must(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE vaults SET data_key = (SELECT data_key FROM vaults WHERE id = $1) WHERE id = $2`, other.ID, w.kv.ID)
		return err
	})
	w.must(func(tx *store.Tx) error {
		v, err := ByName(tx, "kv1")
		if err != nil {
			return err
		}
		if _, err := GetSecret(tx, w.root, v, "s", ""); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a key that was moved gives %v", err)
		}
		return nil
	})
}

// TestRotation seals the keys of all vaults anew and reads with them.
func TestRotation(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		w := inStore(t, fresh(t), Properties{})
		w.set("s", "v", Change{})
		for i := range 4 {
			w.create(fmt.Sprintf("More%d", i), Properties{})
		}
		n, after := 0, ""
		for {
			var page []string
			w.must(func(tx *store.Tx) error {
				keys, err := SealedKeys(tx, after, 2)
				if err != nil {
					return err
				}
				for _, k := range keys {
					page = append(page, k.At.Row)
					plain, err := w.root.Open(k.Ciphertext, k.At)
					if err != nil {
						return err
					}
					anew, err := w.root.Seal(plain, k.At)
					if err != nil {
						return err
					}
					if ok, err := ReplaceSealedKey(tx, k, anew); !ok || err != nil {
						t.Errorf("replaced %v, %v", ok, err)
					}
					if ok, err := ReplaceSealedKey(tx, k, anew); ok || err != nil {
						t.Errorf("replaced what was replaced already: %v, %v", ok, err)
					}
				}
				return nil
			})
			if n += len(page); len(page) == 0 {
				break
			}
			after = page[len(page)-1]
		}
		if n != 5 {
			t.Errorf("there are %d keys, want 5", n)
		}
		w.must(func(tx *store.Tx) error {
			v, err := ByName(tx, "kv1")
			if err != nil {
				return err
			}
			if s, err := GetSecret(tx, w.root, v, "s", ""); err != nil || s.Value != "v" {
				t.Errorf("read %+v, %v", s, err)
			}
			return nil
		})
	})
}

func TestSealedValuesPages(t *testing.T) {
	w := newWorld(t, Properties{})
	for i := range 9 {
		w.set(fmt.Sprintf("s%d", i%4), "v", Change{})
	}
	w.do("delete", "s1")
	n := 0
	w.must(func(tx *store.Tx) error {
		key, err := w.kv.values(w.root)
		if err != nil {
			return err
		}
		name, version := "", ""
		for {
			page, err := SealedValues(tx, w.kv.ID, name, version, 2)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, v := range page {
				if got, err := key.Open(v.Ciphertext, v.At); err != nil || string(got) != "v" {
					t.Errorf("%s opens as %q, %v", v.At.Row, got, err)
				}
			}
			n += len(page)
			name, version = page[len(page)-1].Name, page[len(page)-1].Version
		}
	})
	if n != 9 {
		t.Errorf("there are %d values, want 9", n)
	}
}

// TestDeletedVaultKeepsItsName holds that a deleted vault is not found, and
// that nobody gets its name before its time is over.
func TestDeletedVaultKeepsItsName(t *testing.T) {
	w := newWorld(t, Properties{})
	w.must(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE vaults SET deleted_at = $1, purge_at = $2, deleted_resource = '{}'`, store.Micros(tx.Now), store.Micros(tx.Now.Add(time.Hour)))
		return err
	})
	w.must(func(tx *store.Tx) error {
		if _, err := ByName(tx, "kv1"); codeOf(err) != CodeVaultNotFound {
			t.Errorf("ByName gives %v", err)
		}
		if _, _, err := Holding(tx, w.kv.Resource); codeOf(err) != CodeVaultNotFound {
			t.Errorf("Holding gives %v", err)
		}
		if err := Create(tx, w.root, w.kv.Resource, "kv1"); codeOf(err) != CodeVaultAlreadyExists {
			t.Errorf("Create gives %v", err)
		}
		return nil
	})
	w.clock.Advance(time.Hour)
	w.must(func(tx *store.Tx) error {
		if err := Create(tx, w.root, w.kv.Resource, "kv1"); err != nil {
			return err
		}
		if v, err := ByName(tx, "kv1"); err != nil || v.ID == w.kv.ID {
			t.Errorf("the new vault is %+v, %v", v, err)
		}
		return nil
	})
}

// TestPurgedIsNotInTheFiles looks for the ciphertext of a purged secret and
// for the key of a purged vault in SQLite's files.
func TestPurgedIsNotInTheFiles(t *testing.T) {
	for name, purge := range map[string]func(*world){
		"at once": func(w *world) {
			if got := w.do("purge", "gone"); got != "" {
				w.Fatalf("purge: %s", got)
			}
			d, err := w.deleted(subscription, "Kv2")
			if err != nil {
				w.Fatal(err)
			}
			w.must(d.Purge)
		},
		"by its time": func(w *world) {
			w.clock.Advance((DefaultRetention + 1) * 24 * time.Hour)
			w.must(func(tx *store.Tx) error {
				secrets, err := PurgeExpired(tx)
				if err != nil || secrets != 1 {
					w.Errorf("%d secrets are purged, %v", secrets, err)
				}
				vaults, err := PurgeExpiredVaults(tx)
				if vaults != 1 {
					w.Errorf("%d vaults are purged", vaults)
				}
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) { purgedIsNotInTheFiles(t, purge) })
	}
}

func purgedIsNotInTheFiles(t *testing.T, purge func(*world)) {
	c := &clock{}
	c.us.Store(time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC).UnixMicro())
	path := filepath.Join(t.TempDir(), "midas.db")
	db, err := store.Open(t.Context(), store.Config{Path: path, Now: c.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := inStore(t, db, Properties{})
	w.clock = c
	w.set("gone", string(bytes.Repeat([]byte("TheCakeIsALie"), 1500)), Change{})
	w.set("kept", "value", Change{})
	doomed := w.create("Kv2", Properties{})
	var gone, kept, key []byte
	w.must(func(tx *store.Tx) error {
		if err := tx.QueryRow(`SELECT value FROM secret_versions WHERE name_key = 'gone'`).Scan(&gone); err != nil {
			return err
		}
		if err := tx.QueryRow(`SELECT value FROM secret_versions WHERE name_key = 'kept'`).Scan(&kept); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT data_key FROM vaults WHERE id = $1`, doomed.ID).Scan(&key)
	})
	inFiles := func(what []byte) bool {
		t.Helper()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			content, err := os.ReadFile(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(content, what) {
				return true
			}
		}
		return false
	}
	// A page holds a piece of a long value: look for its beginning, which is in the row.
	for name, piece := range map[string][]byte{"the secret": gone[:40], "the key": key, "the kept secret": kept} {
		if !inFiles(piece) {
			t.Fatalf("%s is not found before it is purged", name)
		}
	}
	if got := w.do("delete", "gone"); got != "" {
		t.Fatalf("delete: %s", got)
	}
	w.remove("Kv2")
	purge(w)
	if err := db.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	for at := 0; at+40 <= len(gone); at += 40 {
		if inFiles(gone[at : at+40]) {
			t.Fatalf("byte %d of %d of the purged secret is still in the files", at, len(gone))
		}
	}
	if inFiles(key) {
		t.Error("the key of the purged vault is still in the files")
	}
	if !inFiles(kept) {
		t.Error("the secret that was kept is not in the files")
	}
}
