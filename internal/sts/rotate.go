package sts

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"fmt"
	"time"

	"midas/internal/pki"
	"midas/internal/store"
)

// The life of a key: published, then signing, then still published until the
// last token that it signed has expired. There is always one that is only
// published, so relying parties that keep a key set for a day never meet a kid
// that they could not know.
const (
	rotation     = 30 * 24 * time.Hour           // how long a key signs
	publishAhead = 24*time.Hour + clockTolerance // the least that it is published before; the first key signs at once
	keepAfter    = maxLifetime + clockTolerance  // how long it is published after

	certificateYears = 5
	certificateName  = "accounts.accesscontrol.windows.net" // as Entra's own have it; nobody reads it
	keyBits          = 2048
)

// attend is how often Run looks whether a key is due. It is short because the
// clock of a dev cloud may jump.
const attend = time.Minute

// Run makes the first key and then keeps the keys in rotation until ctx ends.
// Only what goes wrong before there is a key ends it early.
func (s *Service) Run(ctx context.Context) error {
	if err := s.rotate(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	tick := time.NewTicker(attend)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.rotate(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "the signing keys could not be rotated; the present one goes on signing", "err", err)
		}
	}
}

// rotate makes each key that is due and removes those that have retired.
func (s *Service) rotate(ctx context.Context) error {
	now := s.Now() // one time for all decisions, or they could disagree for ever
	for {
		ks, err := s.load(ctx)
		if err != nil {
			return err
		}
		var newest time.Time
		if n := len(ks.keys); n > 0 {
			s.firstOnce.Do(func() { close(s.first) })
			newest = ks.keys[n-1].signsFrom
		}
		switch {
		case due(newest, now):
			err = s.addKey(ctx, now)
		case !ks.keys[0].retiresAt.After(now):
			err = s.removeRetired(ctx, now)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// due reports whether the next key is missing, because the newest signs
// already. The zero time stands for no key at all.
func due(newest, now time.Time) bool { return !newest.After(now) }

// next says from when a new key signs: after the newest has had its time, and
// not before everybody can know it.
func next(newest, now time.Time) time.Time {
	if newest.IsZero() {
		return now
	}
	from := newest.Add(rotation)
	if earliest := now.Add(publishAhead); from.Before(earliest) {
		return earliest
	}
	return from
}

// addKey makes a key and stores it, unless another replica was faster.
func (s *Service) addKey(ctx context.Context, now time.Time) error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	cert, err := pki.SigningCertificate(private, certificateName, now.UTC(), now.UTC().AddDate(certificateYears, 0, 0))
	if err != nil {
		return err
	}
	kid := pki.Thumbprint(cert)
	sealed, err := s.Root.Seal(der, binding(kid))
	if err != nil {
		return err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		var signs sql.NullInt64
		if err := tx.QueryRow(`SELECT MAX(signs_from) FROM signing_keys`).Scan(&signs); err != nil {
			return err
		}
		var newest time.Time
		if signs.Valid {
			newest = store.Time(signs.Int64)
		}
		if !due(newest, now) {
			return nil
		}
		return insertKey(tx, kid, sealed, cert, next(newest, now))
	})
	if err != nil {
		return fmt.Errorf("sts: add a signing key: %w", err)
	}
	return nil
}

// never is when the newest key retires: only a newer one sets a time for it.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// insertKey stores a key that signs from a time on, when the one before it
// stops, and with that says how long that one is still needed.
func insertKey(tx *store.Tx, kid string, sealed, cert []byte, from time.Time) error {
	tx.Changed(store.Keys)
	_, err := tx.Exec(`UPDATE signing_keys SET retires_at = $1 WHERE retires_at = $2`, store.Micros(from.Add(keepAfter)), store.Micros(never))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO signing_keys (kid, private_key, certificate, created_at, signs_from, retires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		kid, sealed, cert, store.Micros(tx.Now), store.Micros(from), store.Micros(never))
	return err
}

// removeRetired destroys the private keys that are of no use any more.
func (s *Service) removeRetired(ctx context.Context, now time.Time) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		tx.Changed(store.Keys)
		_, err := tx.Exec(`DELETE FROM signing_keys WHERE retires_at <= $1`, store.Micros(now))
		return err
	})
}
