package entra

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"midas/internal/directory"
)

// TestAuthorizationCode: sign in in a browser, and redeem the code once.
func TestAuthorizationCode(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	b := w.open()
	page := b.get(authorizePath(cliID, "http://localhost:8400", "login_hint", ada))
	if !strings.Contains(page.Body.String(), `value="`+ada+`"`) || b.cookies[sessionCookie] != "" {
		t.Fatalf("%s", page.Body)
	}
	out := b.submit(t, page, "username", ada, "password", password)
	if got := out.Header().Get("Location"); !strings.HasPrefix(got, "/organizations/oauth2/v2.0/authorize?") {
		t.Fatalf("leads to %q", got)
	}
	got := answered(t, b.follow(t, out))
	if got.Get("state") != "a state" || got.Get("code") == "" || got.Get("error") != "" {
		t.Fatalf("%v", got)
	}
	form := redeem(got.Get("code"), "redirect_uri", "http://localhost:8400")
	w.refuses(t, wrongVerifier, redeem(got.Get("code"), "redirect_uri", "http://localhost:8400", "code_verifier", "wrong"))
	w.refuses(t, wrongVerifier, redeem(got.Get("code"), "redirect_uri", "http://localhost:8400", "code_verifier", ""))
	w.refuses(t, otherRedirect, redeem(got.Get("code")))
	w.refuses(t, badGrant, redeem(got.Get("code"), "redirect_uri", "http://localhost:8400", "client_id", psID))
	tokens := w.tokens(t, form)
	if id := claims(t, tokens["id_token"]); id["nonce"] != "a nonce" || id["oid"] != string(c.ada) || claims(t, tokens["access_token"])["scp"] != "user_impersonation" {
		t.Errorf("%v", id)
	}
	w.refuses(t, codeRedeemed, form)
	// A replay ends what the code was redeemed for.
	w.refuses(t, tokenReused, ask("refresh_token", "refresh_token", tokens["refresh_token"].(string)))

	code := b.code(t)
	w.later(10 * time.Minute)
	w.refuses(t, codeExpired, redeem(code))
	w.refuses(t, badGrant, redeem("x"))
	w.refuses(t, missingParameter, redeem(""))
	w.refuses(t, missingParameter, redeem(code, "redirect_uri", ""))
}

// TestAnswersOfAuthorize: how an answer goes to an application.
func TestAnswersOfAuthorize(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	b := w.signedIn(t, ada)
	out := b.get(authorizePath(cliID, mobileURI, "response_mode", "fragment"))
	if u, err := url.Parse(out.Header().Get("Location")); err != nil || u.RawQuery != "" || !strings.HasPrefix(u.Fragment, "code=") {
		t.Errorf("%v", out.Header())
	}
	out = b.get(authorizePath(cliID, mobileURI, "response_mode", "form_post", "state", `"><script>`))
	action, fields := formOf(t, out.Body.String())
	if out.Code != 200 || action != mobileURI || fields.Get("code") == "" || fields.Get("state") != `"><script>` || strings.Contains(out.Body.String(), "><script>\"") {
		t.Errorf("%s", out.Body)
	}
	if csp := out.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'; form-action http://localhost") {
		t.Errorf("the policy is %q", csp)
	}
	out = b.get(authorizePath(mobileID, "notes://auth", "scope", "openid", "prompt", "none"))
	if !strings.HasPrefix(out.Header().Get("Location"), "notes://auth?error=consent_required") {
		t.Errorf("%v", out.Header())
	}
	// A request in a form; what a page sends for the version 1.0 endpoint.
	r := httptest.NewRequest("POST", "https://login.microsoftonline.com/common/oauth2/authorize", strings.NewReader(url.Values{"client_id": {cliID}, "redirect_uri": {mobileURI}, "response_type": {"code"},
		"resource": {"https://vault.azure.net"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}.Encode()))
	r.Header.Set("Content-Type", formType)
	code := answered(t, b.do(r)).Get("code")
	got := body(t, w.postAt("/common/oauth2/token", redeem(code)))
	if got["resource"] != "https://vault.azure.net" || claims(t, got["access_token"])["aud"] != "https://vault.azure.net" {
		t.Errorf("%v", got)
	}
}

