package directory

import (
	"database/sql"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// CodeLife is how long an authorization code can be redeemed.
const CodeLife = 10 * time.Minute

// AuthorizationCode is what a client gets of a sign-in by way of the browser,
// to be redeemed once.
type AuthorizationCode struct {
	App         azure.AppID
	User        azure.ObjectID
	RedirectURI string
	Scope       string // as asked
	Nonce       string
	Challenge   string // S256 of the client's verifier, "" where it sent none
	SignedInAt  time.Time
	ExpiresAt   time.Time
	Family      string // of the refresh tokens that it was redeemed for, "" before that
}

// CreateCode stores c and returns the code.
func CreateCode(tx *store.Tx, c AuthorizationCode) (code string, err error) {
	code = newTicket()
	_, err = tx.Exec(`INSERT INTO authorization_codes (hash, app_id, user_id, redirect_uri, scope, nonce, challenge, signed_in_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		ticketHash(code), string(c.App), string(c.User), c.RedirectURI, c.Scope, c.Nonce, c.Challenge, store.Micros(c.SignedInAt), store.Micros(tx.Now.Add(CodeLife)))
	return code, err
}

// CodeByText finds a code, redeemed and expired ones among them.
func CodeByText(tx *store.Tx, code string) (AuthorizationCode, error) {
	return one(tx, func(scan func(...any) error) (c AuthorizationCode, err error) {
		var family sql.NullString
		var at, expires int64
		err = scan(&c.App, &c.User, &c.RedirectURI, &c.Scope, &c.Nonce, &c.Challenge, &at, &expires, &family)
		c.SignedInAt, c.ExpiresAt, c.Family = store.Time(at), store.Time(expires), family.String
		return c, err
	}, fault.New(fault.NotFound, "There is no such code."),
		`SELECT app_id, user_id, redirect_uri, scope, nonce, challenge, signed_in_at, expires_at, family FROM authorization_codes WHERE hash = $1`, ticketHash(code))
}

// RedeemCode marks a code as redeemed, for a new family of refresh tokens.
func RedeemCode(tx *store.Tx, code string) (family string, err error) {
	family = azure.NewGUID()
	return family, changeSignIn(tx, fault.New(fault.Conflict, "The code was redeemed already."),
		`UPDATE authorization_codes SET family = $1 WHERE hash = $2 AND family IS NULL`, family, ticketHash(code))
}

// changeSignIn is [change] for rows that nobody has in a cache.
func changeSignIn(tx *store.Tx, missing *fault.Error, query string, args ...any) error {
	result, err := tx.Exec(query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return orElse(err, missing)
	}
	return nil
}
