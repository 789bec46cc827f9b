package entra

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/cloud"
)

var anyTime = time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)

// TestPaths shows that the shape of a path does not matter, and that nothing
// is redirected.
func TestPaths(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	want := w.get("https://login.microsoftonline.com/" + tenantID + "/v2.0/.well-known/openid-configuration").Body.String()
	for _, path := range []string{
		"/" + strings.ToUpper(tenantID) + "/V2.0/.Well-Known/OpenID-Configuration", "//" + tenantID + "//v2.0/.well-known/openid-configuration/", "/contoso.example/v2.0/.well-known/openid-configuration", "/CONTOSO.example/v2.0/%2ewell-known/openid-configuration?x=y",
	} {
		if out := w.get("https://login.microsoftonline.com" + path); out.Code != 200 || out.Body.String() != want {
			t.Errorf("%s: %d %s", path, out.Code, out.Body)
		}
	}
	for _, path := range []string{"/", "/" + tenantID, "/" + tenantID + "/oauth2", "/" + tenantID + "/discovery/instance", "/common/userrealm", "/a/b/c/d", "/%zz", "/..", "/%00/oauth2/nothing"} {
		r := httptest.NewRequest("GET", "https://login.microsoftonline.com/", nil)
		r.URL.Path, r.URL.RawPath = path, path
		if out := w.do(r); out.Code != 404 && out.Code != 400 || code(t, out) == 0 {
			t.Errorf("%s: %d %s", path, out.Code, out.Body)
		}
	}
}

// TestDiscovery checks every address of both documents in every cloud.
func TestDiscovery(t *testing.T) {
	for _, profile := range cloud.Names() {
		w := newWorld(t, profile, anyTime)
		login, sts, graph := w.Cloud.LoginHost(), w.Cloud.STSHost, w.Cloud.GraphHost
		for _, c := range []struct {
			host, tenant, path string // as asked
			name               string // of the tenant in addresses
			v1, v2             string // issuers
			base               string
		}{
			{login, tenantID, "", tenantID, "https://" + sts + "/" + tenantID + "/", "https://" + login + "/" + tenantID + "/v2.0", login},
			{sts, "contoso.example", "", tenantID, "https://" + sts + "/" + tenantID + "/", "https://" + login + "/" + tenantID + "/v2.0", login},
			{w.Cloud.LoginHosts[1], tenantID, "", tenantID, "https://" + sts + "/" + tenantID + "/", "https://" + login + "/" + tenantID + "/v2.0", w.Cloud.LoginHosts[1]},
			{login + ":8443", tenantID, "", tenantID, "https://" + sts + "/" + tenantID + "/", "https://" + login + "/" + tenantID + "/v2.0", login + ":8443"},
			{"attacker.example", tenantID, "", tenantID, "https://" + sts + "/" + tenantID + "/", "https://" + login + "/" + tenantID + "/v2.0", login},
			{login, "common", "", "common", "https://" + sts + "/{tenantid}/", "https://" + login + "/{tenantid}/v2.0", login},
			{login, "Organizations", "", "organizations", "https://" + sts + "/{tenantid}/", "https://" + login + "/{tenantid}/v2.0", login},
		} {
			base := "https://" + c.base + "/" + c.name
			one := body(t, w.get("https://"+c.host+"/"+c.tenant+"/.well-known/openid-configuration"))
			two := body(t, w.get("https://"+c.host+"/"+c.tenant+"/v2.0/.well-known/openid-configuration"))
			for name, want := range map[string]any{
				"issuer": c.v1, "token_endpoint": base + "/oauth2/token", "jwks_uri": base + "/discovery/keys", "authorization_endpoint": base + "/oauth2/authorize",
				"device_authorization_endpoint": base + "/oauth2/devicecode", "end_session_endpoint": base + "/oauth2/logout", "userinfo_endpoint": base + "/openid/userinfo",
				"check_session_iframe": base + "/oauth2/checksession", "microsoft_multi_refresh_token": true, "request_uri_parameter_supported": nil, "msgraph_host": graph,
			} {
				if one[name] != want {
					t.Errorf("%s, version 1 on %s: %s is %v, want %v", profile, c.host, name, one[name], want)
				}
			}
			for name, want := range map[string]any{
				"issuer": c.v2, "token_endpoint": base + "/oauth2/v2.0/token", "jwks_uri": base + "/discovery/v2.0/keys", "authorization_endpoint": base + "/oauth2/v2.0/authorize",
				"device_authorization_endpoint": base + "/oauth2/v2.0/devicecode", "end_session_endpoint": base + "/oauth2/v2.0/logout", "userinfo_endpoint": "https://" + graph + "/oidc/userinfo",
				"check_session_iframe": nil, "microsoft_multi_refresh_token": nil, "request_uri_parameter_supported": false, "msgraph_host": graph,
			} {
				if two[name] != want {
					t.Errorf("%s, version 2 on %s: %s is %v, want %v", profile, c.host, name, two[name], want)
				}
			}
			if region, ok := two["tenant_region_scope"]; !ok || (region == nil) != (c.name != tenantID) {
				t.Errorf("%s: tenant_region_scope is %v", c.tenant, region)
			}
		}
	}
}

