package entra

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"midas/internal/directory"
	"midas/internal/entra/pages"
	"midas/internal/store"
	"midas/internal/wire"
)

// authorization is what an application asks the browser to ask for (RFC 6749
// section 4.1.1, OpenID Connect Core section 3.1.2.1).
type authorization struct {
	path    string // of the endpoint
	version int
	params  url.Values
	tenant  directory.Tenant // zero where the request names none
	app     application
	to      directory.Redirect // the registration that allows the redirect URI
	uri     string             // the redirect URI
	mode    string             // how the answer goes there
	asked   delegation
	prompt  string
}

// Ways by which an answer goes to an application.
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modePost     = "form_post"
)

// authorize is the authorization endpoint of both versions: for a request, and
// for what its own pages send.
func (d *Door) authorize(w http.ResponseWriter, r *http.Request, tenant string, version int) error {
	return d.page(w, r, func(v *visit) error {
		a := &authorization{path: endpointPath(tenant, version, "authorize"), version: version, params: r.URL.Query()}
		if v.form != nil && v.form.Get("step") == "" { // a request may come in a form, too
			a.params, v.form = v.form, nil
		}
		if err := v.identify(a, tenant); err != nil {
			return err // to a page: nobody says that the redirect URI is the application's
		}
		if err := v.readAuthorization(a); err != nil {
			return v.deny(a, err)
		}
		if v.form != nil {
			return v.authorizeStep(a)
		}
		return v.authorizeNext(a)
	})
}

// endpointPath is an endpoint as our own pages lead to it. It is never taken
// from the request: one that begins with two slashes would lead elsewhere.
func endpointPath(tenant string, version int, endpoint string) string {
	path := "/" + url.PathEscape(tenant) + "/oauth2/"
	if version == 2 {
		path += "v2.0/"
	}
	return path + endpoint
}

// identify finds who asks and that the answer may go where it is said to go.
func (v *visit) identify(a *authorization, tenant string) error {
	for name, values := range a.params {
		if len(values) > 1 {
			return duplicateParameter.with(name)
		}
	}
	id, uri := a.params.Get("client_id"), a.params.Get("redirect_uri")
	for name, value := range map[string]string{"client_id": id, "redirect_uri": uri} {
		if value == "" {
			return missingParameter.with(name)
		}
	}
	err := v.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		if !isShared(tenant) {
			if a.tenant, err = tenantNamed(tx, tenant); err != nil {
				return err
			}
		}
		if a.app, err = findApplication(tx, id); err != nil || a.tenant.ID == "" {
			return err
		}
		return a.app.in(tx, a.tenant)
	})
	if err != nil {
		return err
	}
	event := wire.EventOf(v.r.Context())
	event.Operation, event.Target = "authorize", string(a.app.id)
	var ok bool
	if a.to, ok = a.app.redirect(uri); !ok {
		return redirectNotRegistered.with(uri, string(a.app.id))
	}
	a.uri = uri
	return nil
}

// readAuthorization reads the rest. What is wrong with it is said to the application.
func (v *visit) readAuthorization(a *authorization) (err error) {
	p := a.params
	a.mode = modeQuery
	if mode := p.Get("response_mode"); mode != "" {
		web := strings.HasPrefix(a.uri, "https:") || strings.HasPrefix(a.uri, "http:")
		if mode != modeQuery && mode != modeFragment && (mode != modePost || !web) {
			return invalidInput.with("the response_mode is not supported.")
		}
		a.mode = mode
	}
	if kind := p.Get("response_type"); kind != "code" {
		if kind == "" {
			return missingParameter.with("response_type")
		}
		return responseType.with(kind)
	}
	if a.prompt = p.Get("prompt"); a.prompt != "" && !slices.Contains([]string{"none", "login", "consent", "select_account"}, a.prompt) {
		return invalidInput.with("the prompt is not supported.")
	}
	if err := checkChallenge(a); err != nil {
		return err
	}
	t := &tokenRequest{version: a.version, form: p}
	a.asked, err = t.delegation(v.Cloud, "")
	return err
}

// checkChallenge demands PKCE of whoever has no credential, and S256 of
// everybody: a plain challenge protects nothing that the browser sees.
func checkChallenge(a *authorization) error {
	challenge, method := a.params.Get("code_challenge"), a.params.Get("code_challenge_method")
	switch {
	case challenge == "" && a.to.Platform == directory.Web && method == "":
		return nil
	case challenge == "":
		return challengeNeeded.with()
	case method != "S256":
		return invalidInput.with("the code_challenge_method is S256.")
	case len(challenge) != 43:
		return badChallenge.with()
	}
	return nil
}

// again is the address of the request itself, so that a page's form comes back
// with all of it.
func (a *authorization) again(without ...string) string {
	params := url.Values{}
	for name, values := range a.params {
		if !slices.Contains(without, name) {
			params[name] = values
		}
	}
	return a.path + "?" + params.Encode()
}

