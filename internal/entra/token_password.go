package entra

import (
	"net/http"

	"midas/internal/azure"
	"midas/internal/store"
)

// password gives a user's tokens to an application that knows the password
// (RFC 6749 section 4.3). The application comes first: it is no guess.
func (d *Door) password(w http.ResponseWriter, t *tokenRequest) error {
	asked, err := t.delegation(d.Cloud, "")
	if err != nil {
		return err
	}
	username, err := t.required("username")
	if err != nil {
		return err
	}
	password, err := t.required("password")
	if err != nil {
		return err
	}
	var r requester
	err = d.DB.View(t.Context(), func(tx *store.Tx) (err error) {
		if r, err = d.requester(tx, t); err != nil {
			return err
		}
		return r.mayBePublic("")
	})
	if err != nil {
		return err
	}
	u := userGrant{family: azure.NewGUID(), asked: asked}
	if u.user, err = d.signIn(t.Context(), username, password); err != nil {
		return err
	}
	var i issued
	err = d.DB.Update(t.Context(), func(tx *store.Tx) (err error) {
		u.signedInAt = tx.Now
		i, err = d.grant(tx, t, r, u)
		return err
	})
	if err != nil {
		return err
	}
	return d.writeUser(w, t, r, u, i)
}
