package entra

import (
	"errors"
	"net/http"
	"net/url"

	"midas/internal/azure"
	"midas/internal/entra/pages"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/wire"
)

// logout signs a browser out (OpenID Connect RP-Initiated Logout). It does so
// at once for an application that knows who is signed in; anybody else could
// sign people out by a link, so they are asked.
func (d *Door) logout(w http.ResponseWriter, r *http.Request, tenant string, version int) error {
	return d.page(w, r, func(v *visit) error {
		wire.EventOf(r.Context()).Operation = "logout"
		params := r.URL.Query()
		if v.form != nil && v.form.Get("step") == "" {
			params, v.form = v.form, nil
		}
		to, hinted, err := v.afterLogout(params)
		if err != nil {
			return err
		}
		switch {
		case !v.signedIn():
		case hinted == v.session.User.ID, v.form != nil && v.own():
			if err := v.leave(); err != nil {
				return err
			}
		default:
			return pages.Write(w, http.StatusOK, pages.SignOut{Form: v.formOf(endpointPath(tenant, version, "logout")+"?"+params.Encode(), to), Username: v.session.User.UPN})
		}
		if to != "" {
			return v.redirect(to)
		}
		return pages.Write(w, http.StatusOK, pages.Message{Heading: "You signed out of your account", Text: "It is a good idea to close all browser windows."})
	})
}

// afterLogout finds where the browser goes then, which is nowhere unless the
// address is registered for the application that asks, and whom it means.
func (v *visit) afterLogout(params url.Values) (to string, hinted azure.ObjectID, err error) {
	id := params.Get("client_id")
	if raw := params.Get("id_token_hint"); raw != "" {
		claims, err := v.Sts.ReadID(v.r.Context(), raw)
		switch {
		case fault.Is(err, fault.Unauthorized):
		case err != nil:
			return "", "", err
		case id == "" || azure.Fold(id) == string(claims.Audience):
			id, hinted = string(claims.Audience), claims.ObjectID
		}
	}
	uri := params.Get("post_logout_redirect_uri")
	if uri == "" || id == "" {
		return "", hinted, nil
	}
	err = v.DB.View(v.r.Context(), func(tx *store.Tx) error {
		a, err := findApplication(tx, id)
		if f, ok := errors.AsType[*failure](err); ok && f.number == applicationNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if _, ok := a.redirect(uri); ok {
			to = withState(uri, params)
		}
		return nil
	})
	return to, hinted, err
}

// withState adds the application's state, where it has one, to an address.
func withState(address string, params url.Values) string {
	u, err := url.Parse(address)
	state, ok := params["state"]
	if err != nil || !ok {
		return address
	}
	q := u.Query()
	q.Set("state", state[0])
	u.RawQuery = q.Encode()
	return u.String()
}
