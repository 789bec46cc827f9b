package store

import (
	"context"
	"database/sql"

	"midas/internal/fault"
)

// Copy writes one consistent state of the whole database into a file, which
// must be empty or not there. Everything that was committed before the call is
// in it. Readers and writers go on meanwhile.
func (db *DB) Copy(ctx context.Context, path string) error {
	if db.engine == enginePostgres {
		return fault.New(fault.Unsupported, "the data is in PostgreSQL\nhint: copy it with pg_dump, and keep the root key and the CA beside it")
	}
	return db.alone(ctx, db.read, func(conn *sql.Conn) error {
		// The connection may write for as long as it takes to write elsewhere:
		// VACUUM INTO changes nothing here.
		if _, err := conn.ExecContext(ctx, `PRAGMA query_only = 0`); err != nil {
			return err
		}
		defer conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA query_only = 1`)
		_, err := conn.ExecContext(ctx, `VACUUM INTO ?`, path)
		return err
	})
}
