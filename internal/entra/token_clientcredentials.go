package entra

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/federation"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// clientCredentials gives an application a token of its own (RFC 6749 section
// 4.4; control-plane.md A5).
func (d *Door) clientCredentials(w http.ResponseWriter, t *tokenRequest) error {
	// 1. What is asked for, and how the client proves who it is.
	resource, err := t.resource()
	if err != nil {
		return err
	}
	proof, err := t.proof()
	if err != nil {
		return err
	}
	capabilities, err := t.capabilities()
	if err != nil {
		return err
	}
	event := wire.EventOf(t.Context())
	event.Target = printable(resource)

	grant := sts.Grant{Lifetime: sts.LifetimeApp, Capabilities: capabilities}
	// A token of another issuer is verified outside of any transaction: its
	// keys may have to be fetched.
	if err := d.verifyForeign(t, proof); err != nil {
		return err
	}
	err = d.DB.View(t.Context(), func(tx *store.Tx) error {
		// 2. Who it says it is. A managed identity has a service principal and
		// no application: nobody signs in as one here but by federation.
		principal, err := signingIn(tx, t.tenant, proof)
		if err != nil {
			return err
		}
		// 3. The proof, before anything else is said about the application.
		if grant.ClientAuth, err = d.check(tx, t, principal.AppID, proof); err != nil {
			return err
		}
		event.Caller = string(principal.ID)
		if !principal.Enabled {
			return applicationDisabled.with(string(principal.AppID), principal.DisplayName)
		}
		grant.Principal, grant.Client = principal, principal.AppID
		if principal.Type == directory.TypeManagedIdentity {
			grant.Lifetime, grant.IdentityResource = sts.LifetimeManagedIdentity, principal.Resource
		}
		// 4. What for.
		grant.Audience, grant.Version, err = d.audience(tx, t.tenant, resource)
		return err
	})
	if err != nil {
		return err
	}
	// 5. The token.
	token, err := d.Sts.Issue(t.Context(), grant)
	if err != nil {
		return err
	}
	return d.writeToken(w, t.version, token, int64(grant.Lifetime.Seconds()), resource)
}

// client finds the service principal of an application in a tenant.
func client(tx *store.Tx, tenant directory.Tenant, id string) (directory.Principal, error) {
	missing := func(err error) error {
		if fault.Is(err, fault.NotFound) {
			return applicationNotFound.with(id, tenant.DisplayName)
		}
		return err
	}
	if _, ok := azure.ParseGUID(id); !ok {
		// Not repeated, neither here nor in the log: it may be a secret in the wrong place.
		return directory.Principal{}, applicationNotFound.with("(not a GUID)", tenant.DisplayName)
	}
	app, err := directory.ApplicationByAppID(tx, azure.AppID(id))
	if err != nil {
		return directory.Principal{}, missing(err)
	}
	principal, err := directory.PrincipalByAppID(tx, tenant.ID, app.AppID)
	return principal, missing(err)
}

// proof is how a client says and proves who it is.
type proof struct {
	clientID  string
	secret    string
	assertion string
	foreign   *federation.Token // the assertion, where another issuer has made it
}

// assertionType is the only value of client_assertion_type (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// proof reads the client's id and proof from the form, or from HTTP Basic
// (RFC 6749 section 2.3.1).
func (t *tokenRequest) proof() (proof, error) {
	p := proof{clientID: t.form.Get("client_id"), secret: t.form.Get("client_secret"), assertion: t.form.Get("client_assertion")}
	if id, secret, ok := t.BasicAuth(); ok {
		id, idErr := url.QueryUnescape(id)
		secret, secretErr := url.QueryUnescape(secret)
		if idErr != nil || secretErr != nil {
			return proof{}, invalidInput.with("the halves of the Authorization header are not form-urlencoded.")
		}
		if p.clientID != "" && p.clientID != id || p.secret != "" {
			return proof{}, invalidInput.with("the body and the Authorization header both name a client or a secret.")
		}
		p.clientID, p.secret = id, secret
	}
	switch {
	case p.clientID == "":
		return proof{}, missingParameter.with("client_id")
	case p.assertion == "" && p.secret == "":
		return proof{}, noCredential.with()
	case p.assertion != "" && p.secret != "":
		return proof{}, invalidInput.with("one of client_secret and client_assertion is enough.")
	case p.assertion != "" && t.form.Get("client_assertion_type") == "":
		return proof{}, missingParameter.with("client_assertion_type")
	case p.assertion != "" && t.form.Get("client_assertion_type") != assertionType:
		return proof{}, invalidInput.with("the client_assertion_type is not supported.")
	}
	p.foreign = foreign(p.assertion)
	return p, nil
}

// check verifies the proof and returns how good it is: appidacr.
func (d *Door) check(tx *store.Tx, t *tokenRequest, app azure.AppID, p proof) (string, error) {
	if p.foreign != nil {
		return sts.ClientAuthCertificate, match(tx, app, p.foreign.Claims)
	}
	if p.assertion != "" {
		return sts.ClientAuthCertificate, d.checkAssertion(tx, t.tenant, app, p.assertion)
	}
	err := directory.CheckPassword(tx, app, p.secret)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		switch f.Code {
		case directory.CodePasswordWrong:
			return "", wrongSecret.with(string(app))
		case directory.CodePasswordExpired:
			return "", expiredSecret.with(string(app))
		}
	}
	return sts.ClientAuthSecret, err
}

// capabilityCAE is the client capability that MSAL tells of in the claims
// parameter: it can handle a claims challenge.
const capabilityCAE = "CP1"

// capabilities reads what the client can do from the claims parameter
// (clients.md 3.3). Everything else that it may ask for has no meaning here.
func (t *tokenRequest) capabilities() ([]string, error) {
	text := t.form.Get("claims")
	if text == "" {
		return nil, nil
	}
	var asked struct {
		AccessToken struct {
			Capabilities struct {
				Values []string `json:"values"`
			} `json:"xms_cc"`
		} `json:"access_token"`
	}
	if json.Unmarshal([]byte(text), &asked) != nil {
		return nil, invalidInput.with("the claims parameter is not valid.")
	}
	if slices.Contains(asked.AccessToken.Capabilities.Values, capabilityCAE) {
		return []string{capabilityCAE}, nil
	}
	return nil, nil
}
