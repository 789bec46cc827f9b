package entra

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
)

const (
	jobID            = "88888888-1111-4111-8111-888888888888" // an application that trusts issuers
	jobSubject       = "system:serviceaccount:ci:Deploy"
	closedIssuer     = "https://127.0.0.1:1/issuer" // nobody answers there
	exchangeAudience = "api://AzureADTokenExchange"
)

// trust adds a federated credential.
func trust(tx *store.Tx, app azure.AppID, name, issuer, subject string) error {
	_, _, err := directory.PutFederatedCredential(tx, app, directory.FederatedCredential{Name: name, Issuer: issuer, Subject: subject, Audiences: []string{exchangeAudience}})
	return err
}

// fillFederation makes an application and an identity that trust our own
// issuer, and one that does not answer.
func (w *world) fillFederation(tx *store.Tx, tenant directory.Tenant) error {
	app, err := directory.CreateApplication(tx, directory.Application{AppID: jobID, Tenant: tenant.ID, DisplayName: "job"})
	if err != nil {
		return err
	}
	if _, err := directory.CreateServicePrincipal(tx, app); err != nil {
		return err
	}
	id, err := azure.ParseResourceID("/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/job")
	if err != nil {
		return err
	}
	if w.identity, err = directory.CreateManagedIdentity(tx, tenant.ID, "job", id); err != nil {
		return err
	}
	for _, owner := range []azure.AppID{jobID, w.identity.AppID} {
		if err := trust(tx, owner, "own", w.Cloud.WorkloadIssuer(tenant.ID), jobSubject); err != nil {
			return err
		}
		if err := trust(tx, owner, "closed", closedIssuer, jobSubject); err != nil {
			return err
		}
	}
	return nil
}

// workload is a token of our own issuer.
func (w *world) workload(t testing.TB, subject, audience string) string {
	t.Helper()
	token, err := w.Sts.IssueWorkload(t.Context(), tenantID, subject, audience)
	if err != nil {
		t.Fatal(err)
	}
	return token.Raw
}

// exchanged is a request of the application with a token of our own issuer.
func (w *world) exchanged(t testing.TB, changes ...string) url.Values {
	return w.asserted(w.workload(t, jobSubject, exchangeAudience), append([]string{"client_id", jobID}, changes...)...)
}

