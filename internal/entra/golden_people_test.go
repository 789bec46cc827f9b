package entra

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/store"
)

// peopleExchanges are those of users, at least one for each row of the error
// table that is theirs.
func (w *world) peopleExchanges(t *testing.T) []exchange {
	var c crowd
	w.earlier(2*directory.RefreshLife, func() { c = w.people(t) })
	b := w.signedIn(t, ada)
	cookies := http.Header{"Cookie": {sessionCookie + "=" + b.cookies[sessionCookie] + "; " + browserCookie + "=" + b.cookies[browserCookie]}}
	hash, err := directory.HashPassword(t.Context(), "another password")
	if err != nil {
		t.Fatal(err)
	}
	// What is over by the time that it is shown.
	var oldRefresh, oldCode, oldDevice, revoked string
	w.earlier(directory.RefreshLife+time.Second, func() { oldRefresh = w.tokens(t, ask("password"))["refresh_token"].(string) })
	w.earlier(time.Hour, func() {
		old := w.signedIn(t, ada)
		oldCode = old.code(t)
		oldDevice, _ = w.beginDevice(t)
		revoked = w.tokens(t, ask("password", "username", bob))["refresh_token"].(string)
	})
	if err := w.DB.Update(t.Context(), func(tx *store.Tx) error { return directory.SetUserPassword(tx, c.bob, hash) }); err != nil {
		t.Fatal(err)
	}
	redeemed := b.code(t)
	w.tokens(t, redeem(redeemed))
	var reused string
	w.earlier(time.Hour, func() {
		reused = w.tokens(t, ask("password"))["refresh_token"].(string)
		w.tokens(t, ask("refresh_token", "refresh_token", reused))
	})
	pending, user := w.beginDevice(t)
	fast, _ := w.beginDevice(t)
	w.refuses(t, authorizationPending, poll(fast))
	declined, declinedUser := w.beginDevice(t)
	b.submit(t, b.submit(t, b.get("/device"), "user_code", declinedUser), "step", "decline")
	for range 10 {
		w.refuses(t, wrongPassword, ask("password", "username", "locked@contoso.example"))
	}
	form := func(path string, values url.Values) url.Values {
		page := b.get(path)
		_, own := formOf(t, page.Body.String())
		for name := range values {
			own.Set(name, values.Get(name))
		}
		return own
	}
	consent := authorizePath(webID, webURI, "scope", "openid User.Read")
	return []exchange{
		{name: "password-v1", status: 200, path: "/common/oauth2/token", form: ask("password", "scope", "openid", "resource", "https://management.core.windows.net/")},
		{name: "password-v2", status: 200, path: "/organizations/oauth2/v2.0/token", form: ask("password")},
		{name: "refresh", status: 200, form: ask("refresh_token", "refresh_token", w.tokens(t, ask("password"))["refresh_token"].(string))},
		{name: "code", status: 200, form: redeem(b.code(t))},
		{name: "devicecode-v1", status: 200, path: "/common/oauth2/devicecode", form: ask("", "grant_type", "", "scope", "", "resource", "https://management.core.windows.net/")},
		{name: "devicecode-v2", status: 200, path: "/organizations/oauth2/v2.0/devicecode", form: ask("", "grant_type", "")},
		{name: "authorize", status: 303, method: "GET", path: authorizePath(cliID, mobileURI), header: cookies},
		{name: "authorize-form_post", status: 200, method: "GET", path: authorizePath(cliID, mobileURI, "response_mode", "form_post"), header: cookies},
		{name: "page-signin", status: 200, method: "GET", path: authorizePath(cliID, mobileURI, "login_hint", ada)},
		{name: "page-consent", status: 200, method: "GET", path: consent, header: cookies},
		{name: "page-code", status: 200, method: "GET", path: devicePath},

		{name: "28000", status: 400, form: ask("password", "scope", "https://vault.azure.net/.default https://management.azure.com/.default")},
		{name: "50011", status: 400, method: "GET", path: authorizePath(cliID, "https://evil.example/")},
		{name: "50020", status: 400, form: ask("password", "username", bob, "password", "another password")},
		{name: "50053", status: 400, form: ask("password", "username", "locked@contoso.example")},
		{name: "50057", status: 400, form: ask("password", "username", eve)},
		{name: "50058", status: 303, method: "GET", path: authorizePath(cliID, mobileURI, "prompt", "none")},
		{name: "50126", status: 400, form: ask("password", "password", "wrong")},
		{name: "50173", status: 400, path: "/common/oauth2/v2.0/token", form: ask("refresh_token", "refresh_token", revoked)},
		{name: "54005", status: 400, form: redeem(redeemed)},
		{name: "65001", status: 400, form: ask("password", "client_id", mobileID)},
		{name: "65004", status: 303, path: consent, form: form(consent, url.Values{"step": {"decline"}}), header: cookies},
		{name: "70000", status: 400, form: ask("refresh_token", "refresh_token", "x")},
		{name: "70008", status: 400, form: redeem(oldCode)},
		{name: "70011", status: 400, form: ask("password", "scope", "/.default")},
		{name: "70016", status: 400, form: poll(pending)},
		{name: "70016-slow_down", status: 400, form: poll(fast)},
		{name: "70018", status: 400, form: poll(declined)},
		{name: "70019", status: 200, path: devicePath, form: form(devicePath, url.Values{"user_code": {declinedUser}}), header: cookies},
		{name: "70020", status: 400, form: poll(oldDevice)},
		{name: "70043", status: 400, form: ask("refresh_token", "refresh_token", reused)},
		{name: "500112", status: 400, form: redeem(b.code(t), "redirect_uri", "http://localhost:1")},
		{name: "501481", status: 400, form: redeem(b.code(t), "code_verifier", "wrong")},
		{name: "501491", status: 303, method: "GET", path: authorizePath(cliID, mobileURI, "code_challenge", "short")},
		{name: "650053", status: 400, form: ask("password", "scope", "Everything.Write.All")},
		{name: "700025", status: 401, form: ask("password", "client_secret", "x")},
		{name: "700054", status: 303, method: "GET", path: authorizePath(cliID, mobileURI, "response_type", "id_token")},
		{name: "700082", status: 400, form: ask("refresh_token", "refresh_token", oldRefresh)},
		{name: "9002325", status: 303, method: "GET", path: authorizePath(cliID, mobileURI, "code_challenge", "", "code_challenge_method", "")},
		{name: "page-device", status: 200, path: devicePath, form: form(devicePath, url.Values{"user_code": {user}}), header: cookies},
	}
}
