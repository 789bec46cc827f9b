package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

type migration struct {
	version int64
	name    string
	text    string
	hash    string
}

// known lists the embedded migrations in order. Their files are named
// NNNN_what.sql with no gaps.
func known() ([]migration, error) {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	var all []migration
	for i, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version != int64(i+1) {
			return nil, fmt.Errorf("migration %s is out of order", e.Name())
		}
		text, err := migrations.ReadFile("migrations/" + e.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, migration{version, e.Name(), string(text), fmt.Sprintf("%x", sha256.Sum256(text))})
	}
	return all, nil
}

// migrate applies what is missing, one process at a time: SQLite's write lock
// and a PostgreSQL advisory lock hold the others off.
func (db *DB) migrate(ctx context.Context) error {
	all, err := known()
	if err != nil {
		return err
	}
	return db.Update(ctx, func(tx *Tx) error {
		if db.engine == enginePostgres {
			if _, err := tx.Exec(`SELECT pg_advisory_xact_lock(7443001)`); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(db.dialect(`CREATE TABLE IF NOT EXISTS schema_migrations (
    version    BIGINT PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    applied_at BIGINT NOT NULL
);`)); err != nil {
			return err
		}
		applied, err := Collect(tx, func(scan func(...any) error) (m migration, err error) {
			return m, scan(&m.version, &m.name, &m.hash)
		}, `SELECT version, name, hash FROM schema_migrations ORDER BY version`)
		if err != nil {
			return err
		}
		if len(applied) > len(all) {
			return fmt.Errorf("the data was written by a newer version (schema %d, this version knows %d)\nhint: run the newer version, or restore a backup made before the upgrade", len(applied), len(all))
		}
		for i, m := range all {
			if i < len(applied) {
				if applied[i].hash != m.hash {
					return fmt.Errorf("migration %s was applied with other contents", applied[i].name)
				}
				continue
			}
			if _, err := tx.Exec(db.dialect(m.text)); err != nil {
				return fmt.Errorf("migration %s: %w", m.name, err)
			}
			if _, err := tx.Exec(`INSERT INTO schema_migrations (version, name, hash, applied_at) VALUES ($1, $2, $3, $4)`,
				m.version, m.name, m.hash, Micros(tx.Now)); err != nil {
				return err
			}
		}
		return nil
	})
}

var endOfTable = regexp.MustCompile(`(?m)^\);$`)

// dialect turns the one text into SQLite's: STRICT tables know fewer type
// names, and without STRICT a text would be taken for a number in silence.
func (db *DB) dialect(ddl string) string {
	if db.engine == enginePostgres {
		return ddl
	}
	ddl = strings.NewReplacer(" BIGINT", " INTEGER", " BYTEA", " BLOB", " BOOLEAN", " INTEGER").Replace(ddl)
	return endOfTable.ReplaceAllString(ddl, ") STRICT;")
}

// Setting reads an installation-wide setting; "" where it was never set.
func (tx *Tx) Setting(name string) (value string, err error) {
	err = tx.QueryRow(`SELECT value FROM settings WHERE name = $1`, name).Scan(&value)
	if errors.Is(err, ErrNoRows) {
		return "", nil
	}
	return value, err
}

// SetSetting writes an installation-wide setting.
func (tx *Tx) SetSetting(name, value string) error {
	_, err := tx.Exec(`INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}
