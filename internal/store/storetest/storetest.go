// Package storetest gives tests a real database: a fresh SQLite file, or a
// fresh database in a PostgreSQL that the test starts for itself on a unix
// socket and stops again. It is for tests only and sits beside store.
package storetest

import (
	"context"
	"log/slog"
	"path/filepath"
	"runtime"
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

// Replicas opens two stores on one PostgreSQL database, each following the
// other's changes, as two servers do.
func Replicas(t testing.TB, pg *Postgres) (one, two *store.DB) {
	t.Helper()
	dsn := pg.NewDatabase(t)
	one, two = open(t, store.Config{DSN: dsn, Now: time.Now}), open(t, store.Config{DSN: dsn, Now: time.Now})
	for _, db := range []*store.DB{one, two} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		before := db.Epoch(store.Keys)
		go func() { defer close(done); db.Follow(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		for db.Epoch(store.Keys) == before { // it moves once the replica listens
			runtime.Gosched()
		}
	}
	return one, two
}
