// Package lock owns management locks: what nobody may delete or change at
// Resource Manager, whatever roles they have, and which locks stand in the way
// of a change. It knows no principal, no wire shape, and not which scopes
// exist; what is inside of a resource, such as the secrets of a vault, is not
// its concern. It may import azure, fault and store.
package lock

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Type is the resource type of a lock: an extension of the scope it is at.
const Type = "Microsoft.Authorization/locks"

// Level is what a lock forbids.
type Level string

// The levels.
const (
	CanNotDelete Level = "CanNotDelete" // no deletion
	ReadOnly     Level = "ReadOnly"     // neither deletion nor change
)

// Names of the rules that have one on the wire.
const (
	CodeScopeLocked = "ScopeLocked"
	CodeNotFound    = "LockNotFound"
)

// Change is what is to be done to a scope.
type Change string

// The changes.
const (
	Write  Change = "write"
	Delete Change = "delete"
)

// Lock holds a scope and everything below it.
type Lock struct {
	Scope azure.ResourceID // a subscription, a group or a resource
	Name  string
	Level Level
	Notes string

	CreatedAt, UpdatedAt time.Time
	CreatedBy, UpdatedBy azure.ObjectID
}

// ResourceID returns the id of the lock.
func (l *Lock) ResourceID() azure.ResourceID {
	return l.Scope.Join("providers", "Microsoft.Authorization", "locks", l.Name)
}

const (
	maxName  = 90
	maxNotes = 512
)

