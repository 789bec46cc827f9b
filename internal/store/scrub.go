package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"midas/internal/fault"
)

// settingScrub is set while something that was deleted may still be in the files.
const settingScrub = "scrub-due"

// Purged says that what this transaction deletes is not to be found again: the
// next [DB.Scrub] removes its traces, also where that is after a crash.
func (tx *Tx) Purged() error {
	return tx.SetSetting(settingScrub, fmt.Sprint(Micros(tx.Now)))
}

// Scrub removes the traces of what was purged since the last time, and does
// nothing where nothing was. Afterwards SQLite's files hold no byte of it.
// PostgreSQL's tables are vacuumed; its pages, its log and its copies may hold
// the bytes for longer, and only that they are sealed keeps them from use.
func (db *DB) Scrub(ctx context.Context) error {
	var due string
	if err := db.View(ctx, func(tx *Tx) (err error) { due, err = tx.Setting(settingScrub); return err }); err != nil || due == "" {
		return err
	}
	scrub := db.scrubSQLite
	if db.engine == enginePostgres {
		scrub = db.scrubPostgres
	}
	if err := scrub(ctx); err != nil {
		return fmt.Errorf("scrub: %w", err)
	}
	// What was purged meanwhile has set another time and stays due.
	return db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`DELETE FROM settings WHERE name = $1 AND value = $2`, settingScrub, due)
		return err
	})
}

// scrubSQLite writes the whole file anew. Deleted rows are overwritten where
// they were (secure_delete), but pages keep copies of rows that were moved
// elsewhere before. Then the log goes, which has them all.
func (db *DB) scrubSQLite(ctx context.Context) error {
	if err := db.alone(ctx, db.write, func(conn *sql.Conn) error { _, err := conn.ExecContext(ctx, `VACUUM`); return err }); err != nil {
		return err
	}
	for n := 1; ; n++ {
		done, err := db.truncateLog(ctx)
		if err != nil || done {
			return err
		}
		if n == attempts {
			return fault.New(fault.Unavailable, "the log could not be emptied while it was being read")
		}
		select { // the writer is free meanwhile
		case <-time.After(time.Duration(n) * 20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// truncateLog moves the log into the file and empties it, unless a reader
// needs it for longer than a moment: writers wait meanwhile.
func (db *DB) truncateLog(ctx context.Context) (done bool, err error) {
	err = db.alone(ctx, db.write, func(conn *sql.Conn) error {
		if _, err := conn.ExecContext(ctx, `PRAGMA busy_timeout = 100`); err != nil {
			return err
		}
		defer conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA busy_timeout = 10000`)
		var busy, pages, moved int
		err := conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
		done = busy == 0
		return err
	})
	return done, err
}

// scrubPostgres vacuums the tables that can hold something sealed.
func (db *DB) scrubPostgres(ctx context.Context) error {
	var tables []string
	err := db.View(ctx, func(tx *Tx) (err error) {
		tables, err = Collect(tx, func(scan func(...any) error) (name string, err error) { return name, scan(&name) },
			`SELECT DISTINCT quote_ident(table_name) FROM information_schema.columns WHERE data_type = 'bytea' AND table_schema = current_schema()`)
		return err
	})
	if err != nil {
		return err
	}
	return db.alone(ctx, db.write, func(conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, `VACUUM `+strings.Join(tables, ", "))
		return err
	})
}

// alone lends a connection for what cannot be in a transaction.
func (db *DB) alone(ctx context.Context, pool *sessions, f func(*sql.Conn) error) error {
	session, err := pool.take(ctx)
	if err != nil {
		return err
	}
	defer pool.give(session)
	return f(session.conn)
}
