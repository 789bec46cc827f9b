package entra

import (
	"net/http"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/sts"
)

// refresh continues a sign-in (RFC 6749 section 6): at any resource, in any
// tenant that has the user, and for another application of the family.
func (d *Door) refresh(w http.ResponseWriter, t *tokenRequest) error {
	token, err := t.required("refresh_token")
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
		kept, err := d.refreshable(tx, r, token)
		if err != nil {
			return err
		}
		if u, err = d.continued(tx, kept.User, kept.SignedInAt); err != nil {
			return err
		}
		u.family = kept.Family
		if u.asked, err = t.delegation(d.Cloud, kept.Scope); err != nil {
			return err
		}
		u.asked.offline = true // its refresh token goes on in any case
		if kept.App == r.id {
			if err := directory.UseRefreshToken(tx, token); err != nil {
				return err
			}
		}
		i, err = d.grant(tx, t, r, u)
		return err
	})
	if err != nil {
		return err
	}
	return d.writeUser(w, t, r, u, i)
}

// refreshable finds a refresh token that is good, in the hands of whom it was
// given to. One that was used before ends its whole family: somebody has a copy.
func (d *Door) refreshable(tx *store.Tx, r requester, token string) (directory.RefreshToken, error) {
	kept, err := directory.RefreshTokenByText(tx, token)
	if err != nil {
		return kept, orBadGrant(err, "refresh_token")
	}
	owner, err := findApplication(tx, string(kept.App))
	if err != nil {
		return kept, err
	}
	if kept.App != r.id && !(owner.firstParty && r.firstParty) {
		return kept, badGrant.with("refresh_token")
	}
	// Without a proof only those get in who never had one.
	if r.auth == sts.ClientAuthNone && !r.firstParty && !r.signIn.PublicClient && !publicOnly(r.signIn) {
		return kept, noCredential.with()
	}
	switch {
	case kept.Revoked:
		return kept, tokenReused.with().suberror("bad_token")
	case !tx.Now.Before(kept.ExpiresAt):
		return kept, refreshExpired.with(kept.IssuedAt.UTC().Format("2006-01-02T15:04:05.0000000Z"), "90.00:00:00").suberror("token_expired")
	case kept.Reused(tx.Now):
		if err := directory.RevokeFamily(tx, kept.Family); err != nil {
			return kept, err
		}
		return kept, refused{tokenReused.with().suberror("bad_token")}
	}
	return kept, nil
}

// publicOnly reports whether every platform of an application is one without a
// credential.
func publicOnly(s directory.SignIn) bool {
	for _, r := range s.Redirects {
		if r.Platform == directory.Web {
			return false
		}
	}
	return len(s.Redirects) > 0
}