// stranger is a token that says it is our own issuer's and is signed by a key
// of nobody: of its own name, or of the one that a world signs with.
func (w *world) stranger(t testing.TB, as *world, changes ...string) string {
	t.Helper()
	kid := "nobody"
	if as != nil {
		signed, err := jose.ParseSignedCompact(as.workload(t, jobSubject, exchangeAudience), []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		kid = signed.Signatures[0].Header.KeyID
	}
	claims := w.jobClaims(w.Cloud.WorkloadIssuer(tenantID))
	for i := 0; i < len(changes); i += 2 {
		claims[changes[i]] = changes[i+1]
	}
	return sign(t, w.key, jose.RS256, kid, claims)
}

func (w *world) jobClaims(issuer string) map[string]any {
	return map[string]any{"iss": issuer, "sub": jobSubject, "aud": exchangeAudience, "iat": w.now().Unix(), "nbf": w.now().Unix(), "exp": w.now().Add(time.Hour).Unix()}
}

func sign(t testing.TB, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// issuer is somebody else's, behind TLS on this machine.
type issuer struct {
	url string

	mu    sync.Mutex
	keys  jose.JSONWebKeySet
	asked int // for its keys
}

func newIssuer(t testing.TB, w *world) *issuer {
	i := &issuer{}
	server := httptest.NewTLSServer(http.HandlerFunc(i.serve))
	t.Cleanup(server.Close)
	w.roots.AddCert(server.Certificate())
	i.url = server.URL + "/issuer"
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch r.URL.Path {
	case "/issuer/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	case "/issuer/keys":
		i.asked++
		json.NewEncoder(w).Encode(i.keys)
	default:
		http.NotFound(w, r)
	}
}

// publish replaces the keys.
func (i *issuer) publish(keys map[string]crypto.Signer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys.Keys = nil
	for kid, k := range keys {
		i.keys.Keys = append(i.keys.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid, Use: "sig"})
	}
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// TestFederation exchanges tokens of an issuer that is found by its public
// discovery alone, and refuses what is not exactly what was agreed on.
func TestFederation(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	i := newIssuer(t, w)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i.publish(map[string]crypto.Signer{"rsa": w.key, "ec": ec})
	if err := w.DB.Update(t.Context(), func(tx *store.Tx) error { return trust(tx, jobID, "outside", i.url, jobSubject) }); err != nil {
		t.Fatal(err)
	}
	with := func(changes ...any) map[string]any {
		c := w.jobClaims(i.url)
		for n := 0; n < len(changes); n += 2 {
			if c[changes[n].(string)] = changes[n+1]; changes[n+1] == nil {
				delete(c, changes[n].(string))
			}
		}
		return c
	}
	rs := func(changes ...any) string { return sign(t, w.key, jose.RS256, "rsa", with(changes...)) }
	parts := strings.Split(rs(), ".")
	public, _ := json.Marshal(jose.JSONWebKey{Key: w.key.Public(), KeyID: "rsa"})
	now := w.now()
	for _, c := range []struct {
		name string
		raw  string
		code aadsts // 0 for a token
	}{
		{"RS256", rs(), 0},
		{"PS256", sign(t, w.key, jose.PS256, "rsa", with()), 0},
		{"ES256", sign(t, ec, jose.ES256, "ec", with()), 0},
		{"one of several audiences", rs("aud", []string{"https://elsewhere.example", exchangeAudience}), 0},
		{"times with fractions", rs("exp", float64(now.Unix())+60.5, "iat", float64(now.Unix())+0.25), 0},
		{"only exp", rs("iat", nil, "nbf", nil), 0},
		{"valid for a year, as Kubernetes may have it", rs("exp", now.AddDate(1, 0, 0).Unix()), 0},

		{"another issuer", rs("iss", i.url+"/"), otherIssuer},
		{"another subject", rs("sub", jobSubject+"x"), otherSubject},
		{"the subject in another case", rs("sub", strings.ToLower(jobSubject)), otherSubjectCase},
		{"no subject", rs("sub", nil), otherSubject},
		{"another audience", rs("aud", strings.ToLower(exchangeAudience)), otherAudience},
		{"no audience", rs("aud", nil), otherAudience},
		{"an unknown key", sign(t, w.key, jose.RS256, "new", with()), issuerKeyUnknown},
		{"no key", sign(t, w.key, jose.RS256, "", with()), issuerKeyUnknown},
		{"forged", sign(t, forger, jose.RS256, "rsa", with()), assertionKey},
		{"the name of a key of another kind", sign(t, w.key, jose.RS256, "ec", with()), assertionKey},
		{"changed claims", parts[0] + "." + strings.Split(rs("exp", now.Add(2*time.Hour).Unix()), ".")[1] + "." + parts[2], assertionKey},
		{"HS256 with the public key", sign(t, public, jose.HS256, "rsa", with()), malformedToken},
		{"alg none", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", malformedToken},
		{"expired", rs("exp", now.Add(-6*time.Minute).Unix()), assertionTime},
		{"no exp", rs("exp", nil), assertionTime},
		{"not valid yet", rs("nbf", now.Add(6*time.Minute).Unix()), assertionTime},
		{"made in the future", rs("iat", now.Add(6*time.Minute).Unix()), assertionTime},
		{"an issuer that is no URL", rs("iss", "issuer"), assertionKey}, // as a client's own assertion it has no certificate
	} {
		t.Run(c.name, func(t *testing.T) {
			out := w.post(2, w.exchanged(t, "client_assertion", c.raw))
			if c.code != 0 {
				if got := code(t, out); got != int(c.code) || out.Code != rows[c.code].status {
					t.Errorf("%d %s", out.Code, out.Body)
				}
				if w.lastEvent().Caller != "" {
					t.Error("a caller is recorded that has proved nothing")
				}
				return
			}
			if out.Code != 200 {
				t.Fatalf("%d %s", out.Code, out.Body)
			}
			if got := claims(t, body(t, out)["access_token"]); got["appid"] != jobID || got["appidacr"] != "2" || got["xms_mirid"] != nil {
				t.Errorf("the claims are %v", got)
			}
		})
	}
	if i.count() != 1 {
		t.Errorf("the keys were fetched %d times within a minute", i.count())
	}
	t.Run("a rotated key", func(t *testing.T) {
		i.publish(map[string]crypto.Signer{"rsa-2": forger})
		rotated := sign(t, forger, jose.RS256, "rsa-2", with())
		if out := w.post(2, w.exchanged(t, "client_assertion", rotated)); code(t, out) != int(issuerKeyUnknown) {
			t.Errorf("just after a fetch: %d %s", out.Code, out.Body)
		}
		w.us.Add(2 * time.Minute.Microseconds())
		if out := w.post(2, w.exchanged(t, "client_assertion", rotated)); out.Code != 200 {
			t.Errorf("%d %s", out.Code, out.Body)
		}
		if out := w.post(2, w.exchanged(t, "client_assertion", rs())); code(t, out) != int(issuerKeyUnknown) {
			t.Errorf("the key that was taken out: %d %s", out.Code, out.Body)
		}
	})
}

// TestFederatedIdentity: a user-assigned identity signs in by federation, and
// only so; its token says what the one of the metadata service does.
func TestFederatedIdentity(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	id := string(w.identity.AppID)
	out := w.post(2, w.exchanged(t, "client_id", strings.ToUpper(id)))
	if out.Code != 200 {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	got := claims(t, body(t, out)["access_token"])
	for name, want := range map[string]any{"appid": id, "appidacr": "2", "oid": string(w.identity.ID), "sub": string(w.identity.ID), "idtyp": "app", "tid": tenantID, "ver": "1.0",
		"xms_mirid": "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/job", "xms_az_rid": nil} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if lives := got["exp"].(float64) - float64(w.now().Unix()); lives != 86400 || body(t, out)["expires_in"] != 86400.0 {
		t.Errorf("it lives %v s: %s", lives, out.Body)
	}
	if w.lastEvent().Caller != string(w.identity.ID) {
		t.Errorf("recorded is %+v", w.lastEvent())
	}
	for name, c := range map[string]struct {
		form url.Values
		code aadsts
	}{
		"a secret":               {w.form(2, "client_id", id, "client_secret", "x"), applicationNotFound},
		"its own assertion":      {w.asserted(w.assert(t, w.key, jose.RS256, nil, map[string]any{"iss": id, "sub": id}), "client_id", id), applicationNotFound},
		"a machine's identity":   {w.exchanged(t, "client_id", string(w.machine.AppID)), applicationNotFound},
		"no such client":         {w.exchanged(t, "client_id", azure.NewGUID()), applicationNotFound},
		"a client without trust": {w.exchanged(t, "client_id", appID), notFederated},
		"an unreachable issuer":  {w.exchanged(t, "client_assertion", w.stranger(t, nil, "iss", closedIssuer)), issuerUnreachable},
		"an expired token":       {w.aged(t, id), assertionTime},
		"an access token":        {w.exchanged(t, "client_assertion", body(t, out)["access_token"].(string)), ownTokenFederated},
	} {
		if out := w.post(2, c.form); code(t, out) != int(c.code) || out.Code != rows[c.code].status {
			t.Errorf("%s: %d %s", name, out.Code, out.Body)
		}
	}
	// What is taken away counts from the next request on.
	steps := []struct {
		do   func(*store.Tx) error
		code aadsts
	}{
		{func(tx *store.Tx) error { return directory.SetEnabled(tx, w.identity.ID, false) }, applicationDisabled},
		{func(tx *store.Tx) error {
			c, err := directory.FederatedCredentialByName(tx, w.identity.AppID, "own")
			if err != nil {
				return err
			}
			return directory.DeleteFederatedCredential(tx, w.identity.AppID, c.ID)
		}, otherIssuer},
		{func(tx *store.Tx) error { return directory.DeletePrincipal(tx, w.identity.ID) }, applicationNotFound},
	}
	for _, s := range steps {
		if err := w.DB.Update(t.Context(), s.do); err != nil {
			t.Fatal(err)
		}
		if out := w.post(2, w.exchanged(t, "client_id", id)); code(t, out) != int(s.code) {
			t.Errorf("%d %s", out.Code, out.Body)
		}
	}
}

// aged is a request with a token that has expired since it was made.
func (w *world) aged(t testing.TB, id string) url.Values {
	form := w.exchanged(t, "client_id", id)
	w.us.Add(66 * time.Minute.Microseconds())
	return form
}

// TestWorkloadIssuer: what the issuer of workload tokens publishes verifies
// them, and its tokens open nothing by themselves.
func TestWorkloadIssuer(t *testing.T) {
	for _, profile := range []string{"AzureCloud", "AzureChinaCloud", "AzureUSGovernment"} {
		w := newWorld(t, profile, anyTime)
		audience := w.Cloud.TokenExchangeAudience()
		raw := w.workload(t, jobSubject, audience)
		issuer := w.Cloud.WorkloadIssuer(tenantID)
		document := body(t, w.get(issuer+".well-known/openid-configuration"))
		if document["issuer"] != issuer {
			t.Errorf("the document is %v", document)
		}
		out := w.get(document["jwks_uri"].(string))
		var keys jose.JSONWebKeySet
		if err := json.Unmarshal(out.Body.Bytes(), &keys); err != nil {
			t.Fatal(err)
		}
		signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signed.Verify(keys.Key(signed.Signatures[0].Header.KeyID)[0].Key); err != nil {
			t.Error(err)
		}
		got := claims(t, raw)
		if got["iss"] != issuer || got["sub"] != jobSubject || !slices.Equal(got["aud"].([]any), []any{audience}) || got["exp"].(float64)-got["iat"].(float64) != 3600 {
			t.Errorf("the claims are %v", got)
		}
		for _, service := range w.Cloud.Services() {
			if _, err := w.Sts.Verify(t.Context(), w.workload(t, string(w.machine.ID), service.Audiences[0]), service); err == nil {
				t.Errorf("%s takes a workload's token", service.Name)
			}
		}
		if out := w.get("https://" + w.Cloud.IssuerHost + "/" + azure.NewGUID() + "/openid/v1/jwks"); out.Code != 400 {
			t.Errorf("a tenant that is none: %d %s", out.Code, out.Body)
		}
	}
}

// FuzzForeign sends any assertion: it never becomes a token, and nobody is
// called for it.
func FuzzForeign(f *testing.F) {
	w := newWorld(f, "AzureCloud", anyTime)
	for _, seed := range []string{w.stranger(f, nil), w.stranger(f, w), w.workload(f, "other", exchangeAudience), "", "a.b.c", "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovLyJ9.AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		form := w.exchanged(t, "client_assertion", raw)
		if out := w.post(2, form); out.Code >= 500 || out.Code < 400 || code(t, out) == 0 {
			t.Errorf("%q: %d %s", raw, out.Code, out.Body)
		}
	})
}
