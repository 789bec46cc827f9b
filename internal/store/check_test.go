package store_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

const orphans = `INSERT INTO application_uris (tenant_id, uri, app_id) VALUES ('nobody', 'u', 'nothing'), ('nobody', 'v', 'nothing')`

func TestReferences(t *testing.T) {
	check := func(t *testing.T, db *store.DB, damage func()) {
		n, faults, err := db.References(t.Context())
		if err != nil || n < 10 || len(faults) != 0 {
			t.Fatalf("%d references, %q, %v", n, faults, err)
		}
		damage()
		_, faults, err = db.References(t.Context())
		want := []string{"2 rows of application_uris refer to rows of applications that are not there", "2 rows of application_uris refer to rows of tenants that are not there"}
		if diff := cmp.Diff(want, faults); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "midas.db")
		check(t, open(t, store.Config{Path: path}), func() {
			other(t, "sqlite", "file:"+path, orphans) // foreign_keys is off there
		})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := storetest.StartPostgres(t).NewDatabase(t)
		check(t, open(t, store.Config{DSN: dsn}), func() {
			other(t, "pgx", dsn, `SET session_replication_role = replica; `+orphans) // no triggers, and so no checks
		})
	})
}

func TestIntegrity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "midas.db")
	db, err := store.Open(t.Context(), store.Config{Path: path, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *store.Tx) error {
		for i := range 2000 {
			if err := tx.SetSetting(strings.Repeat("x", 200)+time.Unix(int64(i), 0).String(), "v"); err != nil {
				return err
			}
		}
		return nil
	})
	n, faults, err := db.Integrity(t.Context())
	if err != nil || n < 10 || len(faults) != 0 {
		t.Fatalf("%d tables, %q, %v", n, faults, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log is still there after a close: %v", err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(content[len(content)/2:], make([]byte, 20000)) // whole pages
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, faults, err = open(t, store.Config{Path: path}).Integrity(t.Context()); err == nil && len(faults) == 0 {
		t.Error("a damaged file is in order")
	}
}

func open(t *testing.T, c store.Config) *store.DB {
	t.Helper()
	c.Now, c.Log = time.Now, slog.New(slog.DiscardHandler)
	db, err := store.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// other runs statements past the store.
func other(t *testing.T, driver, dsn, statements string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}
