package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
)

// TestAssertions is every form in which clients write an assertion, and what is
// wrong with the others.
func TestAssertions(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s1, s256 := sha1.Sum(w.cert), sha256.Sum256(w.cert)
	x5t := map[string]any{"x5t": base64.RawURLEncoding.EncodeToString(s1[:])}
	x256 := map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(s256[:])}
	now := w.now()
	good := w.assert(t, w.key, jose.RS256, x5t, nil)
	parts := strings.Split(good, ".")
	forged := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "." + parts[2]
	}
	hs256 := func() string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: w.cert}, (&jose.SignerOptions{}).WithHeader("x5t", x5t["x5t"]))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign([]byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := signed.CompactSerialize()
		return raw
	}
	pss := func(header, changes map[string]any) string { return w.assert(t, w.key, jose.PS256, header, changes) }

	for _, c := range []struct {
		name string
		raw  string
		code aadsts // 0 for a token
	}{
		{"RS256 and x5t", good, 0},
		{"x5t with padding", w.assert(t, w.key, jose.RS256, map[string]any{"x5t": base64.URLEncoding.EncodeToString(s1[:])}, nil), 0},
		{"x5t in standard base64", w.assert(t, w.key, jose.RS256, map[string]any{"x5t": base64.StdEncoding.EncodeToString(s1[:])}, nil), 0},
		{"PS256 and x5t#S256", pss(x256, nil), 0},
		{"x5t#S256 in standard base64 with padding", pss(map[string]any{"x5t#S256": base64.StdEncoding.EncodeToString(s256[:])}, nil), 0},
		{"both thumbprints", pss(map[string]any{"x5t": x5t["x5t"], "x5t#S256": x256["x5t#S256"]}, nil), 0},
		{"times with fractions", pss(x256, map[string]any{"exp": float64(now.Unix()) + 599.61, "iat": float64(now.Unix()) + 0.5, "nbf": nil}), 0},
		{"only exp", pss(x256, map[string]any{"nbf": nil, "jti": nil}), 0},
		{"a clock that is ahead", pss(x256, map[string]any{"nbf": now.Add(4 * time.Minute).Unix()}), 0},
		{"just expired", pss(x256, map[string]any{"exp": now.Add(-4 * time.Minute).Unix()}), 0},
		{"audiences", pss(x256, map[string]any{"aud": []string{"https://elsewhere.example", "https://login.microsoftonline.com/" + tenantID + "/oauth2/token"}}), 0},

		{"garbage", "garbage", malformedToken},
		{"huge", good + strings.Repeat("A", maxAssertion), malformedToken},
		{"alg none", forged(`{"alg":"none"}`), malformedToken},
		{"HS256 with the certificate", hs256(), malformedToken},
		{"x5c that is none", forged(`{"alg":"RS256","x5c":["!"]}`), malformedToken},
		{"no thumbprint", pss(nil, nil), assertionKey},
		{"thumbprint that is no text", pss(map[string]any{"x5t": 1}, nil), assertionKey},
		{"unknown certificate", pss(map[string]any{"x5t": "AAAA"}, nil), assertionKey},
		{"another key", w.assert(t, stranger, jose.PS256, x256, nil), assertionKey},
		{"changed payload", parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2], assertionKey},
		{"changed algorithm", forged(`{"alg":"PS256","x5t":"` + x5t["x5t"].(string) + `"}`), assertionKey},
		{"another issuer", pss(x256, map[string]any{"iss": v1API}), assertionNotTheClients},
		{"no subject", pss(x256, map[string]any{"sub": nil}), assertionNotTheClients},
		{"no audience", pss(x256, map[string]any{"aud": nil}), assertionAudience},
		{"audience that is none", pss(x256, map[string]any{"aud": 1}), malformedToken},
		{"no exp", pss(x256, map[string]any{"exp": nil}), assertionTime},
		{"exp that is no number", pss(x256, map[string]any{"exp": "tomorrow"}), malformedToken},
		{"expired", pss(x256, map[string]any{"exp": now.Add(-6 * time.Minute).Unix()}), assertionTime},
		{"not valid yet", pss(x256, map[string]any{"nbf": now.Add(6 * time.Minute).Unix()}), assertionTime},
		{"made in the future", pss(x256, map[string]any{"iat": now.Add(6 * time.Minute).Unix()}), assertionTime},
		{"valid for too long", pss(x256, map[string]any{"exp": now.Add(25 * time.Hour).Unix()}), assertionTime},
		{"absurd times", pss(x256, map[string]any{"exp": 1e300, "nbf": -1e300}), assertionTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := w.post(2, w.asserted(c.raw))
			if c.code != 0 {
				if got := code(t, out); got != int(c.code) || out.Code != rows[c.code].status {
					t.Errorf("%d %s", out.Code, out.Body)
				}
				return
			}
			if out.Code != 200 {
				t.Fatalf("%d %s", out.Code, out.Body)
			}
			if got := claims(t, body(t, out)["access_token"]); got["appid"] != appID || got["appidacr"] != "2" {
				t.Errorf("the claims are %v", got)
			}
		})
	}

	for form, want := range map[*url.Values]aadsts{
		ptr(w.asserted(good, "client_id", v1API)):                               assertionKey, // the certificate is another application's
		ptr(w.asserted(good, "client_assertion_type", "")):                      missingParameter,
		ptr(w.asserted(good, "client_assertion_type", "urn:ietf:params:saml2")): invalidInput,
		ptr(w.asserted("", "client_assertion_type", assertionType)):             noCredential,
		ptr(w.asserted(good, "client_id", "")):                                  missingParameter,
	} {
		if out := w.post(2, *form); code(t, out) != int(want) {
			t.Errorf("%v: %d %s", form, out.Code, out.Body)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestIsTokenEndpoint(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	tenant := directory.Tenant{ID: tenantID, Domain: "contoso.example"}
	for aud, want := range map[string]bool{
		"https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token":                  true,
		"https://login.microsoftonline.com/" + tenantID + "/oauth2/token":                       true,
		"https://login.microsoftonline.com/" + tenantID + "/oauth2/token/":                      true,
		"https://LOGIN.windows.net/" + strings.ToUpper(tenantID) + "/OAuth2/Token":              true,
		"https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token":                   true,
		"https://login.microsoftonline.com:8443/" + tenantID + "/oauth2/v2.0/token":             true,
		"https://sts.windows.net/" + tenantID + "/":                                             true,
		"https://login.microsoftonline.com/" + tenantID + "/v2.0":                               true,
		"https://login.microsoftonline.com/" + otherID + "/oauth2/v2.0/token":                   false,
		"https://login.microsoftonline.com/common/oauth2/v2.0/token":                            false,
		"https://login.microsoftonline.com/":                                                    false,
		"https://attacker.example/" + tenantID + "/oauth2/v2.0/token":                           false,
		"https://login.microsoftonline.com.attacker.example/" + tenantID + "/oauth2/v2.0/token": false,
		"https://a@login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token":                false,
		"http://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token":                   false,
		"https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token?x":                false,
		"https://login.microsoftonline.com/" + tenantID + "/oauth2/authorize":                   false,
		tenantID: false, "": false, "%": false,
	} {
		if got := w.isTokenEndpoint(tenant, aud); got != want {
			t.Errorf("%q: %v", aud, got)
		}
	}
}

func FuzzParseAssertion(f *testing.F) {
	w := newWorld(f, "AzureCloud", anyTime)
	for _, seed := range []string{w.assert(f, w.key, jose.PS256, map[string]any{"x5t#S256": "AA=="}, nil), "", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsIng1YyI6WyIiXX0.e30.AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := parseAssertion(raw)
		if err != nil {
			return
		}
		a.hexThumbprint()
		err = w.DB.View(t.Context(), func(tx *store.Tx) error {
			return w.checkAssertion(tx, directory.Tenant{ID: tenantID}, azure.AppID(appID), raw)
		})
		if err == nil {
			t.Errorf("%q is accepted", raw)
		}
	})
}
