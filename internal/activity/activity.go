// Package activity keeps who did what, and what came of it: the sign-in log
// and the activity log. It never holds a value, a token or a body. Entries are
// written beside the requests, in batches, so that no read waits for a disk.
// It may import the store and below.
package activity

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"midas/internal/azure"
	"midas/internal/store"
)

// Entry is one thing that was done.
type Entry struct {
	Time          time.Time
	Plane         string // the door: "arm", "keyvault", "entra", "imds"
	Caller        string // object id, "" where nobody was verified
	Operation     string // the action, or the grant of a sign-in
	Target        string // id of what it was done to
	Status        int    // HTTP status of the answer
	Code          string // wire code of a failure
	RequestID     string
	CorrelationID string
	ClientAddress string
	Method        string // HTTP method
}

// Limits of the queue. A batch costs one commit however large it is, so
// entries wait a moment for company; past queued they are counted and dropped.
const (
	queued   = 16384
	batched  = 4096
	lingered = 100 * time.Millisecond
)

// Log takes entries and writes them behind the requests.
type Log struct {
	db      *store.DB
	log     *slog.Logger
	queue   chan Entry
	half    chan struct{} // tells that the queue is half full
	dropped atomic.Uint64
}

// New returns a log. Nothing is written until [Log.Run] runs.
func New(db *store.DB, log *slog.Logger) *Log {
	return &Log{db: db, log: log, queue: make(chan Entry, queued), half: make(chan struct{}, 1)}
}

// Record takes an entry and never waits.
func (l *Log) Record(e Entry) {
	select {
	case l.queue <- e:
	default:
		l.dropped.Add(1)
	}
	if len(l.queue) == queued/2 {
		select {
		case l.half <- struct{}{}:
		default:
		}
	}
}

// Run writes entries until ctx ends, then what is left of them.
func (l *Log) Run(ctx context.Context) error {
	for {
		select {
		case first := <-l.queue:
			l.linger(ctx)
			l.write(ctx, l.batch(first))
		case <-ctx.Done():
			for len(l.queue) > 0 {
				l.write(ctx, l.batch(<-l.queue))
			}
			return nil
		}
	}
}

// linger waits until more entries have come, or there is no room for many more.
func (l *Log) linger(ctx context.Context) {
	deadline := time.NewTimer(lingered)
	defer deadline.Stop()
	for len(l.queue) < queued/2 {
		select {
		case <-deadline.C:
			return
		case <-ctx.Done():
			return
		case <-l.half:
		}
	}
}

// batch takes what else is waiting.
func (l *Log) batch(first Entry) []Entry {
	batch := []Entry{first}
	for len(batch) < batched {
		select {
		case e := <-l.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// write outlives ctx by a moment: what was taken is kept even as the server ends.
func (l *Log) write(ctx context.Context, batch []Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if n := l.dropped.Swap(0); n > 0 {
		l.log.WarnContext(ctx, "activity entries were dropped: they came faster than the store takes them", "count", n)
	}
	err := l.db.Update(ctx, func(tx *store.Tx) error {
		for entries := range slices.Chunk(batch, rowsAtOnce) {
			if err := insert(tx, entries); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.log.ErrorContext(ctx, "activity entries are lost", "count", len(batch), "err", err)
	}
}

const (
	columns    = `id, at, plane, caller, operation, target, status, code, request_id, correlation_id, client_address, method`
	columnsN   = 12
	rowsAtOnce = 64 // in one statement, which SQLite and PostgreSQL both have room for
)

// insert writes entries with one statement.
func insert(tx *store.Tx, entries []Entry) error {
	var query strings.Builder
	query.WriteString(`INSERT INTO activity (` + columns + `) VALUES `)
	args := make([]any, 0, len(entries)*columnsN)
	for i, e := range entries {
		if i > 0 {
			query.WriteByte(',')
		}
		for c := range columnsN {
			query.WriteByte("(,"[min(c, 1)])
			query.WriteByte('$')
			query.WriteString(strconv.Itoa(len(args) + c + 1))
		}
		query.WriteByte(')')
		at := store.Micros(e.Time)
		args = append(args, position(at)+azure.NewGUID(), at, e.Plane, e.Caller, e.Operation, e.Target, e.Status, e.Code, e.RequestID, e.CorrelationID, e.ClientAddress, e.Method)
	}
	_, err := tx.Exec(query.String(), args...)
	return err
}

// position is how the ids of a time begin: sixteen hexadecimal digits, in order.
func position(micros int64) string {
	digits := strconv.FormatInt(micros, 16)
	return strings.Repeat("0", 16-len(digits)) + digits + "-"
}

// Recent returns the newest entries, newest first, at most limit of them.
func Recent(tx *store.Tx, limit int) ([]Entry, error) {
	found, err := collect(tx, ` ORDER BY id DESC LIMIT $1`, limit)
	return entries(found), err
}

// identified is an entry with its id, which is its place in the log.
type identified struct {
	Entry
	id string
}

func entries(found []identified) []Entry {
	var all []Entry
	for _, e := range found {
		all = append(all, e.Entry)
	}
	return all
}

func collect(tx *store.Tx, where string, args ...any) ([]identified, error) {
	return store.Collect(tx, func(scan func(...any) error) (e identified, err error) {
		var at int64
		err = scan(&e.id, &at, &e.Plane, &e.Caller, &e.Operation, &e.Target, &e.Status, &e.Code, &e.RequestID, &e.CorrelationID, &e.ClientAddress, &e.Method)
		e.Time = store.Time(at)
		return e, err
	}, `SELECT `+columns+` FROM activity`+where, args...)
}

// Query selects entries of one door. All that is set must hold.
type Query struct {
	Plane         string
	From, To      time.Time // both included
	CorrelationID string
	Keep          func(*Entry) bool // nil keeps all
	After         string            // what a page before this one returned as next
	Limit         int               // at most this many
}

// readAtOnce is how many entries a search looks at in one statement.
const readAtOnce = 500

// Find returns a page of entries, newest first, and what the next page goes on
// after, "" at the end.
func Find(tx *store.Tx, q Query) (page []Entry, next string, err error) {
	from, below := position(store.Micros(q.From)), position(store.Micros(q.To)+1)
	if q.After != "" && q.After < below {
		below = q.After
	}
	for {
		where, args := ` WHERE plane = $1 AND id >= $2 AND id < $3`, []any{q.Plane, from, below}
		if q.CorrelationID != "" {
			where += ` AND correlation_id = $4`
			args = append(args, q.CorrelationID)
		}
		found, err := collect(tx, where+` ORDER BY id DESC LIMIT `+strconv.Itoa(readAtOnce), args...)
		if err != nil {
			return nil, "", err
		}
		for i := range found {
			e := &found[i]
			if q.Keep != nil && !q.Keep(&e.Entry) {
				below = e.id
				continue
			}
			if len(page) == q.Limit {
				return page, below, nil
			}
			page, below = append(page, e.Entry), e.id
		}
		if len(found) < readAtOnce {
			return page, "", nil
		}
	}
}

// kept is how long entries are kept, as Azure's own log does.
const kept = 90 * 24 * time.Hour

// Trim removes the entries that are older than a log is kept.
func Trim(tx *store.Tx) error {
	_, err := tx.Exec(`DELETE FROM activity WHERE id < $1`, position(store.Micros(tx.Now.Add(-kept))))
	return err
}
