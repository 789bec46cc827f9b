package entra

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/cloud"
)

// TestResources is what each resource gives: the audience verbatim and version
// 1.0 for our services and version 1 applications, the app id and version 2.0
// for the others; at both endpoints.
func TestResources(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	for _, c := range []struct {
		resource string
		aud, ver string // "" where the resource is not found
	}{
		{"https://management.azure.com/", "https://management.azure.com/", "1.0"},
		{"https://management.azure.com", "https://management.azure.com", "1.0"},
		{"https://management.core.windows.net/", "https://management.core.windows.net/", "1.0"},
		{"https://vault.azure.net", "https://vault.azure.net", "1.0"},
		{"https://graph.microsoft.com", "https://graph.microsoft.com", "1.0"},
		{"https://graph.windows.net/", "https://graph.windows.net/", "1.0"},
		{"797f4846-ba00-4fd7-ba43-dac1f8f63013", "797f4846-ba00-4fd7-ba43-dac1f8f63013", "1.0"},
		{"https://contoso.example/api", "https://contoso.example/api", "1.0"},
		{"https://contoso.example/api/", "https://contoso.example/api/", "1.0"},
		{v1API, v1API, "1.0"},
		{"api://v2", v2API, "2.0"},
		{v2API, v2API, "2.0"},
		{strings.ToUpper(v2API), v2API, "2.0"},
		{"https://management.azure.com//", "", ""},
		{"https://management.chinacloudapi.cn", "", ""},
		{"https://nobody.example", "", ""},
		{"api://V2", "", ""},
		{bareID, "", ""}, // registered, but no principal in the tenant
		{azure.NewGUID(), "", ""},
		{"%", "", ""},
	} {
		for version := 1; version <= 2; version++ {
			form := w.form(version, "scope", c.resource+"/.default")
			if version == 1 {
				form = w.form(version, "resource", c.resource)
			}
			out := w.post(version, form)
			if c.aud == "" {
				if out.Code != 400 || code(t, out) != int(resourceNotFound) || body(t, out)["error"] != "invalid_resource" {
					t.Errorf("%s at version %d: %d %s", c.resource, version, out.Code, out.Body)
				}
				continue
			}
			if out.Code != 200 {
				t.Errorf("%s at version %d: %d %s", c.resource, version, out.Code, out.Body)
				continue
			}
			got := claims(t, body(t, out)["access_token"])
			if got["aud"] != c.aud || got["ver"] != c.ver {
				t.Errorf("%s at version %d: aud %v, ver %v", c.resource, version, got["aud"], got["ver"])
			}
			if event := w.lastEvent(); event.Caller != got["oid"] || event.Operation != "client_credentials" || event.Target != c.resource {
				t.Errorf("the event is %+v", event)
			}
		}
	}
}

func TestScopes(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	for scope, want := range map[string]string{
		"https://management.core.windows.net//.default":                          "https://management.core.windows.net/", // as az sends it
		"https://management.azure.com/.default openid offline_access profile":    "https://management.azure.com",         // as MSAL sends it
		"openid   https://vault.azure.net/.default\temail":                       "https://vault.azure.net",
		"https://vault.azure.net/.default https://management.azure.com/.default": "",
		"https://vault.azure.net":                                                "",
		"https://management.azure.com/user_impersonation":                        "",
		"https://vault.azure.net/.default/.default":                              "-", // a resource that nobody has
		"openid":    "",
		"/.default": "",
		".default":  "",
	} {
		out := w.post(2, w.form(2, "scope", scope))
		switch want {
		case "":
			if out.Code != 400 || code(t, out) != int(invalidScope) {
				t.Errorf("%q: %d %s", scope, out.Code, out.Body)
			}
		case "-":
			if out.Code != 400 || code(t, out) != int(resourceNotFound) {
				t.Errorf("%q: %d %s", scope, out.Code, out.Body)
			}
		default:
			if got := claims(t, body(t, out)["access_token"])["aud"]; got != want {
				t.Errorf("%q: aud %v, want %v", scope, got, want)
			}
		}
	}
}

