package entra

import (
	"crypto/sha256"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/store"
)

func sum256(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// TestRefresh: each use gives a new token for any resource; within the family
// of our own programs for each other.
func TestRefresh(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	token := w.tokens(t, ask("password"))["refresh_token"].(string)
	use := func(token string, changes ...string) string {
		t.Helper()
		got := w.tokens(t, ask("refresh_token", append([]string{"refresh_token", token}, changes...)...))
		next, _ := got["refresh_token"].(string)
		if next == "" || next == token {
			t.Fatalf("the next token is %q", next)
		}
		return next
	}
	next := use(token, "scope", "https://vault.azure.net/.default")
	if got := w.tokens(t, ask("refresh_token", "refresh_token", next, "scope", "")); claims(t, got["access_token"])["aud"] != "https://vault.azure.net" {
		t.Errorf("without a scope it is for %v", got["scope"])
	}
	use(next)                     // two commands at once use the same one
	use(token, "client_id", psID) // and a program of the same family has a copy
	w.refuses(t, badGrant, ask("refresh_token", "refresh_token", next, "client_id", mobileID))
	w.refuses(t, badGrant, ask("refresh_token", "refresh_token", next+"x"))
	w.refuses(t, missingParameter, ask("refresh_token"))

	// It is good for 90 days after each use.
	for range 3 {
		w.later(89 * 24 * time.Hour)
		next = use(use(w.tokens(t, ask("password"))["refresh_token"].(string)))
	}
	w.later(90 * 24 * time.Hour)
	w.refuses(t, refreshExpired, ask("refresh_token", "refresh_token", next))
}

// TestRefreshSlides: a token that is used in time never ends.
func TestRefreshSlides(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	token := w.tokens(t, ask("password"))["refresh_token"].(string)
	for range 5 {
		w.later(89 * 24 * time.Hour)
		token = w.tokens(t, ask("refresh_token", "refresh_token", token))["refresh_token"].(string)
	}
}

// TestRefreshReuse: a token that comes again long after its use is a copy, and
// ends all that came of the sign-in.
func TestRefreshReuse(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	first := w.tokens(t, ask("password"))["refresh_token"].(string)
	second := w.tokens(t, ask("refresh_token", "refresh_token", first))["refresh_token"].(string)
	w.later(time.Minute)
	w.refuses(t, tokenReused, ask("refresh_token", "refresh_token", first))
	w.refuses(t, tokenReused, ask("refresh_token", "refresh_token", second))
	w.tokens(t, ask("password")) // another sign-in is another family
}

// TestRefreshEnds: a new password and a disabled user end it.
func TestRefreshEnds(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	token := w.tokens(t, ask("password"))["refresh_token"].(string)
	hash, err := directory.HashPassword(t.Context(), "another password")
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*store.Tx) error) {
		t.Helper()
		if err := w.DB.Update(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	w.later(time.Second)
	change(func(tx *store.Tx) error { return directory.SetUserPassword(tx, c.ada, hash) })
	w.refuses(t, signInRevoked, ask("refresh_token", "refresh_token", token))
	w.refuses(t, wrongPassword, ask("password"))
	token = w.tokens(t, ask("password", "password", "another password"))["refresh_token"].(string)
	change(func(tx *store.Tx) error { return directory.SetEnabled(tx, c.ada, false) })
	w.refuses(t, userDisabled, ask("refresh_token", "refresh_token", token))
	change(func(tx *store.Tx) error { return directory.SetEnabled(tx, c.ada, true) })
	w.tokens(t, ask("refresh_token", "refresh_token", token))
	change(func(tx *store.Tx) error { return directory.DeletePrincipal(tx, c.ada) })
	w.refuses(t, badGrant, ask("refresh_token", "refresh_token", token))
}

// TestNothingUsableIsStored: what somebody holds is in no column of the store,
// and what has expired is swept from it.
func TestNothingUsableIsStored(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	b := w.signedIn(t, ada)
	refresh := w.tokens(t, redeem(b.code(t)))["refresh_token"].(string)
	code := b.code(t)
	device, user := w.beginDevice(t)
	held := []string{refresh, code, device, user, b.cookies[sessionCookie], password}
	count := func(query string) (n int) {
		t.Helper()
		if err := w.DB.View(t.Context(), func(tx *store.Tx) error { return tx.QueryRow(query).Scan(&n) }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	err := w.DB.View(t.Context(), func(tx *store.Tx) error {
		for _, column := range []string{"hash FROM sessions", "hash FROM authorization_codes", "hash FROM device_codes", "user_code FROM device_codes", "hash FROM refresh_tokens", "hash FROM user_passwords"} {
			all, err := store.Collect(tx, func(scan func(...any) error) (s string, err error) { return s, scan(&s) }, `SELECT `+column)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				t.Errorf("there is nothing in %s", column)
			}
			for _, kept := range all {
				for _, h := range held {
					if kept == h {
						t.Errorf("%s can be used", column)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sweep := func() {
		t.Helper()
		if err := w.DB.Update(t.Context(), directory.SweepSignIns); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if count(`SELECT count(*) FROM sessions`) != 1 || count(`SELECT count(*) FROM authorization_codes`) != 2 || count(`SELECT count(*) FROM device_codes`) != 1 || count(`SELECT count(*) FROM refresh_tokens`) != 1 {
		t.Error("what is good was swept")
	}
	w.later(92 * 24 * time.Hour)
	sweep()
	for _, table := range []string{"sessions", "authorization_codes", "device_codes", "refresh_tokens", "guesses"} {
		if n := count(`SELECT count(*) FROM ` + table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}
