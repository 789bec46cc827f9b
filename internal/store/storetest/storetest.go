// Package storetest gives tests a real database: a fresh SQLite file, or a
// fresh database in a PostgreSQL that the test starts for itself on a unix
// socket and stops again. It is for tests only and sits beside store.
package storetest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"midas/internal/store"
)

// New opens a fresh SQLite store that lives as long as the test.
func New(t testing.TB) *store.DB { return NewAt(t, time.Now) }

// NewAt is [New] with the test's own clock.
func NewAt(t testing.TB, now func() time.Time) *store.DB {
	t.Helper()
	return open(t, store.Config{Path: filepath.Join(t.TempDir(), "midas.db"), Now: now})
}

// OnEveryEngine runs f once on SQLite and once on PostgreSQL. Each call of
// fresh gives an empty store.
func OnEveryEngine(t *testing.T, f func(t *testing.T, fresh func(testing.TB) *store.DB)) {
	t.Run("sqlite", func(t *testing.T) { f(t, New) })
	t.Run("postgres", func(t *testing.T) {
		pg := StartPostgres(t)
		f(t, func(t testing.TB) *store.DB {
			t.Helper()
			return open(t, store.Config{DSN: pg.NewDatabase(t), Now: time.Now})
		})
	})
}

func open(t testing.TB, c store.Config) *store.DB {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	db, err := store.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
