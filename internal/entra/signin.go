package entra

import (
	"context"
	"errors"
	"net"

	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/wire"
)

// methods is amr of a sign-in with a password.
var methods = []string{"pwd"}

// signIn returns who has a name and a password. A guesser learns nothing but
// that the pair is wrong: no such user, a user without a password and a wrong
// one are one answer in one time, and a name that does not exist is locked
// like one that does.
func (d *Door) signIn(ctx context.Context, upn, password string) (directory.Principal, error) {
	account, address := directory.GuessesAt(upn), directory.GuessesFrom(wire.EventOf(ctx).Client)
	var user directory.Principal
	var kept directory.UserPassword
	err := d.DB.Update(ctx, func(tx *store.Tx) error {
		err := directory.CountGuess(tx, account, address)
		if err != nil {
			return err
		}
		if user, err = directory.PrincipalByUPN(tx, upn); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		kept, err = directory.UserPasswordOf(tx, user.ID)
		return err
	})
	if err != nil {
		return directory.Principal{}, lockedOut(err)
	}
	right, err := kept.Hash.Matches(ctx, password) // outside the transaction: it takes its time
	switch {
	case err != nil:
		return directory.Principal{}, err
	case !right:
		return directory.Principal{}, wrongPassword.with()
	}
	if err := d.DB.Update(ctx, func(tx *store.Tx) error { return directory.RightGuess(tx, account, address) }); err != nil {
		return directory.Principal{}, err
	}
	if !user.Enabled {
		return directory.Principal{}, userDisabled.with()
	}
	wire.EventOf(ctx).Caller = string(user.ID)
	return user, nil
}

// lockedOut says in Entra's words that there were too many wrong guesses.
func lockedOut(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == directory.CodeLocked {
		return tooManyGuesses.with()
	}
	return err
}

// clientAddress is where a request comes from, without the port.
func clientAddress(ctx context.Context) string {
	host, _, err := net.SplitHostPort(wire.EventOf(ctx).Client)
	if err != nil {
		return ""
	}
	return host
}

// homeOf finds the tenant of a user, and refuses one that the address of the
// request does not mean: a user of another tenant is a guest there, and there
// are no guests yet.
func (d *Door) homeOf(tx *store.Tx, named directory.Tenant, user directory.Principal, a application) (directory.Tenant, error) {
	if named.ID != "" && named.ID != user.Tenant {
		return directory.Tenant{}, foreignUser.with(user.UPN, d.Cloud.V1Issuer(user.Tenant), named.DisplayName, string(a.id), a.name)
	}
	return directory.TenantByIDOrDomain(tx, string(user.Tenant))
}

// refused is an error that does not take back what was written before it.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// update is a transaction whose function may return a [refused].
func (d *Door) update(ctx context.Context, f func(*store.Tx) error) error {
	var kept error
	err := d.DB.Update(ctx, func(tx *store.Tx) error {
		kept = nil
		err := f(tx)
		if r, ok := errors.AsType[refused](err); ok {
			kept = r.error
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return kept
}
