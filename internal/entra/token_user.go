package entra

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// userGrant is a user's sign-in on its way to tokens.
type userGrant struct {
	user       directory.Principal
	signedInAt time.Time
	nonce      string
	family     string // of refresh tokens
	asked      delegation
}

// issued is what a user's grant comes to.
type issued struct {
	granted
	refresh      string
	groups       []azure.ObjectID // of the resource's token
	clientGroups []azure.ObjectID // of the client's
}

// grant checks what a user's sign-in may give to an application, in the order
// that callers see it, and stores the refresh token.
func (d *Door) grant(tx *store.Tx, t *tokenRequest, r requester, u userGrant) (i issued, err error) {
	tenant, err := d.homeOf(tx, t.tenant, u.user, r.application)
	if err != nil {
		return i, err
	}
	if err := r.in(tx, tenant); err != nil {
		return i, err
	}
	if i.granted, err = d.resolve(tx, tenant, r.application, u.asked); err != nil {
		return i, err
	}
	agreed, err := d.consented(tx, u.user.ID, r.application, i.granted)
	if err != nil {
		return i, err
	}
	if !agreed {
		return i, noConsent.with(string(r.id), r.name).suberror("consent_required")
	}
	if i.groups, i.clientGroups, err = d.groups(tx, u.user.ID, i.resourceID, r.application); err != nil {
		return i, err
	}
	if u.asked.offline {
		i.refresh, err = directory.CreateRefreshToken(tx, directory.RefreshToken{Family: u.family, App: r.id, User: u.user.ID, Scope: u.asked.given, SignedInAt: u.signedInAt})
	}
	return i, err
}

// groups are those of the user, for the applications that want to know them.
func (d *Door) groups(tx *store.Tx, user azure.ObjectID, resource azure.AppID, client application) (atResource, atClient []azure.ObjectID, err error) {
	s, err := directory.SignInOf(tx, resource)
	if err != nil || !s.GroupClaims && !client.signIn.GroupClaims {
		return nil, nil, err
	}
	all, err := directory.Groups(tx, user)
	if err != nil {
		return nil, nil, err
	}
	if s.GroupClaims {
		atResource = all
	}
	if client.signIn.GroupClaims {
		atClient = all
	}
	return atResource, atClient, nil
}

// userAnswer is what a user's grant answers: version 2.0 with numbers, version
// 1.0 with text and the resource beside it (control-plane.md A5).
type userAnswer struct {
	Type         string `json:"token_type"`
	Scope        string `json:"scope"`
	ExpiresIn    any    `json:"expires_in"`
	ExtExpiresIn any    `json:"ext_expires_in"`
	ExpiresOn    string `json:"expires_on,omitempty"`
	NotBefore    string `json:"not_before,omitempty"`
	Resource     string `json:"resource,omitempty"`
	AccessToken  string `json:"access_token"`
	Refresh      string `json:"refresh_token,omitempty"`
	Family       string `json:"foci,omitempty"`
	ID           string `json:"id_token,omitempty"`
	ClientInfo   string `json:"client_info,omitempty"`
}

// writeUser issues the tokens of a user's grant and answers with them.
func (d *Door) writeUser(w http.ResponseWriter, t *tokenRequest, r requester, u userGrant, i issued) error {
	event := wire.EventOf(t.Context())
	event.Caller, event.Target = string(u.user.ID), printable(i.resource)
	capabilities, err := t.capabilities()
	if err != nil {
		return err
	}
	address := clientAddress(t.Context())
	token, err := d.Sts.Issue(t.Context(), sts.Grant{Principal: u.user, Client: r.id, ClientAuth: r.auth, Audience: i.audience, Version: i.version, Lifetime: sts.LifetimeUser,
		Capabilities: capabilities, Scope: i.scp(), Methods: methods, ClientAddress: address, Groups: i.groups})
	if err != nil {
		return err
	}
	lifetime := int64(sts.LifetimeUser.Seconds())
	a := userAnswer{Type: "Bearer", Scope: i.echo(), ExpiresIn: lifetime, ExtExpiresIn: lifetime, AccessToken: token.Raw, Refresh: i.refresh}
	if t.version == 1 {
		text := strconv.FormatInt(lifetime, 10)
		a.Scope, a.ExpiresIn, a.ExtExpiresIn, a.Resource = i.scp(), text, text, i.resource
		a.ExpiresOn, a.NotBefore = strconv.FormatInt(token.ExpiresAt.Unix(), 10), strconv.FormatInt(token.NotBefore.Unix(), 10)
	}
	if r.firstParty && a.Refresh != "" {
		a.Family = family
	}
	if u.asked.openid {
		if a.ID, err = d.Sts.IssueID(t.Context(), sts.IDGrant{User: u.user, Client: r.id, Version: t.version, SignedInAt: u.signedInAt, Nonce: u.nonce, AccessToken: token.Raw,
			Profile: u.asked.profile, Email: u.asked.email, Methods: methods, ClientAddress: address, Groups: i.clientGroups}); err != nil {
			return err
		}
	}
	if t.form.Get("client_info") == "1" {
		if a.ClientInfo, err = clientInfo(u.user); err != nil {
			return err
		}
	}
	noStore(w.Header())
	return wire.WriteJSON(w, http.StatusOK, a)
}

// clientInfo names an account, for the cache of MSAL.
func clientInfo(user directory.Principal) (string, error) {
	b, err := json.Marshal(struct {
		UID  azure.ObjectID `json:"uid"`
		UTID azure.TenantID `json:"utid"`
	}{user.ID, user.Tenant})
	return base64.RawURLEncoding.EncodeToString(b), err
}