// Put makes or replaces a lock. The bool says that it is new. The fault is Invalid.
func Put(tx *store.Tx, l Lock, by azure.ObjectID) (Lock, bool, error) {
	if err := l.validate(); err != nil {
		return Lock{}, false, err
	}
	old, err := Get(tx, l.Scope, l.Name)
	created := fault.Is(err, fault.NotFound)
	if err != nil && !created {
		return Lock{}, false, err
	}
	l.CreatedAt, l.CreatedBy, l.UpdatedAt, l.UpdatedBy = tx.Now, by, tx.Now, by
	if !created {
		l.CreatedAt, l.CreatedBy = old.CreatedAt, old.CreatedBy
	}
	tx.Changed(store.Roles)
	_, err = tx.Exec(`INSERT INTO locks (scope_key, name_key, scope, name, level, notes, created_at, updated_at, created_by, updated_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (scope_key, name_key) DO UPDATE SET name = excluded.name, level = excluded.level, notes = excluded.notes,
			updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
		l.Scope.Key(), azure.Fold(l.Name), l.Scope.String(), l.Name, string(l.Level), l.Notes,
		store.Micros(l.CreatedAt), store.Micros(l.UpdatedAt), string(l.CreatedBy), string(by))
	return l, created, err
}

// validate checks what a caller brings, and spells the level as it is printed.
func (l *Lock) validate() error {
	invalid := func(target, format string, args ...any) error {
		return fault.New(fault.Invalid, format, args...).At(target)
	}
	switch n := utf8.RuneCountInString(l.Name); {
	case n == 0 || n > maxName || strings.ContainsAny(l.Name, `<>%&:\?/`) || strings.ContainsFunc(l.Name, unicode.IsControl):
		return invalid("name", "The name of a lock has 1 to %d characters, and none of < > %% & : \\ ? / and no control character.", maxName)
	case l.Scope.Subscription() == "":
		return invalid("scope", "A lock is at a subscription, a resource group or a resource, and not at '%s'.", l.Scope)
	case utf8.RuneCountInString(l.Notes) > maxNotes:
		return invalid("notes", "The notes of a lock are longer than %d characters.", maxNotes)
	}
	for _, level := range []Level{CanNotDelete, ReadOnly} {
		if strings.EqualFold(string(l.Level), string(level)) {
			l.Level = level
			return nil
		}
	}
	return invalid("level", "The lock level '%.32s' is not valid. The levels are '%s' and '%s'.", l.Level, CanNotDelete, ReadOnly)
}

const columns = "scope, name, level, notes, created_at, updated_at, created_by, updated_by"

func scan(row func(...any) error) (l Lock, err error) {
	var scope string
	var created, updated int64
	if err := row(&scope, &l.Name, &l.Level, &l.Notes, &created, &updated, &l.CreatedBy, &l.UpdatedBy); err != nil {
		return l, err
	}
	l.CreatedAt, l.UpdatedAt = store.Time(created), store.Time(updated)
	l.Scope, err = azure.ParseResourceID(scope)
	return l, err
}

// Get reads one lock. The fault is NotFound.
func Get(tx *store.Tx, scope azure.ResourceID, name string) (Lock, error) {
	l, err := scan(tx.QueryRow("SELECT "+columns+" FROM locks WHERE scope_key = $1 AND name_key = $2", scope.Key(), azure.Fold(name)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		err = fault.New(fault.NotFound, "The lock '%s' could not be found.", name).Named(CodeNotFound)
	}
	return l, err
}

// Remove takes a lock away and returns what it was. The fault is NotFound.
func Remove(tx *store.Tx, scope azure.ResourceID, name string) (Lock, error) {
	l, err := Get(tx, scope, name)
	if err == nil {
		tx.Changed(store.Roles)
		_, err = tx.Exec("DELETE FROM locks WHERE scope_key = $1 AND name_key = $2", scope.Key(), azure.Fold(name))
	}
	return l, err
}

// List returns the locks at a scope and above it, and those below it, too,
// unless atScope.
func List(tx *store.Tx, scope azure.ResourceID, atScope bool) ([]Lock, error) {
	where, args := around(scope, !atScope)
	return store.Collect(tx, scan, "SELECT "+columns+" FROM locks WHERE "+where+" ORDER BY scope_key, name_key", args...)
}

// around selects what is at a scope and above it, and below it where asked. A
// prefix is compared without LIKE, whose case rules differ between the engines.
func around(scope azure.ResourceID, below bool) (where string, args []any) {
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	var at []string
	root := azure.Root()
	for s := scope; !s.IsZero() && !s.Equal(root); s = s.Parent() {
		at = append(at, arg(s.Key()))
	}
	at = append(at, arg(root.Key()))
	where = "scope_key IN (" + strings.Join(at, ", ") + ")"
	if below {
		prefix := strings.TrimSuffix(scope.Key(), "/") + "/"
		where = "(" + where + " OR substr(scope_key, 1, " + arg(utf8.RuneCountInString(prefix)) + ") = " + arg(prefix) + ")"
	}
	return where, args
}

// Against returns the locks that forbid a change of a scope: those at it and
// above it and, for a deletion, those below it, for it would delete them, too.
func Against(tx *store.Tx, scope azure.ResourceID, c Change) ([]Lock, error) {
	if scope.Subscription() == "" {
		return nil, nil
	}
	where, args := around(scope, c == Delete)
	if c == Write {
		args = append(args, string(ReadOnly))
		where += fmt.Sprintf(" AND level = $%d", len(args))
	}
	return store.Collect(tx, scan, "SELECT "+columns+" FROM locks WHERE "+where+" ORDER BY scope_key, name_key", args...)
}

// Check refuses a change that a lock forbids. The fault is Conflict.
func Check(tx *store.Tx, scope azure.ResourceID, c Change) error {
	locks, err := Against(tx, scope, c)
	if err != nil || len(locks) == 0 {
		return err
	}
	var scopes []string
	for i, l := range locks {
		if i == 0 || !l.Scope.Equal(locks[i-1].Scope) {
			scopes = append(scopes, "'"+l.Scope.String()+"'")
		}
	}
	return fault.New(fault.Conflict, "The scope '%s' cannot perform %s operation because following scope(s) are locked: %s. Please remove the lock and try again.",
		scope, c, strings.Join(scopes, ",")).Named(CodeScopeLocked)
}
