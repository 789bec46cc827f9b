package entra

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
)

// People of the test's world, and the applications that they sign in to.
const (
	ada      = "ada@contoso.example"
	eve      = "eve@contoso.example"  // disabled
	bob      = "bob@fabrikam.example" // of the other tenant
	carl     = "carl@contoso.example" // has no password
	password = "correct horse battery"

	cliID    = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
	psID     = "1950a258-227b-4e31-a9cf-717495945fc2"
	webID    = "99999999-1111-4111-8111-999999999999" // has a secret
	mobileID = "99999999-2222-4222-8222-999999999999" // has none
	spaID    = "99999999-3333-4333-8333-999999999999"

	webURI    = "https://app.example/signin"
	mobileURI = "http://localhost"
	armScope  = "https://management.core.windows.net//.default offline_access openid profile"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// crowd is the people of a world.
type crowd struct {
	ada, eve, bob, carl, group azure.ObjectID
	webSecret                  string
}

// people adds users with passwords, and what they sign in to.
func (w *world) people(t testing.TB) crowd {
	t.Helper()
	hash, err := directory.HashPassword(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	var c crowd
	err = w.DB.Update(t.Context(), func(tx *store.Tx) error {
		for _, u := range []struct {
			upn, name string
			id        *azure.ObjectID
		}{{ada, "Ada Lovelace", &c.ada}, {eve, "Eve", &c.eve}, {bob, "Bob", &c.bob}, {carl, "Carl", &c.carl}} {
			tenant, err := directory.TenantByIDOrDomain(tx, u.upn[strings.Index(u.upn, "@")+1:])
			if err != nil {
				return err
			}
			p, err := directory.CreateUser(tx, tenant, u.upn, u.name)
			if err != nil {
				return err
			}
			if *u.id = p.ID; u.upn == carl {
				continue
			}
			if err := directory.SetUserPassword(tx, p.ID, hash); err != nil {
				return err
			}
		}
		if err := directory.SetEnabled(tx, c.eve, false); err != nil {
			return err
		}
		return c.apps(tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *crowd) apps(tx *store.Tx) error {
	for _, a := range []struct {
		id, name string
		signIn   directory.SignIn
	}{
		{webID, "Web shop", directory.SignIn{GroupClaims: true, Redirects: []directory.Redirect{{Platform: directory.Web, URI: webURI}}}},
		{mobileID, "Notes", directory.SignIn{PublicClient: true, Redirects: []directory.Redirect{{Platform: directory.PublicClient, URI: mobileURI}, {Platform: directory.PublicClient, URI: "notes://auth"}}}},
		{spaID, "Board", directory.SignIn{Redirects: []directory.Redirect{{Platform: directory.SPA, URI: "https://board.example/"}}}},
	} {
		app, err := directory.CreateApplication(tx, directory.Application{AppID: azure.AppID(a.id), Tenant: tenantID, DisplayName: a.name})
		if err != nil {
			return err
		}
		if _, err := directory.CreateServicePrincipal(tx, app); err != nil {
			return err
		}
		if err := directory.SetSignIn(tx, app.AppID, a.signIn); err != nil {
			return err
		}
	}
	group, err := directory.CreateGroup(tx, tenantID, "Staff")
	if err != nil {
		return err
	}
	c.group = group.ID
	if err := directory.AddMember(tx, group.ID, c.ada); err != nil {
		return err
	}
	c.webSecret, _, err = directory.AddPassword(tx, webID, "", tx.Now.AddDate(1, 0, 0))
	return err
}

// ask is the form of the CLI's request for Resource Manager with changes.
func ask(grant string, changes ...string) url.Values {
	f := url.Values{"grant_type": {grant}, "client_id": {cliID}, "scope": {armScope}, "client_info": {"1"}}
	if grant == "password" {
		f.Set("username", ada)
		f.Set("password", password)
	}
	for i := 0; i < len(changes); i += 2 {
		if f.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			f.Del(changes[i])
		}
	}
	return f
}

// postAt sends a form to an endpoint below a tenant.
func (w *world) postAt(path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "https://"+w.Cloud.LoginHost()+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", formType)
	return w.do(r)
}

// tokens is the answer of a request that must succeed.
func (w *world) tokens(t testing.TB, form url.Values) map[string]any {
	t.Helper()
	out := w.postAt("/organizations/oauth2/v2.0/token", form)
	if out.Code != 200 {
		t.Fatalf("%v: %d %s", form, out.Code, out.Body)
	}
	return body(t, out)
}

// refuses wants a request to fail with a code.
func (w *world) refuses(t testing.TB, want aadsts, form url.Values) map[string]any {
	t.Helper()
	out := w.postAt("/organizations/oauth2/v2.0/token", form)
	if out.Code != rows[want].status || code(t, out) != int(want) {
		t.Errorf("%v: %d %s, want AADSTS%d", form, out.Code, out.Body, want)
	}
	return body(t, out)
}

// browser follows pages as a person's does.
type browser struct {
	w       *world
	cookies map[string]string
	from    string // address
}

func (w *world) open() *browser {
	return &browser{w: w, cookies: map[string]string{}, from: "192.0.2.1:1234"}
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	r.RemoteAddr = b.from
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	out := b.w.do(r)
	for _, c := range out.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return out
}

func (b *browser) get(address string) *httptest.ResponseRecorder {
	if strings.HasPrefix(address, "/") {
		address = "https://login.microsoftonline.com" + address
	}
	return b.do(httptest.NewRequest("GET", address, nil))
}

var (
	actionPattern = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	hiddenPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// submit sends the form of a page with what a person types.
func (b *browser) submit(t testing.TB, page *httptest.ResponseRecorder, typed ...string) *httptest.ResponseRecorder {
	t.Helper()
	action, values := formOf(t, page.Body.String())
	for i := 0; i < len(typed); i += 2 {
		values.Set(typed[i], typed[i+1])
	}
	r := httptest.NewRequest("POST", "https://login.microsoftonline.com"+action, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Origin", "https://login.microsoftonline.com")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func formOf(t testing.TB, page string) (action string, values url.Values) {
	t.Helper()
	m := actionPattern.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("there is no form in %s", page)
	}
	values = url.Values{}
	for _, h := range hiddenPattern.FindAllStringSubmatch(page, -1) {
		values.Set(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
	}
	return html.UnescapeString(m[1]), values
}

// follow gets the page that an answer leads to.
func (b *browser) follow(t testing.TB, out *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	if out.Code != 303 {
		t.Fatalf("not a redirect: %d %s", out.Code, out.Body)
	}
	return b.get(out.Header().Get("Location"))
}

// authorizePath is a request of an application with changes.
func authorizePath(id, redirect string, changes ...string) string {
	q := url.Values{"client_id": {id}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {armScope}, "state": {"a state"}, "nonce": {"a nonce"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return "/organizations/oauth2/v2.0/authorize?" + q.Encode()
}

// signedIn is a browser in which somebody has signed in.
func (w *world) signedIn(t testing.TB, upn string) *browser {
	t.Helper()
	b := w.open()
	out := b.submit(t, b.get(authorizePath(cliID, mobileURI)), "username", upn, "password", password)
	if out.Code != 303 || b.cookies[sessionCookie] == "" {
		t.Fatalf("%s cannot sign in: %d %s", upn, out.Code, out.Body)
	}
	return b
}

// answered is what a browser brings back to the application.
func answered(t testing.TB, out *httptest.ResponseRecorder) url.Values {
	t.Helper()
	u, err := url.Parse(out.Header().Get("Location"))
	if err != nil || out.Code != 303 || strings.HasPrefix(u.Path, "/organizations") {
		t.Fatalf("%v: %d %s %s", err, out.Code, u, out.Body)
	}
	return u.Query()
}

// code is a code for the CLI, from a browser that is signed in.
func (b *browser) code(t testing.TB, changes ...string) string {
	t.Helper()
	code := answered(t, b.get(authorizePath(cliID, mobileURI, changes...))).Get("code")
	if code == "" {
		t.Fatal("there is no code")
	}
	return code
}

// redeem is the form that redeems a code.
func redeem(code string, changes ...string) url.Values {
	return ask("authorization_code", append([]string{"code", code, "redirect_uri", mobileURI, "code_verifier", verifier}, changes...)...)
}

// beginDevice begins the sign-in of a device.
func (w *world) beginDevice(t testing.TB, changes ...string) (device, user string) {
	t.Helper()
	out := w.postAt("/organizations/oauth2/v2.0/devicecode", ask("", append([]string{"grant_type", ""}, changes...)...))
	if out.Code != 200 {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	b := body(t, out)
	return b["device_code"].(string), b["user_code"].(string)
}

func poll(device string, changes ...string) url.Values {
	return ask(grantDevice, append([]string{"device_code", device, "scope", ""}, changes...)...)
}

// later moves the world's clock.
func (w *world) later(d time.Duration) { w.us.Add(d.Microseconds()) }

// earlier runs f at a time that has passed.
func (w *world) earlier(d time.Duration, f func()) {
	w.later(-d)
	f()
	w.later(d)
}

func TestVerifierIsTheChallenges(t *testing.T) {
	if !matches(verifier, challenge) || matches(verifier+"x", challenge) || matches("", challenge) {
		t.Error("the pair of RFC 7636 does not match, or others do")
	}
}
