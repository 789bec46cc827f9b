package store

import (
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"midas/internal/fault"
)

// translate gives a constraint that was broken its meaning, by code and never
// by text. Everything else stays what it is.
func translate(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch code(err) {
	case "2067", "1555", "23505":
		return fault.Wrap(err, fault.Conflict, "it exists already")
	case "787", "23503":
		return fault.Wrap(err, fault.Invalid, "it refers to something that does not exist")
	}
	return err
}

// retryable reports whether the engine refused a transaction that would
// succeed if it ran again.
func retryable(err error) bool {
	if errors.Is(err, errOvertaken) {
		return true
	}
	switch code(err) {
	case "40001", "40P01": // PostgreSQL: serialization failure, deadlock
		return true
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		primary := e.Code() & 0xff
		return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_LOCKED
	}
	return false
}

// code returns SQLite's extended result code in decimal, or PostgreSQL's SQLSTATE.
func code(err error) string {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE:
			return "2067"
		case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return "1555"
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return "787"
		}
		return ""
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}
