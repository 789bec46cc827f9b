package store

import (
	"context"
	"fmt"
)

// Integrity lets the engine look through its own files: it says how many
// tables it has read and what is wrong with them, in the engine's words.
// PostgreSQL is left to its own tools.
func (db *DB) Integrity(ctx context.Context) (tables int64, faults []string, err error) {
	err = db.View(ctx, func(tx *Tx) (err error) {
		if db.engine == enginePostgres {
			return tx.QueryRow(`SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema()`).Scan(&tables)
		}
		if err := tx.QueryRow(`SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table'`).Scan(&tables); err != nil {
			return err
		}
		faults, err = Collect(tx, func(scan func(...any) error) (s string, err error) { return s, scan(&s) }, `PRAGMA integrity_check`)
		if len(faults) == 1 && faults[0] == "ok" {
			faults = nil
		}
		return err
	})
	return tables, faults, err
}

// reference is a foreign key: child rows name parent rows.
type reference struct{ child, parent, columns, set string }

// References checks every foreign key: it says how many there are, and which
// of them have rows that refer to nothing.
func (db *DB) References(ctx context.Context) (references int64, faults []string, err error) {
	if db.engine == enginePostgres {
		return db.referencesPostgres(ctx)
	}
	err = db.View(ctx, func(tx *Tx) (err error) {
		if err := tx.QueryRow(`SELECT COUNT(*) FROM sqlite_schema t, pragma_foreign_key_list(t.name) WHERE t.type = 'table'`).Scan(&references); err != nil {
			return err
		}
		faults, err = Collect(tx, func(scan func(...any) error) (string, error) {
			var child, parent string
			var rows int64
			err := scan(&child, &parent, &rows)
			return dangling(child, parent, rows), err
		}, `SELECT "table", parent, COUNT(*) FROM pragma_foreign_key_check GROUP BY "table", parent, fkid`)
		return err
	})
	return references, faults, err
}

func (db *DB) referencesPostgres(ctx context.Context) (references int64, faults []string, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		faults = nil
		all, err := Collect(tx, func(scan func(...any) error) (r reference, err error) {
			return r, scan(&r.child, &r.parent, &r.columns, &r.set)
		}, `SELECT conrelid::regclass::text, confrelid::regclass::text,
			string_agg(format('child.%I = parent.%I', c.attname, p.attname), ' AND '), string_agg(format('child.%I IS NOT NULL', c.attname), ' AND ')
			FROM pg_constraint
			CROSS JOIN LATERAL unnest(conkey, confkey) AS k (c, p)
			JOIN pg_attribute c ON c.attrelid = conrelid AND c.attnum = k.c
			JOIN pg_attribute p ON p.attrelid = confrelid AND p.attnum = k.p
			WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
			GROUP BY pg_constraint.oid, conrelid, confrelid ORDER BY 1, 2`)
		if err != nil {
			return err
		}
		references = int64(len(all))
		for _, r := range all {
			var rows int64
			if err := tx.QueryRow(`SELECT COUNT(*) FROM ` + r.child + ` child WHERE ` + r.set +
				` AND NOT EXISTS (SELECT 1 FROM ` + r.parent + ` parent WHERE ` + r.columns + `)`).Scan(&rows); err != nil {
				return err
			}
			if rows > 0 {
				faults = append(faults, dangling(r.child, r.parent, rows))
			}
		}
		return nil
	})
	return references, faults, err
}

func dangling(child, parent string, rows int64) string {
	return fmt.Sprintf("%d rows of %s refer to rows of %s that are not there", rows, child, parent)
}
