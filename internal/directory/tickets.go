package directory

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"midas/internal/store"
)

// newTicket makes what a browser or a client holds and nobody can guess: 256
// random bits.
func newTicket() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ticketHash is what is kept of a ticket. A fast hash is enough for what cannot
// be guessed.
func ticketHash(ticket string) string {
	sum := sha256.Sum256([]byte(ticket))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// remembered is how long after its end a code or a refresh token is known as
// one that has expired, and not as garbage.
const remembered = 24 * time.Hour

// SweepSignIns removes the sessions, codes, refresh tokens and guesses whose
// time has passed.
func SweepSignIns(tx *store.Tx) error {
	for query, after := range map[string]time.Duration{
		`DELETE FROM sessions WHERE expires_at <= $1`:            0,
		`DELETE FROM guesses WHERE forget_at <= $1`:              0,
		`DELETE FROM authorization_codes WHERE expires_at <= $1`: remembered,
		`DELETE FROM device_codes WHERE expires_at <= $1`:        remembered,
		`DELETE FROM refresh_tokens WHERE expires_at <= $1`:      remembered,
	} {
		if _, err := tx.Exec(query, store.Micros(tx.Now.Add(-after))); err != nil {
			return err
		}
	}
	return nil
}
