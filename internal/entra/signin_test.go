package entra

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/sts"
)

// TestUserTokens is what a user's sign-in gives to the CLI: the members and
// claims that it looks for, at both endpoints.
func TestUserTokens(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	got := w.tokens(t, ask("password"))
	var info struct{ UID, UTID string }
	b, err := base64.RawURLEncoding.DecodeString(got["client_info"].(string))
	if err != nil || json.Unmarshal(b, &info) != nil || info.UID != string(c.ada) || info.UTID != tenantID {
		t.Errorf("client_info is %s, %v", b, err)
	}
	if got["scope"] != "https://management.core.windows.net//user_impersonation https://management.core.windows.net//.default" || got["foci"] != "1" || got["expires_in"] != 3600.0 || got["token_type"] != "Bearer" {
		t.Errorf("the answer is %v", got)
	}
	access := claims(t, got["access_token"])
	for name, want := range map[string]any{
		"aud": "https://management.core.windows.net/", "iss": "https://sts.windows.net/" + tenantID + "/", "appid": cliID, "appidacr": "0", "acr": "1", "ver": "1.0",
		"idtyp": "user", "oid": string(c.ada), "tid": tenantID, "scp": "user_impersonation", "upn": ada, "unique_name": ada, "name": "Ada Lovelace", "ipaddr": "192.0.2.1", "groups": nil,
	} {
		if access[name] != want {
			t.Errorf("%s is %v, want %v", name, access[name], want)
		}
	}
	id := claims(t, got["id_token"])
	for name, want := range map[string]any{
		"aud": cliID, "iss": "https://login.microsoftonline.com/" + tenantID + "/v2.0", "oid": string(c.ada), "tid": tenantID, "preferred_username": ada, "name": "Ada Lovelace", "ver": "2.0",
		"sub": access["sub"], "at_hash": atHash(got["access_token"].(string)), "nonce": nil, "email": nil,
	} {
		if id[name] != want {
			t.Errorf("%s of the id token is %v, want %v", name, id[name], want)
		}
	}
	if caller, err := w.Sts.Verify(t.Context(), got["access_token"].(string), w.Cloud.ServiceNamed(cloud.ResourceManager)); err != nil || caller.ID != c.ada {
		t.Errorf("Resource Manager sees %+v, %v", caller, err)
	}
	out := w.postAt("/common/oauth2/token", ask("password", "scope", "openid", "resource", "https://management.core.windows.net/"))
	if got := body(t, out); got["expires_in"] != "3600" || got["resource"] != "https://management.core.windows.net/" || got["refresh_token"] == nil || claims(t, got["id_token"])["upn"] != ada {
		t.Errorf("version 1.0 answers %s", out.Body)
	}
	if got := w.tokens(t, ask("password", "scope", "https://vault.azure.net/.default", "client_info", "")); got["refresh_token"] != nil || got["id_token"] != nil || got["client_info"] != nil || got["foci"] != nil {
		t.Errorf("what was not asked for is in %v", got)
	}
}

