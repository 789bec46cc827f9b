package store_test

import (
	crand "crypto/rand"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestScrubLeavesNothing writes and deletes values of all sizes in random
// order, and then looks for every piece of the deleted ones in the files.
// Without the VACUUM, it finds some: pages keep what was moved off them.
func TestScrubLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "midas.db")
	db, err := store.Open(t.Context(), store.Config{Path: path, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	random := rand.New(rand.NewPCG(5, 1))
	exec := func(query string, args ...any) func(*store.Tx) error {
		return func(tx *store.Tx) error { _, err := tx.Exec(query, args...); return err }
	}
	update(t, db, exec(`INSERT INTO tenants (id, display_name, domain, domain_key, created_at) VALUES ('t', 'x', 'd', 'd', 0)`))
	update(t, db, exec(`INSERT INTO applications (app_id, object_id, tenant_id, display_name, token_version, created_at) VALUES ('app', 'o', 't', 'x', 1, 0)`))

	kept, gone := map[string][]byte{}, [][]byte{}
	for range 200 {
		update(t, db, func(tx *store.Tx) error {
			for range 25 {
				if name, value := anyOf(kept); name != "" && random.IntN(3) == 0 {
					gone = append(gone, value)
					delete(kept, name)
					if err := exec(`DELETE FROM credentials WHERE key_id = $1`, name)(tx); err != nil {
						return err
					}
					continue
				}
				name, value := fmt.Sprintf("%x", random.Uint64()), make([]byte, 20+random.IntN([]int{100, 1000, 1000, 1000, 25000}[random.IntN(5)]))
				crand.Read(value)
				kept[name] = value
				if err := exec(`INSERT INTO credentials (key_id, app_id, kind, display_name, secret_hash, start_at, end_at) VALUES ($1, 'app', 'k', 'x', $2, 0, 0)`, name, value)(tx); err != nil {
					return err
				}
			}
			return tx.Purged()
		})
	}
	if traces(t, path, gone) == 0 {
		t.Error("nothing is left of what was deleted before anything was scrubbed: the search finds nothing")
	}
	if err := db.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := traces(t, path, gone); n != 0 {
		t.Errorf("%d of %d deleted values are still in the files", n, len(gone))
	}
	var all [][]byte
	for _, v := range kept {
		all = append(all, v)
	}
	if n := traces(t, path, all); n != len(kept) {
		t.Errorf("of %d values that were kept the search finds %d", len(kept), n)
	}
	if v := setting(t, db, "scrub-due"); v != "" {
		t.Errorf("another scrub is due: %s", v)
	}
}

func anyOf(m map[string][]byte) (string, []byte) {
	for name, value := range m {
		return name, value
	}
	return "", nil
}

// traces counts the values of which a piece is in one of the database's files.
// Its pieces are short and close together: a page may hold any part of a value.
func traces(t *testing.T, path string, values [][]byte) (n int) {
	t.Helper()
	const piece, step = 12, 5
	owner := map[string]int{}
	for i, v := range values {
		for at := 0; at+piece <= len(v); at += step {
			owner[string(v[at:at+piece])] = i
		}
	}
	found := map[int]bool{}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at+piece <= len(content); at++ {
			if i, ok := owner[string(content[at:at+piece])]; ok {
				found[i] = true
			}
		}
	}
	return len(found)
}

// TestScrubWaitsForReaders holds a reader open: the scrub waits for it and
// does not hold up the writers, and what it could not do stays due.
func TestScrubWaitsForReaders(t *testing.T) {
	db := storetest.New(t)
	update(t, db, func(tx *store.Tx) error { return tx.Purged() })
	reading, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- db.View(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Setting("x")
			close(reading)
			<-end
			return err
		})
	}()
	<-reading
	scrubbed := make(chan error, 1)
	go func() { scrubbed <- db.Scrub(t.Context()) }()
	for i := range 20 {
		update(t, db, func(tx *store.Tx) error { return tx.SetSetting("x", fmt.Sprint(i)) })
	}
	close(end)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := <-scrubbed; err != nil {
		t.Fatal(err)
	}
	if v := setting(t, db, "scrub-due"); v != "" {
		t.Errorf("another scrub is due: %s", v)
	}
}

func TestScrubOnEveryEngine(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		db := fresh(t)
		for range 2 { // the second finds nothing to do
			if err := db.Scrub(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		update(t, db, func(tx *store.Tx) error { return tx.Purged() })
		if err := db.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := setting(t, db, "scrub-due"); v != "" {
			t.Errorf("another scrub is due: %s", v)
		}
	})
}

func update(t *testing.T, db *store.DB, f func(*store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func setting(t *testing.T, db *store.DB, name string) (v string) {
	t.Helper()
	if err := db.View(t.Context(), func(tx *store.Tx) (err error) { v, err = tx.Setting(name); return err }); err != nil {
		t.Fatal(err)
	}
	return v
}
