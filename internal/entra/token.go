package entra

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"midas/internal/directory"
	"midas/internal/sts"
	"midas/internal/wire"
)

// maxForm bounds the body of a token request: a megabyte.
const maxForm = 1 << 20

// tokenRequest is what the steps of every grant share.
type tokenRequest struct {
	*http.Request
	tenant  directory.Tenant // zero where the request names none
	shared  bool             // the request is for any tenant: that of the user
	version int              // of the endpoint
	form    url.Values
}

// required returns a parameter that must be there.
func (t *tokenRequest) required(name string) (string, error) {
	if v := t.form.Get(name); v != "" {
		return v, nil
	}
	return "", missingParameter.with(name)
}

// tokenRequest reads what the token endpoints have in common: form, then tenant.
func (d *Door) tokenRequest(w http.ResponseWriter, r *http.Request, tenant string, version int) (*tokenRequest, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return nil, wrongMethod.with("POST", r.Method)
	}
	form, err := readForm(r)
	if err != nil {
		return nil, err
	}
	t := &tokenRequest{Request: r, shared: isShared(tenant), version: version, form: form}
	if !t.shared {
		t.tenant, err = d.tenant(r.Context(), tenant)
	}
	return t, err
}

// token is the token endpoint of both versions. The order of its steps is
// visible here: form, tenant, grant.
func (d *Door) token(w http.ResponseWriter, r *http.Request, tenant string, version int) error {
	request, err := d.tokenRequest(w, r, tenant, version)
	if err != nil {
		return err
	}
	grant, err := request.required("grant_type")
	if err != nil {
		return err
	}
	event := wire.EventOf(r.Context())
	switch grant {
	case "client_credentials":
		if request.shared {
			return noTenant.with(tenant)
		}
		event.Operation = grant
		return d.clientCredentials(w, request)
	case "password":
		event.Operation = grant
		return d.password(w, request)
	case "refresh_token":
		event.Operation = grant
		return d.refresh(w, request)
	case "authorization_code":
		event.Operation = grant
		return d.authorizationCode(w, request)
	case grantDevice, grantDeviceMSAL:
		event.Operation = grantDeviceMSAL
		return d.device(w, request)
	}
	return unsupportedGrant.with(grant)
}

// readForm reads the body. A body of another media type holds no parameter
// that could be found, which is what Entra answers.
func readForm(r *http.Request) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, missingParameter.with("grant_type")
	}
	body, err := wire.Body(r, maxForm)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidInput.with("the body is not a form.") // not the cause: it quotes the body
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, duplicateParameter.with(name)
		}
	}
	return form, nil
}

// answer is a token as version 2.0 answers it: with numbers, and for an
// application with nothing else (control-plane.md A5).
type answer struct {
	Type         string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	ExtExpiresIn int64  `json:"ext_expires_in"`
	AccessToken  string `json:"access_token"`
}

// answer1 is a token as version 1.0 answers it: with strings.
type answer1 struct {
	Type         string `json:"token_type"`
	ExpiresIn    string `json:"expires_in"`
	ExtExpiresIn string `json:"ext_expires_in"`
	ExpiresOn    string `json:"expires_on"`
	NotBefore    string `json:"not_before"`
	Resource     string `json:"resource"`
	AccessToken  string `json:"access_token"`
}

// writeToken answers a grant. resource is what a version 1.0 request asked for.
func (d *Door) writeToken(w http.ResponseWriter, version int, token sts.Token, lifetime int64, resource string) error {
	noStore(w.Header())
	if version == 2 {
		return wire.WriteJSON(w, http.StatusOK, answer{"Bearer", lifetime, lifetime, token.Raw})
	}
	in := strconv.FormatInt(lifetime, 10)
	return wire.WriteJSON(w, http.StatusOK, answer1{"Bearer", in, in,
		strconv.FormatInt(token.ExpiresAt.Unix(), 10), strconv.FormatInt(token.NotBefore.Unix(), 10), resource, token.Raw})
}
