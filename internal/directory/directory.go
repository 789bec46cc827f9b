// Package directory owns who there is: tenants and their subscriptions, users,
// groups and their members, applications with their credentials, service
// principals, of which managed identities are one kind, and whose tokens they
// sign in with (federated credentials). It does not decide what
// anybody may do (rbac), issues no tokens (sts) and knows no wire shape. Every
// write marks store.Directory as changed. It may import the floors below:
// azure, fault, pki and store.
package directory

import (
	"errors"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// change runs one statement that must touch at least one row. A statement that
// touches none means that what it names is not there.
func change(tx *store.Tx, missing *fault.Error, query string, args ...any) error {
	result, err := tx.Exec(query, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return missing
	}
	tx.Changed(store.Directory)
	return nil
}

// create is an INSERT; a row that exists already is a Conflict from the store.
func create(tx *store.Tx, query string, args ...any) error {
	_, err := tx.Exec(query, args...)
	if err == nil {
		tx.Changed(store.Directory)
	}
	return err
}

// one reads a single row, or gives missing where there is none.
func one[T any](tx *store.Tx, scan func(func(...any) error) (T, error), missing *fault.Error, query string, args ...any) (T, error) {
	v, err := scan(tx.QueryRow(query, args...).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return v, missing
	}
	return v, err
}

// null keeps an absent text out of the indexes, which skip NULL.
func null[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// maxName bounds every display name (Graph's own limit for most of them).
const maxName = 256

func checkName(name string) error {
	if strings.TrimSpace(name) == "" || len(name) > maxName {
		return fault.New(fault.Invalid, "A display name has 1 to %d characters.", maxName).At("displayName")
	}
	return nil
}

// guid folds an id that came from outside.
func guid[S ~string](id S, what string) (S, error) {
	folded, ok := azure.ParseGUID(string(id))
	if !ok {
		return "", fault.New(fault.Invalid, "The %s id is not a GUID.", what).At("id")
	}
	return S(folded), nil
}
