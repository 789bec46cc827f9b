// Package store is SQL over two engines: SQLite embedded, PostgreSQL for
// operators. It owns the connections, the transactions with their retries, the
// schema and its migrations; the SQL of each noun lives with that noun's rules,
// as one text that runs on both. There is no storage interface: [DB] is the
// real thing, in tests too (design.md section 6). It imports floor 0 only.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"runtime"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"
)

// Config says where the data is. Exactly one of Path and DSN is set.
type Config struct {
	Path string // SQLite database file
	DSN  string // PostgreSQL connection string, as pgx reads it
	Now  func() time.Time
	Log  *slog.Logger
}

// DB is an open store.
type DB struct {
	write, read *sessions // the same on PostgreSQL
	engine      engine
	now         func() time.Time
	log         *slog.Logger
	epochs      [topics]atomic.Uint64
	memory      memory
	dsn         string // of PostgreSQL, for [DB.Follow]
}

type engine int

const (
	engineSQLite engine = iota
	enginePostgres
)

// Open connects and brings the schema up to date.
func Open(ctx context.Context, c Config) (*DB, error) {
	db := &DB{now: c.Now, log: c.Log, memory: memory{seed: maphash.MakeSeed()}}
	var err error
	if c.DSN != "" {
		err = db.openPostgres(c.DSN)
	} else {
		err = db.openSQLite(c.Path)
	}
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// openSQLite makes one connection that writes and several that cannot.
func (db *DB) openSQLite(path string) (err error) {
	pragmas := []string{
		"busy_timeout(10000)", // first: the ones below already take locks
		"journal_mode(WAL)",   // readers beside the writer
		"synchronous(FULL)",   // NORMAL loses acknowledged writes when the power goes
		"foreign_keys(1)",
		"secure_delete(1)", // what is deleted is overwritten in the file
	}
	dsn := func(extra url.Values) string {
		for _, p := range pragmas {
			extra.Add("_pragma", p)
		}
		return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + extra.Encode()
	}
	// Immediate: a transaction that reads first and writes later would be
	// refused with BUSY at once, whatever the timeout.
	write, err := sql.Open("sqlite", dsn(url.Values{"_txlock": {"immediate"}}))
	if err != nil {
		return err
	}
	pragmas = append(pragmas, "query_only(1)")
	read, err := sql.Open("sqlite", dsn(url.Values{"_txlock": {"deferred"}}))
	if err != nil {
		return err
	}
	db.write, db.read = newSessions(write, 1, true), newSessions(read, max(4, runtime.NumCPU()), true)
	return nil
}

func (db *DB) openPostgres(dsn string) error {
	db.engine, db.dsn = enginePostgres, dsn
	pool, err := sql.Open("pgx", dsn)
	if err == nil {
		db.write = newSessions(pool, 16, false)
		db.read = db.write
	}
	return err
}

// Close releases the connections.
func (db *DB) Close() error {
	var err error
	if db.read != db.write {
		err = db.read.close()
	}
	// Last: it moves SQLite's log into the file, which the readers may not.
	return errors.Join(err, db.write.close())
}

// Tx is one transaction. Its methods carry the context it was begun with.
type Tx struct {
	// Now is the time of the transaction: every row that it writes carries this one.
	Now time.Time

	ctx     context.Context
	db      *DB
	pool    *sessions
	opts    *sql.TxOptions
	session *session // nil until the first statement
	tx      *sql.Tx
	epochs  [topics]uint64 // from before the first statement
	changed [topics]bool
	trusted [topics]bool // something was remembered of these
}

// begin takes a connection and begins, if that is not done yet: a view that
// remembers all it needs does neither.
func (tx *Tx) begin() error {
	if tx.tx != nil {
		return nil
	}
	if err := tx.ctx.Err(); err != nil {
		return err
	}
	session, err := tx.pool.take(tx.ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	ctx := tx.ctx
	if tx.db.engine == engineSQLite {
		// Watching a context costs more than a statement on local data takes.
		ctx = context.WithoutCancel(ctx)
	}
	begun, err := session.conn.BeginTx(ctx, tx.opts)
	if err != nil {
		tx.pool.give(session)
		return fmt.Errorf("begin: %w", err)
	}
	tx.ctx, tx.session, tx.tx = ctx, session, begun
	return nil
}

// end gives the connection back.
func (tx *Tx) end() {
	if tx.tx != nil {
		tx.tx.Rollback() // does nothing after a commit
		tx.pool.give(tx.session)
	}
}

// Exec runs a statement that returns no rows. A text of several statements
// takes no arguments.
func (tx *Tx) Exec(query string, args ...any) (r sql.Result, err error) {
	stmt, err := tx.prepared(query, args)
	switch {
	case err != nil:
	case stmt != nil:
		r, err = stmt.ExecContext(tx.ctx, args...)
	default:
		r, err = tx.tx.ExecContext(tx.ctx, query, args...)
	}
	return r, translate(err)
}

// Query runs a statement that returns rows. The caller closes them before it
// runs the same statement again.
func (tx *Tx) Query(query string, args ...any) (rows *sql.Rows, err error) {
	stmt, err := tx.prepared(query, args)
	switch {
	case err != nil:
	case stmt != nil:
		rows, err = stmt.QueryContext(tx.ctx, args...)
	default:
		rows, err = tx.tx.QueryContext(tx.ctx, query, args...)
	}
	return rows, translate(err)
}

// Row is a result of at most one row.
type Row struct {
	row *sql.Row
	err error
}

// Scan reads the row; it gives [ErrNoRows] where there is none.
func (r Row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	return translate(r.row.Scan(into...))
}

// QueryRow runs a statement that returns one row.
func (tx *Tx) QueryRow(query string, args ...any) Row {
	stmt, err := tx.prepared(query, args)
	switch {
	case err != nil:
		return Row{err: err}
	case stmt != nil:
		return Row{row: stmt.QueryRowContext(tx.ctx, args...)}
	}
	return Row{row: tx.tx.QueryRowContext(tx.ctx, query, args...)}
}

// prepared begins, and returns the kept statement of a text with arguments.
// One without is run once in a while and may be a script.
func (tx *Tx) prepared(query string, args []any) (*sql.Stmt, error) {
	if err := tx.begin(); err != nil || len(args) == 0 {
		return nil, err
	}
	return tx.session.prepared(tx.ctx, query)
}

// Collect runs a query and scans each row into a value.
func Collect[T any](tx *Tx, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, translate(rows.Err())
}

// ErrNoRows is what Scan gives for a row that is not there.
var ErrNoRows = sql.ErrNoRows

// View runs f in a transaction that reads one consistent state and cannot
// write. f may run more than once.
func (db *DB) View(ctx context.Context, f func(*Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.engine == enginePostgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	return db.retry(ctx, db.read, opts, f)
}

// Update runs f in a transaction that is durable once Update returns nil. It
// retries when the engine asks for it, so f may run more than once and touches
// nothing but tx.
func (db *DB) Update(ctx context.Context, f func(*Tx) error) error {
	opts := &sql.TxOptions{}
	if db.engine == enginePostgres {
		opts.Isolation = sql.LevelSerializable
	}
	return db.retry(ctx, db.write, opts, f)
}

// attempts bounds the retries of one transaction; at the last its wait is about 250 ms.
const attempts = 12

func (db *DB) retry(ctx context.Context, pool *sessions, opts *sql.TxOptions, f func(*Tx) error) error {
	for n := 1; ; n++ {
		err := db.once(ctx, pool, opts, f)
		if err == nil || !retryable(err) || n == attempts || ctx.Err() != nil {
			return translate(err)
		}
		db.log.DebugContext(ctx, "transaction retried", "attempt", n, "err", err)
		wait := time.Duration(1+rand.N(1<<min(n, 8))) * time.Millisecond
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errOvertaken asks for another run of a view.
var errOvertaken = errors.New("what was remembered has changed meanwhile")

func (db *DB) once(ctx context.Context, pool *sessions, opts *sql.TxOptions, f func(*Tx) error) error {
	tx := &Tx{Now: db.now().UTC().Truncate(time.Microsecond), ctx: ctx, db: db, pool: pool, opts: opts}
	for t := range tx.epochs {
		tx.epochs[t] = db.Epoch(Topic(t))
	}
	defer tx.end()
	if !opts.ReadOnly {
		if err := tx.begin(); err != nil {
			return err
		}
	}
	if err := f(tx); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case tx.tx == nil:
		return nil
	case tx.overtaken():
		return errOvertaken
	}
	if err := tx.tell(); err != nil {
		return err
	}
	if err := tx.tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for topic, changed := range tx.changed {
		if changed {
			db.epochs[topic].Add(1)
		}
	}
	return nil
}

// Alone reports whether this transaction is the only one, on any replica, that
// does a task now. A replica that is not leaves the task to the other one.
func (tx *Tx) Alone(task int64) (alone bool, err error) {
	if tx.db.engine == engineSQLite {
		return true, nil // there is one writer
	}
	err = tx.QueryRow(`SELECT pg_try_advisory_xact_lock(7443002, $1::int)`, task).Scan(&alone)
	return alone, err
}

// Topic is a part of the data that caches follow.
type Topic int

// The topics.
const (
	Directory Topic = iota // principals, applications, credentials
	Keys                   // signing keys
	Resources              // resources, and with them which identities a machine has
	Vaults                 // vaults: their names and access rules
	Roles                  // role definitions and assignments
	Secrets                // what is in vaults
	topics
)

// Changed marks a topic as changed by this transaction: its epoch moves when
// the transaction commits.
func (tx *Tx) Changed(t Topic) { tx.changed[t] = true }

// Epoch returns a number that moves with every committed change of a topic. A
// cache entry holds while the epoch is the one that was read before the entry
// was made.
func (db *DB) Epoch(t Topic) uint64 { return db.epochs[t].Load() }

// Micros is the form of a time in a column; the zero time has none of its own.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time reads back what [Micros] wrote.
func Time(us int64) time.Time { return time.UnixMicro(us).UTC() }
