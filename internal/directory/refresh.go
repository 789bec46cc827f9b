package directory

import (
	"database/sql"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// RefreshLife is how long a refresh token is good for without being used.
const RefreshLife = 90 * 24 * time.Hour

// refreshGrace is how long a refresh token that was used can be used again.
// Real clients need it: two commands of one user, at once, use the same one.
const refreshGrace = time.Minute

// RefreshToken continues a sign-in. Each use gives a new one of the same family.
type RefreshToken struct {
	Family     string
	App        azure.AppID
	User       azure.ObjectID
	Scope      string // as asked last
	SignedInAt time.Time
	IssuedAt   time.Time
	ExpiresAt  time.Time
	UsedAt     time.Time // zero before that
	Revoked    bool
}

// CreateRefreshToken stores r, issued now, and returns the token.
func CreateRefreshToken(tx *store.Tx, r RefreshToken) (token string, err error) {
	token = "1." + newTicket()
	_, err = tx.Exec(`INSERT INTO refresh_tokens (hash, family, app_id, user_id, scope, signed_in_at, issued_at, expires_at, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		ticketHash(token), r.Family, string(r.App), string(r.User), r.Scope, store.Micros(r.SignedInAt), store.Micros(tx.Now), store.Micros(tx.Now.Add(RefreshLife)), false)
	return token, err
}

// RefreshTokenByText finds a refresh token, whether or not it is good.
func RefreshTokenByText(tx *store.Tx, token string) (RefreshToken, error) {
	return one(tx, func(scan func(...any) error) (r RefreshToken, err error) {
		var at, issued, expires int64
		var used sql.NullInt64
		err = scan(&r.Family, &r.App, &r.User, &r.Scope, &at, &issued, &expires, &used, &r.Revoked)
		r.SignedInAt, r.IssuedAt, r.ExpiresAt = store.Time(at), store.Time(issued), store.Time(expires)
		if used.Valid {
			r.UsedAt = store.Time(used.Int64)
		}
		return r, err
	}, fault.New(fault.NotFound, "There is no such refresh token."),
		`SELECT family, app_id, user_id, scope, signed_in_at, issued_at, expires_at, used_at, revoked FROM refresh_tokens WHERE hash = $1`, ticketHash(token))
}

// Reused reports whether the token was used before, and not just now: two
// parties hold it, and one of them has stolen it.
func (r RefreshToken) Reused(now time.Time) bool {
	return !r.UsedAt.IsZero() && !now.Before(r.UsedAt.Add(refreshGrace))
}

// UseRefreshToken notes the first use of a token.
func UseRefreshToken(tx *store.Tx, token string) error {
	_, err := tx.Exec(`UPDATE refresh_tokens SET used_at = $1 WHERE hash = $2 AND used_at IS NULL`, store.Micros(tx.Now), ticketHash(token))
	return err
}

// RevokeFamily ends every refresh token that came of one sign-in.
func RevokeFamily(tx *store.Tx, family string) error {
	_, err := tx.Exec(`UPDATE refresh_tokens SET revoked = $1 WHERE family = $2`, true, family)
	return err
}
