package entra

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"time"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
)

// authorizationCode redeems what the browser brought (RFC 6749 section 4.1.3).
func (d *Door) authorizationCode(w http.ResponseWriter, t *tokenRequest) error {
	code, err := t.required("code")
	if err != nil {
		return err
	}
	redirect, err := t.required("redirect_uri")
	if err != nil {
		return err
	}
	var r requester
	var u userGrant
	var i issued
	err = d.update(t.Context(), func(tx *store.Tx) (err error) {
		if r, err = d.requester(tx, t); err != nil {
			return err
		}
		kept, err := d.redeemable(tx, r, code, redirect, t.form.Get("code_verifier"))
		if err != nil {
			return err
		}
		if u, err = d.continued(tx, kept.User, kept.SignedInAt); err != nil {
			return err
		}
		u.nonce = kept.Nonce
		if u.asked, err = t.delegation(d.Cloud, kept.Scope); err != nil {
			return err
		}
		if u.family, err = directory.RedeemCode(tx, code); err != nil {
			return err
		}
		i, err = d.grant(tx, t, r, u)
		return err
	})
	if err != nil {
		return err
	}
	return d.writeUser(w, t, r, u, i)
}

// redeemable finds a code that is good in the hands of whom it was given to.
// One that comes again ends what it was redeemed for (RFC 6749 section 4.1.2).
func (d *Door) redeemable(tx *store.Tx, r requester, code, redirect, verifier string) (directory.AuthorizationCode, error) {
	kept, err := directory.CodeByText(tx, code)
	if err != nil {
		return kept, orBadGrant(err, "code")
	}
	if kept.App != r.id {
		return kept, badGrant.with("code")
	}
	registered, ok := r.redirect(kept.RedirectURI)
	switch {
	case !ok:
		return kept, redirectNotRegistered.with(kept.RedirectURI, string(r.id))
	case kept.RedirectURI != redirect:
		return kept, otherRedirect.with(redirect, kept.RedirectURI)
	}
	if err := r.mayBePublic(registered.Platform); err != nil {
		return kept, err
	}
	switch {
	case kept.Challenge != "" && !matches(verifier, kept.Challenge), kept.Challenge == "" && verifier != "":
		return kept, wrongVerifier.with()
	case kept.Family != "":
		if err := directory.RevokeFamily(tx, kept.Family); err != nil {
			return kept, err
		}
		return kept, refused{codeRedeemed.with()}
	case !tx.Now.Before(kept.ExpiresAt):
		return kept, codeExpired.with()
	}
	return kept, nil
}

// matches reports whether a verifier is that of a challenge (RFC 7636 section 4.6).
func matches(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// continued is a sign-in that was made before, if it still counts.
func (d *Door) continued(tx *store.Tx, id azure.ObjectID, at time.Time) (userGrant, error) {
	user, err := directory.PrincipalByID(tx, id)
	if err != nil {
		return userGrant{}, err
	}
	if !user.Enabled {
		return userGrant{}, userDisabled.with()
	}
	current, err := directory.StillSignedIn(tx, user, at)
	if err == nil && !current {
		err = signInRevoked.with().suberror("bad_token")
	}
	return userGrant{user: user, signedInAt: at}, err
}

// orBadGrant says that what a client sent is none of what we gave out.
func orBadGrant(err error, parameter string) error {
	if fault.Is(err, fault.NotFound) {
		return badGrant.with(parameter)
	}
	return err
}