// TestClients is who may sign in, and how.
func TestClients(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	basic := func(id, secret string, changes ...string) *http.Request {
		form := w.form(2, append([]string{"client_id", "", "client_secret", ""}, changes...)...)
		r := httptest.NewRequest("POST", "https://login.microsoftonline.com"+token2Path+"/?client-request-id=x", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		r.SetBasicAuth(id, secret)
		return r
	}
	plain := func(form url.Values) *http.Request {
		r := httptest.NewRequest("POST", "https://sts.windows.net//"+strings.ToUpper(tenantID)+"/OAuth2/V2.0/Token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", formType)
		return r
	}
	for _, c := range []struct {
		name    string
		request *http.Request
		code    aadsts // 0 for a token
	}{
		{"secret in the body", plain(w.form(2)), 0},
		{"client id in upper case", plain(w.form(2, "client_id", strings.ToUpper(appID))), 0},
		{"secret by Basic", basic(url.QueryEscape(appID), url.QueryEscape(w.secret)), 0},
		{"Basic and the same client in the body", basic(appID, url.QueryEscape(w.secret), "client_id", appID), 0},
		{"Basic with a wrong secret", basic(appID, "wrong"), wrongSecret},
		{"Basic and another client in the body", basic(appID, w.secret, "client_id", v1API), invalidInput},
		{"Basic and a secret in the body", basic(appID, w.secret, "client_secret", w.secret), invalidInput},
		{"Basic that is not urlencoded", basic(appID, "%zz"), invalidInput},
		{"Basic without a secret", basic(appID, ""), noCredential},
		{"Basic without a client", basic("", w.secret), missingParameter},
		{"the hint of a secret", plain(w.form(2, "client_secret", w.secret[:3])), wrongSecret},
		{"another application's secret", plain(w.form(2, "client_secret", w.disabled)), wrongSecret},
		{"an application without secrets", plain(w.form(2, "client_id", v1API)), wrongSecret},
		{"an application without a principal", plain(w.form(2, "client_id", bareID)), applicationNotFound},
		{"a managed identity", plain(w.form(2, "client_id", string(w.machine.AppID))), applicationNotFound},
		{"an object id", plain(w.form(2, "client_id", string(w.machine.ID))), applicationNotFound},
		{"no GUID", plain(w.form(2, "client_id", "me\r\n")), applicationNotFound},
		{"a disabled application with a wrong secret", plain(w.form(2, "client_id", disabledID, "client_secret", "wrong")), wrongSecret},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := w.do(c.request)
			if c.code == 0 {
				if got := claims(t, body(t, out)["access_token"]); got["appid"] != appID || got["appidacr"] != "1" {
					t.Errorf("the claims are %v", got)
				}
				return
			}
			if got := code(t, out); got != int(c.code) || out.Code != rows[c.code].status {
				t.Errorf("%d %s", out.Code, out.Body)
			}
			if w.lastEvent().Caller != "" {
				t.Error("a caller is recorded that has proved nothing")
			}
		})
	}
	// The same application in another tenant is not there.
	r := plain(w.form(2))
	r.URL.Path = "/" + otherID + "/oauth2/v2.0/token"
	if out := w.do(r); code(t, out) != int(applicationNotFound) || !strings.Contains(out.Body.String(), "Fabrikam") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

func TestCapabilities(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	for given, want := range map[string]any{
		"": nil, "{}": nil,
		`{"access_token":{"xms_cc":{"values":["CP1"]}}}`:                                    []any{"CP1"},
		`{"access_token":{"xms_cc":{"values":["other"]},"nbf":{"essential":true}},"id":{}}`: nil,
	} {
		got := claims(t, body(t, w.post(2, w.form(2, "claims", given)))["access_token"])["xms_cc"]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", given, diff)
		}
	}
}

// TestTokensAreTaken shows that the door's tokens pass at the other doors.
func TestTokensAreTaken(t *testing.T) {
	w := newWorld(t, "AzureChinaCloud", anyTime)
	out := w.post(2, w.form(2, "scope", "https://management.core.chinacloudapi.cn//.default"))
	raw, _ := body(t, out)["access_token"].(string)
	c, err := w.Sts.Verify(t.Context(), raw, w.Cloud.ServiceNamed(cloud.ResourceManager))
	if err != nil || string(c.AppID) != appID || string(c.Tenant) != tenantID {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := w.Sts.Verify(t.Context(), raw, w.Cloud.ServiceNamed(cloud.KeyVault)); err == nil {
		t.Error("Key Vault takes it, too")
	}
}

// TestNothingSecretIsSaid sends secrets in every wrong place and looks for them in the answer.
func TestNothingSecretIsSaid(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	for _, form := range []url.Values{
		w.form(2, "grant_type", "password"), w.form(2, "client_secret", "s3cret-and-wrong"), w.form(2, "scope", "x"), w.form(2, "client_id", "s3cret-and-wrong"), w.form(2, "claims", "s3cret-and-wrong"),
	} {
		form.Set("password", "s3cret-and-wrong")
		if out := w.post(2, form); out.Code == 200 || strings.Contains(out.Body.String(), "s3cret-and-wrong") || strings.Contains(out.Body.String(), w.secret) {
			t.Errorf("%v: %d %s", form, out.Code, out.Body)
		}
	}
}

// FuzzToken sends any body to the token endpoint: never a 500, never a token.
func FuzzToken(f *testing.F) {
	w := newWorld(f, "AzureCloud", anyTime)
	for _, seed := range []string{w.form(2, "client_secret", "x").Encode(), w.asserted("a.b.c").Encode(), "", "grant_type=client_credentials&scope=%20", "a=%", "grant_type=&grant_type="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, path := range []string{tokenPath, token2Path} {
			r := httptest.NewRequest("POST", "https://login.microsoftonline.com"+path, strings.NewReader(content))
			r.Header.Set("Content-Type", formType)
			if out := w.do(r); out.Code >= 500 || out.Code < 400 || code(t, out) == 0 {
				t.Errorf("%q: %d %s", content, out.Code, out.Body)
			}
		}
	})
}

func FuzzPath(f *testing.F) {
	w := newWorld(f, "AzureCloud", anyTime)
	for _, seed := range []string{"/", "/common/discovery/keys", "/a%2Fb/.well-known/openid-configuration", "/common/UserRealm/a@b", "/common/discovery/instance?authorization_endpoint=https://login.microsoftonline.com/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := httptest.NewRequest("GET", "https://login.microsoftonline.com/", nil)
		r.URL = u
		if out := w.do(r); out.Code >= 500 || out.Code >= 300 && out.Code < 400 {
			t.Errorf("%q: %d %s", target, out.Code, out.Body)
		}
	})
}
