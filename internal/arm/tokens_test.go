package arm_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/sts"
)

// forge signs a header and claims with a key.
func forge(t testing.TB, key *rsa.PrivateKey, header, payload string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// published is the first key of a world's key set.
func published(t testing.TB, w *world) (kid string, key *rsa.PublicKey) {
	t.Helper()
	raw, err := w.sts.JWKS(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []struct{ Kid, N string }
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	n, err := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	if err != nil {
		t.Fatal(err)
	}
	return set.Keys[0].Kid, &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
}

// TestTokens is the negative table: 401 and the right code, before anything
// else is looked at.
func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.badTokens(t)
	raw := func(name string) string { return "Authorization: Bearer " + w.tokens[name] }
	const invalid = "InvalidAuthenticationToken"
	for _, c := range []struct {
		name, header, code, text string
	}{
		{"no header", "X-Nothing: 1", "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."},
		{"another scheme", "Authorization: Basic dXNlcjpwYXNz", "AuthenticationFailedInvalidHeader", "invalid format"},
		{"the token alone", "Authorization: " + w.tokens["operator"], "AuthenticationFailedInvalidHeader", "invalid format"},
		{"no token", "Authorization: Bearer", invalid, ""},
		{"a blank token", "Authorization: Bearer  ", invalid, ""},
		{"garbage", "Authorization: Bearer garbage", invalid, "The access token is invalid."},
		{"garbage in three parts", "Authorization: Bearer a.b.c", invalid, ""},
		{"huge", "Authorization: Bearer " + strings.Repeat("a", 20000), invalid, ""},
		{"alg none", raw("none"), invalid, ""},
		{"HS256 with the public key", raw("hs256"), invalid, ""},
		{"another installation's key", raw("foreign"), invalid, ""},
		{"another key under our kid", raw("forged"), invalid, ""},
		{"an unknown kid", raw("unknown kid"), invalid, ""},
		{"a changed claim", raw("changed"), invalid, ""},
		{"expired", raw("expired"), "ExpiredAuthenticationToken", "The access token expiry UTC time '3/4/2026 7:06:06 AM' is earlier than current UTC time '3/4/2026 9:06:07 AM'."},
		{"not valid yet", raw("early"), invalid, "not valid yet"},
		{"another service's", raw("vault"), "InvalidAuthenticationTokenAudience", "has been obtained for wrong audience or resource 'https://vault.azure.net'. It should exactly match with one of the allowed audiences 'https://management.core.windows.net','https://management.core.windows.net/','https://management.azure.com','https://management.azure.com/'."},
		{"another tenant's", raw("stranger"), "InvalidAuthenticationTokenTenant", "It must match the tenant 'https://sts.windows.net/" + testTenant + "/' associated with this subscription. Please use the authority (URL) 'https://login.microsoftonline.com/" + testTenant + "' to get the token."},
		{"another tenant's of this installation", raw("neighbour"), "InvalidAuthenticationTokenTenant", "It must match the tenant 'https://sts.windows.net/" + testTenant + "/'"},
		{"a deleted principal", raw("deleted"), invalid, "does not exist in the directory " + testTenant},
		{"a disabled principal", raw("disabled"), invalid, "is disabled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The rest of the request is as wrong as can be, and does not count.
			for _, do := range []string{"GET $SUB", "GET $RG", "PUT $RG/providers/$VMS/vm1", "DELETE $SUB/resourceGroups/none", "POST $SUB/providers/Microsoft.Compute/register", "HEAD $RG", "PATCH $RG/providers/Nope.None/none/none?api-version=garbage"} {
				if c.name == "another tenant's of this installation" && strings.Contains(do, "garbage") {
					continue // its token is good; only the subscription is another's
				}
				a := w.send(t, w.request("nobody", do, "", c.header))
				if a.status != 401 || !strings.HasPrefix(do, "HEAD") && (a.code() != c.code || !strings.Contains(a.at("error.message"), c.text)) {
					t.Errorf("%s: %d %s", do, a.status, a.body)
				}
			}
		})
	}
	// With none, the challenge says so, in words that tools know.
	a := w.send(t, w.request("nobody", "GET $SUB", ""))
	want := `Bearer authorization_uri="https://login.microsoftonline.com/` + testTenant + `", error="invalid_token", error_description="The authentication failed because of missing 'Authorization' header."`
	if got := a.header.Get("WWW-Authenticate"); got != want {
		t.Errorf("the challenge is %s", got)
	}
}