// TestAuthorizeRefuses: what is wrong goes to the application where its
// address is known to be its own, and to a page where it is not.
func TestAuthorizeRefuses(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	b := w.open()
	for name, x := range map[string]struct {
		path string
		want aadsts
	}{
		"another host":           {authorizePath(cliID, "http://evil.example/"), redirectNotRegistered},
		"a host that begins so":  {authorizePath(cliID, "http://localhost.evil.example/"), redirectNotRegistered},
		"a name before the host": {authorizePath(cliID, "http://localhost@evil.example/"), redirectNotRegistered},
		"another path":           {authorizePath(cliID, "http://localhost/x"), redirectNotRegistered},
		"another scheme":         {authorizePath(cliID, "https://localhost"), redirectNotRegistered},
		"a fragment":             {authorizePath(cliID, "http://localhost/#x"), redirectNotRegistered},
		"a longer path":          {authorizePath(webID, webURI+"/"), redirectNotRegistered},
		"a query":                {authorizePath(webID, webURI+"?x=1"), redirectNotRegistered},
		"a port":                 {authorizePath(webID, strings.Replace(webURI, "app.example", "app.example:444", 1)), redirectNotRegistered},
		"a script":               {authorizePath(cliID, "javascript:alert(1)"), redirectNotRegistered},
		"no application":         {authorizePath(tenantID, mobileURI), applicationNotFound},
		"a disabled one":         {strings.Replace(authorizePath(disabledID, mobileURI), "organizations", tenantID, 1), applicationDisabled},
		"no redirect_uri":        {authorizePath(cliID, ""), missingParameter},
		"no tenant":              {strings.Replace(authorizePath(cliID, mobileURI), "organizations", "nobody.example", 1), tenantNotFound},
		"two states":             {authorizePath(cliID, mobileURI) + "&state=2", duplicateParameter},
	} {
		out := b.get(x.path)
		if out.Code != rows[x.want].status || out.Header().Get("Location") != "" || !strings.Contains(out.Body.String(), x.want.with().code()+": ") || w.lastEvent().Code != x.want.with().code() {
			t.Errorf("%s: %d %s", name, out.Code, out.Body)
		}
	}
	for name, x := range map[string]struct {
		changes []string
		want    string
	}{
		"a token":                {[]string{"response_type", "id_token"}, "unsupported_response_type AADSTS700054"},
		"no response_type":       {[]string{"response_type", ""}, "invalid_request AADSTS900144"},
		"no scope":               {[]string{"scope", ""}, "invalid_request AADSTS900144"},
		"no challenge":           {[]string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request AADSTS9002325"},
		"a plain challenge":      {[]string{"code_challenge_method", "plain"}, "invalid_request AADSTS90013"},
		"a challenge as it is":   {[]string{"code_challenge_method", ""}, "invalid_request AADSTS90013"},
		"a short challenge":      {[]string{"code_challenge", "short"}, "invalid_request AADSTS501491"},
		"nobody, without a page": {[]string{"prompt", "none"}, "login_required AADSTS50058"},
		"an unknown prompt":      {[]string{"prompt", "x"}, "invalid_request AADSTS90013"},
		"an unknown mode":        {[]string{"response_mode", "x"}, "invalid_request AADSTS90013"},
	} {
		got := answered(t, b.get(authorizePath(cliID, mobileURI, x.changes...)))
		number, _, _ := strings.Cut(got.Get("error_description"), ":")
		if got.Get("error")+" "+number != x.want || got.Get("state") != "a state" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestPrompts: who is signed in is not asked again, unless the application
// wants that, or somebody else, or a fresher sign-in.
func TestPrompts(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	b := w.signedIn(t, ada)
	for _, changes := range [][]string{nil, {"prompt", "none"}, {"login_hint", strings.ToUpper(ada)}, {"max_age", "60"}} {
		if answered(t, b.get(authorizePath(cliID, mobileURI, changes...))).Get("code") == "" {
			t.Errorf("%v: no code", changes)
		}
	}
	w.later(61 * time.Second)
	for _, changes := range [][]string{{"prompt", "login"}, {"login_hint", bob}, {"max_age", "60"}} {
		page := b.get(authorizePath(cliID, mobileURI, changes...))
		if !strings.Contains(page.Body.String(), `name="password"`) {
			t.Fatalf("%v: %s", changes, page.Body)
		}
		if out := b.submit(t, page, "username", ada, "password", password); answered(t, b.follow(t, out)).Get("code") == "" {
			t.Errorf("%v: no code after signing in", changes)
		}
		w.later(61 * time.Second)
	}
	if got := answered(t, b.get(authorizePath(cliID, mobileURI, "prompt", "none", "login_hint", bob))); got.Get("error") != "login_required" {
		t.Errorf("%v", got)
	}
	page := b.get(authorizePath(cliID, mobileURI, "prompt", "select_account"))
	if !strings.Contains(page.Body.String(), "Pick an account") || !strings.Contains(page.Body.String(), "Ada Lovelace") {
		t.Fatalf("%s", page.Body)
	}
	if answered(t, b.follow(t, b.submit(t, page, "step", "continue"))).Get("code") == "" {
		t.Error("no code for the picked account")
	}
	if other := b.submit(t, page, "step", "other"); !strings.Contains(other.Body.String(), `name="password"`) {
		t.Errorf("%s", other.Body)
	}
	// The user of another tenant, where one is named.
	out := w.signedIn(t, bob).get(strings.Replace(authorizePath(cliID, mobileURI), "organizations", tenantID, 1))
	if got := answered(t, out); got.Get("error") != "invalid_grant" || !strings.HasPrefix(got.Get("error_description"), "AADSTS50020: ") {
		t.Errorf("%v", got)
	}
}

// TestConsent: an application that is not ours gets what its user agreed to.
func TestConsent(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	b := w.signedIn(t, ada)
	ask := func(scope string) *httptest.ResponseRecorder {
		return b.get(authorizePath(webID, webURI, "scope", scope))
	}
	page := ask("openid https://management.azure.com/user_impersonation")
	for _, text := range []string{"Web shop", "Access Azure Resource Manager as you", "Sign you in", ada} {
		if !strings.Contains(page.Body.String(), text) {
			t.Errorf("%q is not on %s", text, page.Body)
		}
	}
	if got := answered(t, b.submit(t, page, "step", "decline")); got.Get("error") != "access_denied" || !strings.HasPrefix(got.Get("error_description"), "AADSTS65004: ") || got.Get("state") != "a state" {
		t.Errorf("%v", got)
	}
	code := answered(t, b.submit(t, page, "step", "accept")).Get("code")
	redeemed := func(changes ...string) url.Values {
		return redeem(code, append([]string{"client_id", webID, "client_secret", c.webSecret, "redirect_uri", webURI, "scope", ""}, changes...)...)
	}
	w.refuses(t, noCredential, redeemed("client_secret", ""))
	w.refuses(t, wrongSecret, redeemed("client_secret", "wrong"))
	if got := w.refuses(t, noConsent, redeemed("scope", "https://vault.azure.net/.default")); got["suberror"] != "consent_required" {
		t.Errorf("%v", got)
	}
	w.tokens(t, redeemed())
	if answered(t, ask("openid https://management.azure.com/user_impersonation")).Get("code") == "" {
		t.Error("what was agreed to is asked again")
	}
	if page := ask("openid User.Read"); !strings.Contains(page.Body.String(), "read your profile") {
		t.Errorf("something else is not asked for: %s", page.Body)
	}
	if page := b.get(authorizePath(webID, webURI, "scope", "openid", "prompt", "consent")); !strings.Contains(page.Body.String(), "Permissions requested") {
		t.Errorf("prompt=consent: %s", page.Body)
	}
}

// TestForeignForms: a form that was not made for this browser does nothing.
func TestForeignForms(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	attacker, victim := w.open(), w.open()
	page := attacker.get(authorizePath(cliID, mobileURI))
	victim.get(authorizePath(cliID, mobileURI))
	if out := victim.submit(t, page, "username", ada, "password", password); out.Code != 200 || victim.cookies[sessionCookie] != "" {
		t.Errorf("another browser's form signs in: %d", out.Code)
	}
	if w.lastEvent().Operation == "signin" {
		t.Error("the password was tried")
	}
	// The right form, sent by another site.
	own := victim.get(authorizePath(cliID, mobileURI))
	action, values := formOf(t, own.Body.String())
	values.Set("username", ada)
	values.Set("password", password)
	r := httptest.NewRequest("POST", "https://login.microsoftonline.com"+action, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://evil.example")
	if out := victim.do(r); out.Code != 200 || victim.cookies[sessionCookie] != "" {
		t.Errorf("another site's form signs in: %d", out.Code)
	}
	// A device is not let in by another browser's form, either.
	b := w.signedIn(t, ada)
	_, user := w.beginDevice(t)
	evil := w.signedIn(t, ada)
	page = evil.submit(t, evil.get("/device"), "user_code", user)
	if out := b.submit(t, page, "step", "accept"); !strings.Contains(out.Body.String(), "Enter the code") {
		t.Errorf("%s", out.Body)
	}
}

// TestSessions: a browser's session has safe cookies, is a new one with every
// sign-in, and ends with the clock, the password, the user and the person.
func TestSessions(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	b := w.open()
	b.cookies[sessionCookie] = "chosen by somebody else"
	out := b.submit(t, b.get(authorizePath(cliID, mobileURI)), "username", ada, "password", password)
	cookie := strings.Join(out.Result().Header.Values("Set-Cookie"), "\n")
	for _, part := range []string{sessionCookie + "=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("%q is not in %q", part, cookie)
		}
	}
	if strings.Contains(cookie, "Domain") || strings.Contains(cookie, "Expires") || !strings.HasPrefix(sessionCookie, "__Host-") {
		t.Errorf("the cookie is %q", cookie)
	}
	old := b.cookies[sessionCookie]
	b.submit(t, b.get(authorizePath(cliID, mobileURI, "prompt", "login")), "username", ada, "password", password)
	before := w.open()
	before.cookies[sessionCookie] = old
	if old == b.cookies[sessionCookie] || !strings.Contains(before.get(authorizePath(cliID, mobileURI)).Body.String(), `name="password"`) {
		t.Error("the old session goes on")
	}
	w.later(directory.SessionLife - time.Second)
	b.code(t)
	w.later(time.Second)
	if page := b.get(authorizePath(cliID, mobileURI)); !strings.Contains(page.Body.String(), `name="password"`) {
		t.Error("a session outlives its time")
	}
}

// TestLogout: at once for an application that knows who it is, after asking
// for anybody else, and onwards only to where the application is known to be.
func TestLogout(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	b := w.signedIn(t, ada)
	page := b.get(authorizePath(webID, webURI, "scope", "openid"))
	code := answered(t, b.submit(t, page, "step", "accept")).Get("code")
	id := w.tokens(t, redeem(code, "client_id", webID, "client_secret", c.webSecret, "redirect_uri", webURI, "scope", ""))["id_token"].(string)

	logout := "/common/oauth2/v2.0/logout?"
	page = b.get(logout + "post_logout_redirect_uri=https://evil.example")
	if page.Code != 200 || !strings.Contains(page.Body.String(), "You are signed in as <strong>"+ada) {
		t.Fatalf("%d %s", page.Code, page.Body)
	}
	b.code(t) // still
	if out := b.submit(t, page); out.Code != 200 || !strings.Contains(out.Body.String(), "You signed out") || b.cookies[sessionCookie] != "" {
		t.Errorf("%d %s", out.Code, out.Body)
	}

	b = w.signedIn(t, ada)
	after := url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {webURI}, "state": {"s&t"}}
	out := b.get(logout + after.Encode())
	if out.Code != 303 || out.Header().Get("Location") != webURI+"?state=s%26t" || b.cookies[sessionCookie] != "" {
		t.Errorf("%d %v", out.Code, out.Header())
	}
	for name, changes := range map[string]url.Values{
		"another address":     {"id_token_hint": {id}, "post_logout_redirect_uri": {"https://evil.example/"}},
		"another application": {"id_token_hint": {id}, "client_id": {cliID}, "post_logout_redirect_uri": {webURI}},
		"a forged hint":       {"id_token_hint": {id[:len(id)-8] + "AAAAAAAA"}, "post_logout_redirect_uri": {webURI}},
		"no application":      {"post_logout_redirect_uri": {webURI}},
	} {
		b := w.signedIn(t, ada)
		if out := b.get(logout + changes.Encode()); out.Code != 200 || out.Header().Get("Location") != "" {
			t.Errorf("%s: %d %v", name, out.Code, out.Header())
		}
	}
	b = w.signedIn(t, bob) // somebody else's hint signs nobody out
	if out := b.get(logout + after.Encode()); out.Code != 200 || b.cookies[sessionCookie] == "" {
		t.Errorf("%d", out.Code)
	}
}

// TestPagesAreClosed: no page has a script or a style of its own, loads
// anything from elsewhere, or can be framed.
func TestPagesAreClosed(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	b := w.signedIn(t, ada)
	_, user := w.beginDevice(t)
	for name, out := range map[string]*httptest.ResponseRecorder{
		"sign-in":  w.open().get(authorizePath(cliID, mobileURI, "login_hint", `"><script>alert(1)</script>`)),
		"consent":  b.get(authorizePath(webID, webURI, "scope", "openid")),
		"pick":     b.get(authorizePath(cliID, mobileURI, "prompt", "select_account")),
		"post":     b.get(authorizePath(cliID, mobileURI, "response_mode", "form_post")),
		"code":     b.get(`/device?otc="><script>`),
		"device":   b.submit(t, b.get("/device"), "user_code", user),
		"sign-out": b.get("/common/oauth2/v2.0/logout"),
		"failure":  b.get(authorizePath(cliID, `javascript:alert("<script>")`)),
	} {
		h, text := out.Header(), out.Body.String()
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") || strings.Contains(csp, "script-src") != (name == "post") {
			t.Errorf("%s: the policy is %q", name, csp)
		}
		if h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Cache-Control"), "no-store") || h.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: %v", name, h)
		}
		if strings.Contains(text, "<script>") || strings.Contains(text, "<style") || strings.Contains(text, " style=") || strings.Contains(text, " onload") || strings.Count(text, "<script") != strings.Count(text, `<script src="/shared/pages/form_post-`) {
			t.Errorf("%s: %s", name, text)
		}
		for _, part := range []string{`<html lang="en">`, "<h1>", "<main>", "<title>", `name="viewport"`} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is missing", name, part)
			}
		}
	}
	page := b.get("/device").Body.String()
	style := page[strings.Index(page, "/shared/pages/"):]
	style = style[:strings.IndexByte(style, '"')]
	if out := b.get(style); out.Code != 200 || out.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(out.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", style, out.Code, out.Header())
	}
	if out := b.get("/shared/pages/pages.css"); out.Code != 404 {
		t.Errorf("%d", out.Code)
	}
}

// TestPathsOfPages: a page leads nowhere but to this host, whatever the path
// that it was asked by.
func TestPathsOfPages(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	b := w.open()
	r := httptest.NewRequest("GET", "https://login.microsoftonline.com/", nil)
	r.URL.Path = "//contoso.example//oauth2/v2.0/authorize"
	_, r.URL.RawQuery, _ = strings.Cut(authorizePath(cliID, mobileURI), "?")
	out := b.submit(t, b.do(r), "username", ada, "password", password)
	if got := out.Header().Get("Location"); !strings.HasPrefix(got, "/contoso.example/oauth2/v2.0/authorize?") {
		t.Errorf("leads to %q", got)
	}
}
