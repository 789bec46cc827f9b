package arm_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRoutes sends any method, path, query and body as the operator, who may
// do everything: the answer is never a server error and never a redirect, and
// has the envelope where it is an error.
func FuzzRoutes(f *testing.F) {
	w := newWorld(f)
	const rg = "/subscriptions/" + testSub + "/resourceGroups/rg1"
	const version = "api-version=2024-11-01"
	for _, s := range []struct{ method, path, query, body string }{
		{"PUT", rg, version, `{"location":"westus"}`},
		{"GET", rg, version, ""},
		{"PUT", rg + "/providers/Microsoft.Compute/virtualMachines/vm1", version, machineBody},
		{"PATCH", rg + "/providers/Microsoft.Compute/virtualMachines/vm1", version, `{"identity":{"type":"None"},"properties":{"osProfile":null}}`},
		{"GET", rg + "/providers/Microsoft.Compute/virtualMachines", version + "&$top=1&$skiptoken=L3g", ""},
		{"GET", "/subscriptions//" + testSub + "/resources/", "api%2Dversion=2015-11-01&$filter=resourceType%20eq%20'a'", ""},
		{"PUT", rg + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1", version, `{"location":"westus"}`},
		{"PUT", rg + "/providers/Microsoft.KeyVault/vaults/kv-one", version, strings.ReplaceAll(vaultBody, "$TENANT", testTenant)},
		{"PUT", rg + "/providers/Microsoft.KeyVault/vaults/kv-one/accessPolicies/add", version, `{"properties":{"accessPolicies":[{}]}}`},
		{"POST", "/subscriptions/" + testSub + "/providers/Microsoft.KeyVault/checkNameAvailability", version, `{"name":"kv","type":"Microsoft.KeyVault/vaults"}`},
		{"PUT", rg + "/providers/Microsoft.KeyVault/vaults/kv-one/secrets/s", version, `{"tags":{},"properties":{"value":"v","attributes":{"exp":9223372036854775807}}}`},
		{"GET", rg + "/providers/Microsoft.KeyVault/vaults/kv-one/secrets", version + "&$top=1&$skiptoken=L3g", ""},
		{"DELETE", rg + "/providers/Microsoft.KeyVault/vaults/kv-one", version, ""},
		{"GET", "/subscriptions/" + testSub + "/providers/Microsoft.KeyVault/deletedVaults", version, ""},
		{"PUT", rg + "/providers/Microsoft.KeyVault/vaults/kv-one", version, strings.ReplaceAll(strings.ReplaceAll(vaultBody, "$TENANT", testTenant), `"accessPolicies":[]`, `"createMode":"recover"`)},
		{"POST", "/subscriptions/" + testSub + "/providers/Microsoft.KeyVault/locations/westus/deletedVaults/kv-one/purge", version, ""},
		{"PUT", rg + "/providers/Microsoft.Authorization/roleAssignments/" + nines("a"), version, `{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/` + nines("a") + `","principalId":"` + nines("b") + `"}}`},
		{"PUT", "/providers/Microsoft.Authorization/roleDefinitions/" + nines("a"), version, `{"properties":{"roleName":"r","assignableScopes":["/subscriptions/x"],"permissions":[{"actions":["a/b"]}]}}`},
		{"GET", rg + "/providers/Microsoft.Authorization/roleAssignments", version + "&$filter=atScope()+and+assignedTo('x')", ""},
		{"POST", "/subscriptions/" + testSub + "/providers/Microsoft.Compute/register", version, ""},
		{"GET", "/tenants", version, ""},
		{"GET", "/providers/a%2fb", version, ""},
		{"HEAD", rg + "/providers/Microsoft.Compute/virtualMachines/vm1/providers/Microsoft.ManagedIdentity/identities/default", version, ""},
		{"PUT", "/providers/Microsoft.Compute/virtualMachines/vm1", version, `{"location":"westus"}`},
		{"DELETE", rg + "/providers/Microsoft.Compute/virtualMachines/vm1", version, ""},
		{"GET", "//..//%2e%2e/", "%zz;&=", ""},
		{"\x00", "/", "", ""},
	} {
		f.Add(s.method, s.path, s.query, []byte(s.body))
	}
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		u, err := url.ParseRequestURI("/" + strings.TrimPrefix(path, "/"))
		if err != nil {
			return // net/http does not hand it on
		}
		u.RawQuery = query
		r := &http.Request{Method: method, URL: u, Host: "management.azure.com", Header: http.Header{"Authorization": {"Bearer " + w.tokens["operator"]}}, Body: io.NopCloser(bytes.NewReader(body))}
		rec := httptest.NewRecorder()
		w.door.ServeHTTP(rec, r.WithContext(t.Context()))
		a := answer{rec.Code, rec.Header(), rec.Body.String()}
		if fault := a.odd(r); fault != "" {
			t.Errorf("%q %q %q %q: %s\n%d %v\n%s", method, path, query, body, fault, a.status, a.header, a.body)
		}
	})
}
