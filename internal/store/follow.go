package store

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is where replicas tell each other which topics changed.
const channel = "midas_changed"

// retryFollow is how long a broken connection is waited for. Until it is back
// nothing is remembered for longer than this.
const retryFollow = time.Second

// tell makes a change known to the other replicas on a PostgreSQL: they hear of
// it once it is committed. SQLite has no other replicas.
func (tx *Tx) tell() error {
	if tx.db.engine == engineSQLite {
		return nil
	}
	for t, changed := range tx.changed {
		if changed {
			if _, err := tx.tx.ExecContext(tx.ctx, `SELECT pg_notify($1, $2)`, channel, strconv.Itoa(t)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Follow moves the epochs with the changes of other replicas until ctx ends.
// Without it a replica would go on remembering what another one changed.
func (db *DB) Follow(ctx context.Context) error {
	if db.engine == engineSQLite {
		<-ctx.Done()
		return nil
	}
	for {
		err := db.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		db.log.WarnContext(ctx, "the changes of other replicas cannot be followed; trying again", "err", err)
		db.changedAll()
		select {
		case <-time.After(retryFollow):
		case <-ctx.Done():
			return nil
		}
	}
}

// follow listens on one connection.
func (db *DB) follow(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, db.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	db.changedAll() // what was changed before has not been heard
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if t, err := strconv.Atoi(n.Payload); err == nil && t >= 0 && t < int(topics) {
			db.epochs[t].Add(1)
		}
	}
}

func (db *DB) changedAll() {
	for t := range db.epochs {
		db.epochs[t].Add(1)
	}
}