// badTokens fills in tokens that are refused, by what is wrong with them.
func (w *world) badTokens(t testing.TB) {
	t.Helper()
	foreign := newWorld(t)
	foreign.callers["machine"] = w.callers["machine"]
	kid, public := published(t, w)
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(w.tokens["operator"], ".")
	encode := base64.RawURLEncoding.EncodeToString
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	hs256 := encode([]byte(`{"typ":"JWT","alg":"HS256","kid":"`+kid+`"}`)) + "." + parts[1]
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(hs256))
	w.tokens["hs256"] = hs256 + "." + encode(mac.Sum(nil))
	w.tokens["none"] = encode([]byte(`{"typ":"JWT","alg":"none"}`)) + "." + parts[1] + "."
	w.tokens["foreign"] = foreign.issue(w.callers["operator"])
	w.tokens["forged"] = forge(t, own, `{"typ":"JWT","alg":"RS256","kid":"`+kid+`"}`, parts[1])
	w.tokens["unknown kid"] = forge(t, own, `{"typ":"JWT","alg":"RS256","kid":"nobody"}`, parts[1])
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	w.tokens["changed"] = parts[0] + "." + encode([]byte(strings.Replace(string(claims), string(w.callers["operator"].ID), string(w.callers["app"].ID), 1))) + "." + parts[2]

	grant := sts.Grant{Principal: w.callers["app"], Client: w.callers["app"].AppID, ClientAuth: sts.ClientAuthSecret, Audience: audience, Version: 1, Lifetime: sts.LifetimeApp}
	of := func(change func(*sts.Grant)) string {
		g := grant
		change(&g)
		return w.token(g)
	}
	w.tokens["vault"] = of(func(g *sts.Grant) { g.Audience, g.Lifetime = "https://vault.azure.net", sts.LifetimeManagedIdentity })
	w.tokens["stranger"] = of(func(g *sts.Grant) {
		g.Principal.Tenant, g.Lifetime = azure.TenantID("11111111-2222-3333-4444-555555555555"), sts.LifetimeManagedIdentity
	})
	w.advance(time.Hour)
	w.tokens["expired"] = w.token(grant)
	w.advance(6 * time.Hour)
	w.tokens["early"] = w.token(grant)
	w.advance(-3 * time.Hour)

	tenantless := func(tx *store.Tx, name string) (p directory.Principal, err error) {
		app, err := directory.CreateApplication(tx, directory.Application{Tenant: testTenant, DisplayName: name})
		if err != nil {
			return p, err
		}
		return directory.CreateServicePrincipal(tx, app)
	}
	var deleted, disabled, neighbour directory.Principal
	w.update(func(tx *store.Tx) (err error) {
		if deleted, err = tenantless(tx, "deleted"); err != nil {
			return err
		}
		if disabled, err = tenantless(tx, "disabled"); err != nil {
			return err
		}
		other, err := directory.CreateTenant(tx, directory.Tenant{DisplayName: "Fabrikam", Domain: "fabrikam.example"})
		if err != nil {
			return err
		}
		neighbour, err = directory.CreateUser(tx, other, "eve@fabrikam.example", "Eve")
		return err
	})
	w.tokens["deleted"], w.tokens["disabled"], w.tokens["neighbour"] = w.issue(deleted), w.issue(disabled), w.issue(neighbour)
	w.update(func(tx *store.Tx) error {
		if err := directory.SetEnabled(tx, disabled.ID, false); err != nil {
			return err
		}
		return directory.DeletePrincipal(tx, deleted.ID)
	})
}

// TestGoodTokens: either name of Resource Manager, with or without a slash,
// and either version.
func TestGoodTokens(t *testing.T) {
	w := newWorld(t)
	p := w.callers["operator"]
	for _, aud := range []string{"https://management.azure.com", "https://management.azure.com/", "https://management.core.windows.net", "https://management.core.windows.net/", "797f4846-ba00-4fd7-ba43-dac1f8f63013"} {
		for _, version := range []int{1, 2} {
			w.tokens["good"] = w.token(sts.Grant{Principal: p, Client: p.AppID, ClientAuth: sts.ClientAuthNone, Audience: aud, Version: version, Lifetime: sts.LifetimeUser})
			w.run(t, []step{{as: "good", do: "GET $SUB", want: 200}})
		}
	}
	a := w.send(t, w.request("nobody", "GET $SUB", "", "Authorization: bearer "+w.tokens["operator"]))
	if a.status != 200 {
		t.Errorf("a scheme in lower case gives %d", a.status)
	}
}

// TestForbidden: the text names who, what and where.
func TestForbidden(t *testing.T) {
	w := newWorld(t)
	text := func(client, oid, action, scope string) list {
		return list{"The client '" + client + "' with object id '" + oid + "' does not have authorization to perform action '" + action + "' over scope '" + scope + "' or the scope is invalid. If access was recently granted, please refresh your credentials."}
	}
	machine, app := string(w.callers["machine"].AppID), string(w.callers["app"].AppID)
	const vm = "$RG/providers/Microsoft.Compute/virtualMachines/vm1"
	const code = "AuthorizationFailed"
	w.run(t, []step{
		{as: "machine", do: "GET " + vm, want: 403, code: code, has: text(machine, "$MACHINE", "Microsoft.Compute/virtualMachines/read", vm)},
		{as: "app", do: "PUT " + strings.Replace(vm, "Microsoft.Compute/virtualMachines", "microsoft.compute/VIRTUALMACHINES", 1), body: `{}`, want: 403, code: code, has: list{app, "$APP", "'Microsoft.Compute/virtualMachines/write'"}},
		{as: "app", do: "DELETE " + vm, want: 403, code: code, has: text(app, "$APP", "Microsoft.Compute/virtualMachines/delete", vm)},
		{as: "app", do: "POST " + vm + "/start", body: `{}`, want: 403, code: code, has: text(app, "$APP", "Microsoft.Compute/virtualMachines/start/action", vm)},
		{as: "app", do: "GET $RG", want: 403, code: code, has: text(app, "$APP", "Microsoft.Resources/subscriptions/resourceGroups/read", "$RG")},
		{as: "app", do: "GET $RG/resources", want: 403, code: code},
		{as: "app", do: "GET $SUB", want: 403, code: code, has: text(app, "$APP", "Microsoft.Resources/subscriptions/read", "$SUB")},
		{as: "app", do: "GET $RG/$ASSIGN", want: 403, code: code, has: list{"Microsoft.Authorization/roleAssignments/read"}},
		{as: "app", do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-000000000001", body: `{}`, want: 403, code: code, has: list{"Microsoft.Authorization/roleAssignments/write", "$RG/$ASSIGN/00000000-0000-0000-0000-000000000001"}},
		{as: "app", do: "POST $SUB/providers/Microsoft.Compute/register", body: `{}`, want: 403, code: code, has: list{"Microsoft.Compute/register/action"}},
		{as: "app", do: "HEAD $RG", want: 403},
	})
}