// authorizeNext goes as far as it can and shows the page for what is missing:
// who it is, with which account to go on, or whether the application may.
func (v *visit) authorizeNext(a *authorization) error {
	hint := a.params.Get("login_hint")
	known := v.signedIn() && (hint == "" || strings.EqualFold(hint, v.session.User.UPN)) && !v.tooOld(a)
	switch {
	case !known && a.prompt == "none":
		return v.deny(a, notSignedIn.with())
	case !known || a.prompt == "login":
		return v.showSignIn(a, hint, "", http.StatusOK)
	case a.prompt == "select_account":
		return pages.Write(v.w, http.StatusOK, pages.Pick{Form: v.formOf(a.again(), a.uri), App: a.app.name, Name: v.session.User.DisplayName, Username: v.session.User.UPN})
	}
	g, agreed, err := v.examine(a)
	switch {
	case err != nil:
		return v.deny(a, err)
	case agreed && a.prompt != "consent" || a.app.firstParty:
		return v.permit(a)
	case a.prompt == "none":
		return v.deny(a, noConsent.with(string(a.app.id), a.app.name).as("consent_required"))
	}
	return pages.Write(v.w, http.StatusOK, pages.Consent{Form: v.formOf(a.again(), a.uri), App: a.app.name, Username: v.session.User.UPN, Permissions: g.describe()})
}

// tooOld reports whether the application wants a fresher sign-in.
func (v *visit) tooOld(a *authorization) bool {
	seconds, err := strconv.ParseUint(a.params.Get("max_age"), 10, 31)
	return err == nil && v.Now().Sub(v.session.SignedInAt) > time.Duration(seconds)*time.Second
}

func (v *visit) showSignIn(a *authorization, username, problem string, status int) error {
	return pages.Write(v.w, status, pages.SignIn{Form: v.formOf(a.again(), a.uri), App: a.app.name, Username: username, Problem: problem})
}

// examine checks what is asked for against who is signed in.
func (v *visit) examine(a *authorization) (g granted, agreed bool, err error) {
	err = v.DB.View(v.r.Context(), func(tx *store.Tx) error {
		tenant, err := v.homeOf(tx, a.tenant, v.session.User, a.app)
		if err != nil {
			return err
		}
		if err := a.app.in(tx, tenant); err != nil {
			return err
		}
		if g, err = v.resolve(tx, tenant, a.app, a.asked); err != nil {
			return err
		}
		agreed, err = v.consented(tx, v.session.User.ID, a.app, g)
		return err
	})
	return g, agreed, err
}

// authorizeStep does what a page's form asks for. A form that is not ours, or
// is older than the session, is shown anew.
func (v *visit) authorizeStep(a *authorization) error {
	if !v.own() {
		return v.authorizeNext(a)
	}
	step := v.form.Get("step")
	if step == "signin" {
		problem, status, err := v.trySignIn()
		switch {
		case err != nil:
			return err
		case problem != "":
			return v.showSignIn(a, v.form.Get("username"), problem, status)
		}
		return v.redirect(a.again("prompt", "login_hint", "max_age"))
	}
	if !v.signedIn() {
		return v.authorizeNext(a)
	}
	switch step {
	case "continue":
		return v.redirect(a.again("prompt"))
	case "other":
		return v.showSignIn(a, "", "", http.StatusOK)
	case "decline":
		return v.deny(a, consentDeclined.with())
	case "accept":
		g, _, err := v.examine(a)
		if err != nil {
			return v.deny(a, err)
		}
		if err := v.DB.Update(v.r.Context(), func(tx *store.Tx) error { return v.consent(tx, v.session.User.ID, a.app, g) }); err != nil {
			return err
		}
		return v.permit(a)
	}
	return v.authorizeNext(a)
}

// permit gives the application a code.
func (v *visit) permit(a *authorization) error {
	var code string
	err := v.DB.Update(v.r.Context(), func(tx *store.Tx) (err error) {
		code, err = directory.CreateCode(tx, directory.AuthorizationCode{App: a.app.id, User: v.session.User.ID, RedirectURI: a.uri, Scope: a.asked.given,
			Nonce: a.params.Get("nonce"), Challenge: a.params.Get("code_challenge"), SignedInAt: v.session.SignedInAt})
		return err
	})
	if err != nil {
		return err
	}
	answer := []pages.Field{{Name: "code", Value: code}}
	if a.params.Get("client_info") == "1" {
		info, err := clientInfo(v.session.User)
		if err != nil {
			return err
		}
		answer = append(answer, pages.Field{Name: "client_info", Value: info})
	}
	return v.answer(a, answer)
}

// deny tells the application why not. What is our own trouble stays on a page.
func (v *visit) deny(a *authorization, err error) error {
	f := failureOf(err)
	if f.row.status >= http.StatusInternalServerError {
		return err
	}
	e := v.envelope(v.r, f)
	wire.EventOf(v.r.Context()).Code = f.code()
	return v.answer(a, []pages.Field{{Name: "error", Value: e.Error}, {Name: "error_description", Value: e.Description}, {Name: "error_uri", Value: e.URI}})
}

// answer sends the browser back to the application.
func (v *visit) answer(a *authorization, fields []pages.Field) error {
	if state, ok := a.params["state"]; ok {
		fields = append(fields, pages.Field{Name: "state", Value: state[0]})
	}
	if a.mode == modePost {
		return pages.Write(v.w, http.StatusOK, pages.Post{To: a.uri, Fields: fields})
	}
	values := url.Values{}
	for _, f := range fields {
		values.Set(f.Name, f.Value)
	}
	separator := "#"
	if a.mode != modeFragment {
		if separator = "?"; strings.Contains(a.uri, "?") {
			separator = "&"
		}
	}
	v.w.Header().Set("Referrer-Policy", "no-referrer") // the address holds a code
	return v.redirect(a.uri + separator + values.Encode())
}