func TestDiscoveryHeaders(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		r := httptest.NewRequest(method, "https://login.microsoftonline.com/common/discovery/keys", nil)
		out := w.do(r)
		h := out.Header()
		if out.Code != 200 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != "GET, OPTIONS" || h.Get("X-Ms-Request-Id") == "" {
			t.Errorf("%s: %d %v", method, out.Code, h)
		}
		if cache := h.Get("Cache-Control"); method != "OPTIONS" && cache != "max-age=86400, private" {
			t.Errorf("%s: Cache-Control is %q", method, cache)
		}
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	for path, issuer := range map[string]any{
		"/" + tenantID + "/discovery/keys":      nil,
		"/common/discovery/keys":                nil,
		"/" + tenantID + "/discovery/v2.0/keys": "https://login.microsoftonline.com/" + tenantID + "/v2.0",
		"/common/discovery/v2.0/keys":           "https://login.microsoftonline.com/{tenantid}/v2.0",
	} {
		keys, _ := body(t, w.get("https://login.microsoftonline.com"+path))["keys"].([]any)
		if len(keys) == 0 {
			t.Errorf("%s has no keys", path)
		}
		for _, k := range keys {
			if k := k.(map[string]any); k["issuer"] != issuer || k["kid"] == "" || k["kid"] != k["x5t"] {
				t.Errorf("%s has %v", path, k)
			}
		}
	}
}

func TestInstance(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	const asked = "https://login.microsoftonline.com/common/discovery/instance?api-version="
	for query, want := range map[string]string{
		"1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/v2.0/authorize":           "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
		"1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/authorize":                "https://login.microsoftonline.com/common/.well-known/openid-configuration",
		"1.0&authorization_endpoint=https%3A%2F%2FLogin.Windows.net%2F" + tenantID + "/oauth2/v2.0/authorize": "https://login.windows.net/" + tenantID + "/v2.0/.well-known/openid-configuration",
		"1.0&authorization_endpoint=https://sts.windows.net/" + tenantID + "/oauth2/v2.0/authorize":           "https://sts.windows.net/" + tenantID + "/v2.0/.well-known/openid-configuration",
		"1.1&authorization_endpoint=https://login.partner.microsoftonline.cn/common/oauth2/authorize":         "",
		"1.1&authorization_endpoint=https://attacker.example/common/oauth2/authorize":                         "",
		"1.1&authorization_endpoint=http://login.microsoftonline.com/common/oauth2/authorize":                 "",
		"1.1&authorization_endpoint=https://login.microsoftonline.com":                                        "",
		"1.1&authorization_endpoint=%00": "",
		"1.1":                            "",
	} {
		out := w.get(asked + query)
		got := body(t, out)
		if want == "" {
			if out.Code != 400 || got["error"] != "invalid_instance" || !strings.HasPrefix(got["error_description"].(string), "AADSTS50049: ") {
				t.Errorf("%s: %d %v", query, out.Code, got)
			}
			continue
		}
		if out.Code != 200 || got["tenant_discovery_endpoint"] != want {
			t.Errorf("%s: %d %v", query, out.Code, got)
		}
		if short := strings.HasPrefix(query, "1.0"); short && len(got) != 1 || !short && got["api-version"] != "1.1" {
			t.Errorf("%s has %v", query, got)
		}
	}
	metadata := body(t, w.get(asked+"1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/authorize"))["metadata"]
	want := []any{map[string]any{"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
		"aliases": []any{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}}}
	if diff := cmp.Diff(want, metadata); diff != "" {
		t.Error(diff)
	}
}

func TestUserRealm(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	for upn, want := range map[string]string{"ada@contoso.example": "Managed", "nobody@CONTOSO.example": "Managed", "a%40contoso.example": "Managed",
		"a@elsewhere.example": "Unknown", "contoso.example": "Unknown", "a@" + tenantID: "Unknown", "@": "Unknown"} {
		out := w.get("https://login.microsoftonline.com/common/UserRealm/" + upn + "?api-version=1.0")
		if got := body(t, out); out.Code != 200 || got["account_type"] != want || got["ver"] != "1.0" || got["cloud_instance_name"] != "microsoftonline.com" {
			t.Errorf("%s: %d %v", upn, out.Code, got)
		}
		if out.Header().Get("Content-Disposition") != "inline; filename=userrealm.json" {
			t.Errorf("the headers are %v", out.Header())
		}
	}
}
