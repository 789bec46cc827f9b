package arm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"midas/internal/rbac"
)

// TestVaultSecrets: templates write secrets as resources in a vault, and never
// read a value.
func TestVaultSecrets(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv = "$RG/providers/$KVS/Kv-One"
	const one = kv + "/secrets/Db-Password"
	w.run(t, []step{
		{do: "PUT " + one, body: `{"properties":{"value":"hunter2"}}`, want: 404, code: "ParentResourceNotFound"},
		{do: "PUT " + kv, body: vaultBody, want: 200},
		{do: "GET " + one, want: 404, code: "SecretNotFound"},
		{do: "PATCH " + one, body: `{"tags":{}}`, want: 404, code: "SecretNotFound"},
		{do: "GET " + kv + "/secrets", want: 200, has: list{`{"value":[]}`}},
		{do: "PUT " + one, body: `{"tags":{"a":"b"},"properties":{"value":"hunter2","contentType":"text/plain","attributes":{"enabled":true,"nbf":1600000000,"exp":1900000000}}}`, want: 201, keep: map[string]string{"$FIRST": "properties.secretUriWithVersion"},
			has:    list{`{"id":"$RG/providers/Microsoft.KeyVault/vaults/Kv-One/secrets/Db-Password","name":"Db-Password","type":"Microsoft.KeyVault/vaults/secrets","location":"westus","tags":{"a":"b"},"properties":{"attributes":{"enabled":true,"nbf":1600000000,"exp":1900000000,"created":1772600767,"updated":1772600767},"contentType":"text/plain","secretUri":"https://kv-one.vault.azure.net/secrets/Db-Password","secretUriWithVersion":"https://kv-one.vault.azure.net/secrets/Db-Password/`},
			hasNot: list{"hunter2"}},
		{do: "GET " + strings.ToUpper(kv) + "/SECRETS/db-password?api-version=2016-10-01", want: 200, has: list{`"secretUriWithVersion":"$FIRST"`}, hasNot: list{"hunter2"}},
		{do: "PATCH " + one, body: `{"properties":{"attributes":{"enabled":false}}}`, want: 200, has: list{`"secretUriWithVersion":"$FIRST"`, `"enabled":false,"nbf":1600000000`, `"tags":{"a":"b"}`}},
		{do: "GET " + one, want: 200, has: list{`"enabled":false`}}, // described all the same
		{do: "PATCH " + one, body: `{"tags":{},"properties":{"value":"hunter3","attributes":{"enabled":true}}}`, want: 200, has: list{`"tags":{}`, `"enabled":true,"nbf":1600000000`, `"contentType":"text/plain"`}, hasNot: list{"$FIRST", "hunter"}},
		{do: "PUT " + one, body: `{"properties":{"value":"hunter4"}}`, want: 200, hasNot: list{"$FIRST", "hunter", "nbf", "contentType"}},
		{do: "GET " + kv + "/secrets", want: 200, has: list{"Db-Password"}, hasNot: list{"hunter"}},
		{do: "GET " + kv + "?$V", want: 200, hasNot: list{"Db-Password"}},
		{do: "DELETE " + one, want: 405, code: "MethodNotAllowed"},
		{do: "PUT " + one, body: `{"properties":{}}`, want: 400, code: "BadRequest", has: list{`"target":"properties.value"`}},
		{do: "PATCH " + one, body: `{"tags":null,"properties":null}`, want: 200, has: list{"Db-Password"}},
		{do: "PUT " + one, body: `{"properties":{"value":"x","attributes":{"exp":-1}}}`, want: 400, code: "BadParameter"},
		{do: "PUT " + one, body: `{"properties":{"value":"x","attributes":{"exp":9223372036854775807}}}`, want: 400, code: "BadParameter"},
		{do: "PUT " + one, body: `{"properties":{"value":"x","attributes":{"nbf":253402300800}}}`, want: 400, code: "BadParameter"},
		{do: "PUT " + one, body: `{"properties":{"value":7}}`, want: 400, code: "InvalidRequestContent"},
		{do: "PUT " + kv + "/secrets/no_good", body: `{"properties":{"value":"x"}}`, want: 400, code: "BadParameter"},
		{do: "PUT " + kv + "/secrets/big", body: `{"properties":{"value":"` + strings.Repeat("x", 25601) + `"}}`, want: 400, code: "BadParameter"},
		{as: "app", do: "GET " + one, want: 403, code: "AuthorizationFailed", has: list{"'Microsoft.KeyVault/vaults/secrets/read'"}},
		{as: "app", do: "PUT " + one, body: `{"properties":{"value":"x"}}`, want: 403, code: "AuthorizationFailed", has: list{"'Microsoft.KeyVault/vaults/secrets/write'"}},
	})
	if got := w.secret(t, "kv-one", "db-password", ""); got != "hunter4" {
		t.Errorf("the value is %q", got)
	}
	w.grant("app", rbac.Reader, "$RG")
	w.run(t, []step{
		{as: "app", do: "GET " + one, want: 200, hasNot: list{"hunter"}},
		{as: "app", do: "PATCH " + one, body: `{}`, want: 403, code: "AuthorizationFailed"},
	})
}

// TestVaultSecretPages: a long list has pages, at most as long as was asked for.
func TestVaultSecretPages(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv = "$RG/providers/$KVS/kv-one"
	w.run(t, []step{{do: "PUT " + kv, body: vaultBody, want: 200}})
	var want list
	for i := range 30 {
		want = append(want, fmt.Sprintf("s%02d", i))
		w.secret(t, "kv-one", want[i], "v")
	}
	for query, pages := range map[string]int{"": 2, "&$top=7": 5, "&$top=1000": 2} {
		got, n := w.names(t, "", "GET "+kv+"/secrets?$V"+query)
		if !slices.Equal(got, want) || n != pages {
			t.Errorf("%q lists %v in %d pages", query, got, n)
		}
	}
	w.run(t, []step{
		{do: "GET " + kv + "/secrets?$V&$top=0", want: 400, code: "InvalidTopInQueryString"},
		{do: "GET " + kv + "/secrets?$V&$skiptoken=bogus", want: 400, code: "BadParameter"},
	})
}
