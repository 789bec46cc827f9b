package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestCopyOfABusyStore copies while writers write: the copy has all that was
// acknowledged before, and both rows of every pair or neither.
func TestCopyOfABusyStore(t *testing.T) {
	dir := t.TempDir()
	db := open(t, store.Config{Path: filepath.Join(dir, "midas.db")})
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	written := make([]int, 4)
	var before []int
	var mu sync.Mutex
	started := make(chan struct{}, len(written))
	for w := range written {
		writing.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := db.Update(t.Context(), func(tx *store.Tx) error {
					if err := tx.SetSetting(fmt.Sprintf("a/%d/%d", w, n), "x"); err != nil {
						return err
					}
					return tx.SetSetting(fmt.Sprintf("b/%d/%d", w, n), "x")
				}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				written[w] = n + 1
				mu.Unlock()
				if n == 20 {
					started <- struct{}{}
				}
			}
		})
	}
	for range written {
		<-started
	}
	mu.Lock()
	before = append(before, written...)
	mu.Unlock()
	path := filepath.Join(dir, "copy.db")
	err := db.Copy(t.Context(), path)
	stop()
	writing.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.View(t.Context(), func(tx *store.Tx) error { return tx.SetSetting("x", "y") }); err == nil {
		t.Error("a reader may write after a copy")
	}
	copied := open(t, store.Config{Path: path})
	for w, n := range before {
		for i := range n {
			if setting(t, copied, fmt.Sprintf("a/%d/%d", w, i)) == "" {
				t.Fatalf("writer %d: %d of %d acknowledged writes are there", w, i, n)
			}
		}
	}
	var pairs, rows int
	if err := copied.View(t.Context(), func(tx *store.Tx) error {
		if err := tx.QueryRow(`SELECT COUNT(*) FROM settings`).Scan(&rows); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT COUNT(*) FROM settings a JOIN settings b ON b.name = 'b' || substr(a.name, 2) WHERE a.name LIKE 'a/%'`).Scan(&pairs)
	}); err != nil || rows != 2*pairs {
		t.Errorf("%d rows are %d pairs, %v", rows, pairs, err)
	}
}

func TestCopyRefuses(t *testing.T) {
	db := storetest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Copy(ctx, filepath.Join(t.TempDir(), "copy.db")); err == nil {
		t.Error("it copied for nobody")
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	for i := range 2 {
		if err := db.Copy(t.Context(), path); (err == nil) != (i == 0) {
			t.Errorf("copy %d into the same file: %v", i, err)
		}
	}
	pg, err := store.Open(t.Context(), store.Config{DSN: storetest.StartPostgres(t).NewDatabase(t), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	if err := pg.Copy(t.Context(), path); !fault.Is(err, fault.Unsupported) {
		t.Errorf("PostgreSQL: %v", err)
	}
}