// atHash is at_hash as OpenID Connect Core defines it, written down again.
func atHash(token string) string {
	sum := sum256(token)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// TestScopesOfUsers is what a scope means for a user.
func TestScopesOfUsers(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	for _, x := range []struct{ scope, aud, scp, echo string }{
		{"https://vault.azure.net/.default", "https://vault.azure.net", "user_impersonation", "https://vault.azure.net/user_impersonation https://vault.azure.net/.default"},
		{"https://management.azure.com/user_impersonation openid", "https://management.azure.com", "user_impersonation", "https://management.azure.com/user_impersonation"},
		{"User.Read openid profile", "https://graph.microsoft.com", "User.Read openid profile", "openid profile User.Read"},
		{"openid offline_access", "https://graph.microsoft.com", "openid", "openid"},
		{"https://graph.microsoft.com/.default", "https://graph.microsoft.com", "AuditLog.Read.All Directory.AccessAsUser.All Group.ReadWrite.All User.ReadWrite.All",
			"https://graph.microsoft.com/AuditLog.Read.All https://graph.microsoft.com/Directory.AccessAsUser.All https://graph.microsoft.com/Group.ReadWrite.All https://graph.microsoft.com/User.ReadWrite.All https://graph.microsoft.com/.default"},
		{"api://v2/.default", v2API, "user_impersonation", "api://v2/user_impersonation api://v2/.default"},
	} {
		got := w.tokens(t, ask("password", "scope", x.scope))
		if a := claims(t, got["access_token"]); a["aud"] != x.aud || a["scp"] != x.scp || got["scope"] != x.echo || a["oid"] != string(c.ada) {
			t.Errorf("%s: aud %v, scp %v, echo %v", x.scope, a["aud"], a["scp"], got["scope"])
		}
	}
	for scope, want := range map[string]aadsts{
		"https://vault.azure.net/.default https://management.azure.com/.default": manyResources,
		"Everything.Write.All":                 unknownPermission,
		"https://vault.azure.net/secrets.read": unknownPermission,
		"https://nobody.example/.default":      resourceNotFound,
		"/.default":                            delegatedScope,
		"https://vault.azure.net/":             delegatedScope,
		strings.Repeat("x", maxScope+1):        delegatedScope,
	} {
		w.refuses(t, want, ask("password", "scope", scope))
	}
}

// TestGroupClaims: the user's groups are in the tokens of applications that
// want them, and of no others.
func TestGroupClaims(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	b := w.signedIn(t, ada)
	page := b.get(authorizePath(webID, webURI, "scope", "openid profile"))
	code := answered(t, b.submit(t, page, "step", "accept")).Get("code")
	got := w.tokens(t, ask("authorization_code", "client_id", webID, "client_secret", c.webSecret, "code", code, "redirect_uri", webURI, "code_verifier", verifier, "scope", ""))
	if id := claims(t, got["id_token"]); !cmp.Equal(id["groups"], []any{string(c.group)}) || id["nonce"] != "a nonce" {
		t.Errorf("the id token says %v", id)
	}
	if access := claims(t, got["access_token"]); access["groups"] != nil || access["appidacr"] != "1" {
		t.Errorf("the access token says %v", access)
	}
}

// TestGuessing: nothing tells which part of a pair was wrong, ten wrong in a
// row lock an account whether or not there is one, and the lock ends.
func TestGuessing(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	strip := func(m map[string]any) map[string]any {
		for _, name := range []string{"trace_id", "correlation_id", "timestamp"} {
			delete(m, name)
		}
		m["error_description"], _, _ = strings.Cut(m["error_description"].(string), "\r\n")
		return m
	}
	want := strip(w.refuses(t, wrongPassword, ask("password", "password", "wrong")))
	for _, upn := range []string{"nobody@contoso.example", "ada@nowhere.example", "ada", carl, eve} {
		if diff := cmp.Diff(want, strip(w.refuses(t, wrongPassword, ask("password", "username", upn, "password", "wrong")))); diff != "" {
			t.Errorf("%s is answered in another way:\n%s", upn, diff)
		}
	}
	w.refuses(t, userDisabled, ask("password", "username", eve)) // who knows the password may know
	for _, upn := range []string{ada, "nobody@contoso.example"} {
		for range 9 {
			w.refuses(t, wrongPassword, ask("password", "username", strings.ToUpper(upn), "password", "wrong"))
		}
		w.refuses(t, tooManyGuesses, ask("password", "username", upn))
		w.later(59 * time.Second)
		w.refuses(t, tooManyGuesses, ask("password", "username", upn))
		w.later(time.Second)
		w.refuses(t, wrongPassword, ask("password", "username", upn, "password", "wrong"))
		w.later(61 * time.Second) // the second lock is longer
		w.refuses(t, tooManyGuesses, ask("password", "username", upn))
		w.later(time.Minute)
	}
	w.tokens(t, ask("password"))
	w.refuses(t, wrongPassword, ask("password", "password", "wrong")) // and begins anew
	w.tokens(t, ask("password"))
}

// TestGuessingAtOnce: many guesses at the same time get no more tries than one
// after the other.
func TestGuessingAtOnce(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	codes := make(chan int, 40)
	var all sync.WaitGroup
	for range cap(codes) {
		all.Go(func() {
			out := w.postAt("/organizations/oauth2/v2.0/token", ask("password", "password", "wrong"))
			codes <- code(t, out)
		})
	}
	all.Wait()
	close(codes)
	tries := 0
	for c := range codes {
		switch c {
		case int(wrongPassword):
			tries++
		case int(tooManyGuesses):
		default:
			t.Errorf("AADSTS%d", c)
		}
	}
	if tries != 10 {
		t.Errorf("%d guesses were tried", tries)
	}
}

// TestGuessingFromOneAddress: guesses at many accounts from one address end,
// those from another go on, and who has a right password wins no more of them.
func TestGuessingFromOneAddress(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	from := func(address, upn, password string) int {
		r := httptest.NewRequest("POST", "https://login.microsoftonline.com/organizations/oauth2/v2.0/token", strings.NewReader(ask("password", "username", upn, "password", password).Encode()))
		r.Header.Set("Content-Type", formType)
		r.RemoteAddr = address
		out := w.do(r)
		if out.Code == 200 {
			return 0
		}
		return code(t, out)
	}
	err := w.DB.Update(t.Context(), func(tx *store.Tx) error {
		for range 98 {
			if err := directory.CountGuess(tx, directory.GuessesFrom("[2001:db8::1]:9")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range []struct {
		address, upn, password string
		want                   aadsts
	}{
		{"[2001:db8::2]:1", ada, password, 0},
		{"[2001:db8::3]:1", "u1@contoso.example", "wrong", wrongPassword},
		{"[2001:db8::4]:1", "u2@contoso.example", "wrong", wrongPassword},
		{"[2001:db8::5]:1", "u3@contoso.example", "wrong", tooManyGuesses},
		{"[2001:db8::6]:1", ada, password, tooManyGuesses},
		{"[2001:db8:0:1::5]:1", "u3@contoso.example", "wrong", wrongPassword},
		{"192.0.2.9:1", ada, password, 0},
	} {
		if got := from(x.address, x.upn, x.password); got != int(x.want) {
			t.Errorf("%d: AADSTS%d, want %d", i, got, x.want)
		}
	}
}

// TestTenants: the user's tenant is the one of the tokens, and no other will do.
func TestTenants(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	at := func(tenant string, form []string) map[string]any {
		return body(t, w.postAt("/"+tenant+"/oauth2/v2.0/token", ask("password", form...)))
	}
	for _, tenant := range []string{"common", "organizations", tenantID, "contoso.example", strings.ToUpper(tenantID)} {
		if got := claims(t, at(tenant, nil)["access_token"])["tid"]; got != tenantID {
			t.Errorf("%s: tid %v", tenant, got)
		}
	}
	if got := claims(t, at("common", []string{"username", bob})["access_token"])["tid"]; got != otherID {
		t.Errorf("bob: tid %v", got)
	}
	for _, upn := range []string{bob} {
		got := at(tenantID, []string{"username", upn})
		if !cmp.Equal(got["error_codes"], []any{50020.0}) || !strings.Contains(got["error_description"].(string), "User account '"+bob+"' from identity provider 'https://sts.windows.net/"+otherID+"/' does not exist in tenant 'Contoso'") {
			t.Errorf("%s: %v", upn, got)
		}
		if got := at(tenantID, []string{"username", upn, "password", "wrong"}); !cmp.Equal(got["error_codes"], []any{50126.0}) {
			t.Errorf("a wrong password tells of the tenant: %v", got)
		}
	}
	if got := at("nobody.example", nil); !cmp.Equal(got["error_codes"], []any{90002.0}) {
		t.Errorf("%v", got)
	}
	// A refresh token is good for every tenant that has the user, and no other.
	token := at("organizations", nil)["refresh_token"].(string)
	if got := body(t, w.postAt("/"+otherID+"/oauth2/v2.0/token", ask("refresh_token", "refresh_token", token))); !cmp.Equal(got["error_codes"], []any{50020.0}) {
		t.Errorf("%v", got)
	}
	if got := body(t, w.postAt("/"+tenantID+"/oauth2/v2.0/token", ask("refresh_token", "refresh_token", token))); got["access_token"] == nil {
		t.Errorf("%v", got)
	}
}

// TestClientsOfUsers is which applications get a user's tokens, and how they
// prove themselves.
func TestClientsOfUsers(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	if err := w.DB.Update(t.Context(), func(tx *store.Tx) error {
		for _, app := range []azure.AppID{webID, mobileID} {
			if err := directory.Consent(tx, c.ada, app, "00000003-0000-0000-c000-000000000000", []string{"openid", "profile", "offline_access"}); err != nil {
				return err
			}
			if err := directory.Consent(tx, c.ada, app, w.Cloud.ServiceNamed(cloud.ResourceManager).AppID, []string{"user_impersonation"}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := claims(t, w.tokens(t, ask("password", "client_id", webID, "client_secret", c.webSecret))["access_token"]); got["appidacr"] != sts.ClientAuthSecret {
		t.Errorf("%v", got)
	}
	if got := w.tokens(t, ask("password", "client_id", mobileID)); got["foci"] != nil {
		t.Errorf("%v", got)
	}
	for _, x := range []struct {
		want aadsts
		form []string
	}{
		{noCredential, []string{"client_id", webID}},
		{wrongSecret, []string{"client_id", webID, "client_secret", "wrong"}},
		{publicClientProof, []string{"client_secret", "anything"}},
		{applicationNotFound, []string{"client_id", azure.NewGUID()}},
		{applicationNotFound, []string{"client_id", "not a guid"}},
		{applicationDisabled, []string{"client_id", disabledID, "client_secret", w.disabled}},
		{missingParameter, []string{"client_id", ""}},
		{missingParameter, []string{"username", ""}},
		{missingParameter, []string{"password", ""}},
		{missingParameter, []string{"scope", ""}},
		{noConsent, []string{"client_id", mobileID, "username", bob, "scope", "openid"}},
		{noConsent, []string{"client_id", mobileID, "scope", "https://vault.azure.net/.default"}},
	} {
		if x.want == noConsent && slices.Contains(x.form, bob) {
			x.want = applicationNotFound // it is not in his tenant
		}
		w.refuses(t, x.want, ask("password", x.form...))
	}
}
