package directory

import (
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// SessionLife is how long a browser stays signed in.
const SessionLife = 24 * time.Hour

// Session is a browser in which somebody is signed in.
type Session struct {
	User       Principal
	SignedInAt time.Time
}

// CreateSession makes a session and returns what the browser holds of it.
func CreateSession(tx *store.Tx, user azure.ObjectID) (ticket string, err error) {
	ticket = newTicket()
	_, err = tx.Exec(`INSERT INTO sessions (hash, user_id, signed_in_at, expires_at) VALUES ($1, $2, $3, $4)`,
		ticketHash(ticket), string(user), store.Micros(tx.Now), store.Micros(tx.Now.Add(SessionLife)))
	return ticket, err
}

// SessionByTicket finds a session that holds: it is not expired, its user is
// there and enabled, and has no newer password.
func SessionByTicket(tx *store.Tx, ticket string) (Session, error) {
	none := fault.New(fault.NotFound, "There is no such session.")
	type row struct {
		user        azure.ObjectID
		at, expires int64
	}
	r, err := one(tx, func(scan func(...any) error) (r row, err error) { return r, scan(&r.user, &r.at, &r.expires) }, none,
		`SELECT user_id, signed_in_at, expires_at FROM sessions WHERE hash = $1`, ticketHash(ticket))
	if err != nil {
		return Session{}, err
	}
	if r.expires <= store.Micros(tx.Now) {
		return Session{}, none
	}
	s := Session{SignedInAt: store.Time(r.at)}
	if s.User, err = PrincipalByID(tx, r.user); err != nil {
		return Session{}, err
	}
	if current, err := StillSignedIn(tx, s.User, s.SignedInAt); err != nil || !current {
		return Session{}, orElse(err, none)
	}
	return s, nil
}

// orElse is err, or other where there is none.
func orElse(err error, other *fault.Error) error {
	if err != nil {
		return err
	}
	return other
}

// StillSignedIn reports whether a sign-in counts: the user is enabled and has
// had no new password since.
func StillSignedIn(tx *store.Tx, user Principal, at time.Time) (bool, error) {
	if !user.Enabled {
		return false, nil
	}
	p, err := UserPasswordOf(tx, user.ID)
	return err == nil && !p.ChangedAt.After(at), err
}

// EndSession signs a browser out.
func EndSession(tx *store.Tx, ticket string) error {
	_, err := tx.Exec(`DELETE FROM sessions WHERE hash = $1`, ticketHash(ticket))
	return err
}
