package entra

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/pki"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/sts"
	"midas/internal/wire"
)

// Ids of the test's world; what the directory makes itself is random.
const (
	tenantID   = "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa"
	otherID    = "bbbbbbbb-1111-4111-8111-bbbbbbbbbbbb"
	appID      = "cccccccc-1111-4111-8111-cccccccccccc" // has secrets and a certificate
	v2API      = "dddddddd-2222-4222-8222-dddddddddddd" // a resource of version 2
	v1API      = "dddddddd-1111-4111-8111-dddddddddddd" // a resource of version 1
	disabledID = "eeeeeeee-1111-4111-8111-eeeeeeeeeeee"
	bareID     = "ffffffff-1111-4111-8111-ffffffffffff" // has no service principal
)

// world is a door with its tenant, applications and signing keys.
type world struct {
	*Door
	us       atomic.Int64 // the time, in microseconds
	root     *seal.Root
	machine  directory.Principal
	identity directory.Principal // a user-assigned one, with a federated credential
	roots    *x509.CertPool      // of other issuers
	secret   string
	expired  string
	disabled string // the disabled application's secret
	key      *rsa.PrivateKey
	cert     []byte
	oldCert  []byte // another certificate of the same key, expired

	mu     sync.Mutex
	events []wire.Event
}

func (w *world) now() time.Time { return store.Time(w.us.Load()) }

func newWorld(t testing.TB, profile string, at time.Time) *world {
	t.Helper()
	w := &world{}
	w.us.Store(at.UnixMicro())
	p, err := cloud.Lookup(profile)
	if err != nil {
		t.Fatal(err)
	}
	if w.root, err = seal.RootFromEnv(seal.Generate()); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	db := storetest.NewAt(t, w.now)
	w.Door = &Door{DB: db, Cloud: p, Now: w.now, Log: log, Record: func(e wire.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	}}
	w.Sts = sts.New(sts.Config{DB: db, Root: w.root, Cloud: p, Now: w.now, Log: log})
	w.roots = x509.NewCertPool()
	w.Issuers = federation.New(federation.Config{Roots: w.roots, Now: w.now, Log: log,
		Own:     func(issuer string) bool { return issuer == p.WorkloadIssuer(tenantID) },
		OwnKeys: func(ctx context.Context) ([]byte, error) { return w.Sts.JWKS(ctx, "") }})
	w.makeCertificates(t)
	if err := db.Update(t.Context(), w.fill); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Sts.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) makeCertificates(t testing.TB) {
	t.Helper()
	var err error
	if w.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if w.cert, err = pki.SigningCertificate(w.key, "app", w.now().Add(-time.Hour), w.now().AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if w.oldCert, err = pki.SigningCertificate(w.key, "app", w.now().AddDate(-1, 0, 0), w.now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// fill makes what there is in the directory.
func (w *world) fill(tx *store.Tx) error {
	tenant, err := directory.CreateTenant(tx, directory.Tenant{ID: tenantID, DisplayName: "Contoso", Domain: "contoso.example"})
	if err != nil {
		return err
	}
	if _, err := directory.CreateTenant(tx, directory.Tenant{ID: otherID, DisplayName: "Fabrikam", Domain: "fabrikam.example"}); err != nil {
		return err
	}
	for _, a := range []directory.Application{
		{AppID: appID, DisplayName: "app"},
		{AppID: disabledID, DisplayName: "off", IdentifierURIs: []string{"api://off"}},
		{AppID: v1API, DisplayName: "v1 api", IdentifierURIs: []string{"https://contoso.example/api"}},
		{AppID: v2API, DisplayName: "v2 api", TokenVersion: 2, IdentifierURIs: []string{"api://v2"}},
	} {
		a.Tenant = tenant.ID
		app, err := directory.CreateApplication(tx, a)
		if err != nil {
			return err
		}
		sp, err := directory.CreateServicePrincipal(tx, app)
		if err != nil {
			return err
		}
		if a.AppID == disabledID {
			if err := directory.SetEnabled(tx, sp.ID, false); err != nil {
				return err
			}
		}
	}
	if _, err := directory.CreateApplication(tx, directory.Application{AppID: bareID, Tenant: tenant.ID, DisplayName: "bare"}); err != nil {
		return err
	}
	if w.secret, _, err = directory.AddPassword(tx, appID, "", tx.Now.AddDate(1, 0, 0)); err != nil {
		return err
	}
	if w.expired, _, err = directory.AddPassword(tx, appID, "", tx.Now.Add(time.Microsecond)); err != nil {
		return err
	}
	w.us.Add(1)
	if w.disabled, _, err = directory.AddPassword(tx, disabledID, "", tx.Now.AddDate(1, 0, 0)); err != nil {
		return err
	}
	for _, der := range [][]byte{w.cert, w.oldCert} {
		if _, err := directory.AddCertificate(tx, appID, "", der); err != nil {
			return err
		}
	}
	vm, err := azure.ParseResourceID("/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm")
	if err != nil {
		return err
	}
	if w.machine, err = directory.CreateManagedIdentity(tx, tenant.ID, "vm", vm); err != nil {
		return err
	}
	return w.fillFederation(tx, tenant)
}

// form is the body of a secret's request for Resource Manager with changes: a
// value of "" takes a parameter out.
func (w *world) form(version int, changes ...string) url.Values {
	f := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {w.secret}}
	if version == 1 {
		f.Set("resource", "https://management.azure.com/")
	} else {
		f.Set("scope", "https://management.azure.com/.default")
	}
	for i := 0; i < len(changes); i += 2 {
		if f.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			f.Del(changes[i])
		}
	}
	return f
}

// post sends a form to the token endpoint of a version.
func (w *world) post(version int, form url.Values) *httptest.ResponseRecorder {
	path := "/" + tenantID + "/oauth2/token"
	if version == 2 {
		path = "/" + tenantID + "/oauth2/v2.0/token"
	}
	r := httptest.NewRequest("POST", "https://"+w.Cloud.LoginHost()+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.do(r)
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	w.Routes().ServeHTTP(out, r)
	return out
}

func (w *world) get(target string) *httptest.ResponseRecorder {
	return w.do(httptest.NewRequest("GET", target, nil))
}

// lastEvent is what was recorded of the last request.
func (w *world) lastEvent() wire.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[len(w.events)-1]
}

// body decodes an answer.
func body(t testing.TB, out *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(out.Body.Bytes(), &m); err != nil {
		t.Fatalf("%d %q: %v", out.Code, out.Body, err)
	}
	return m
}

// claims decodes the payload of an access token without looking at its signature.
func claims(t testing.TB, token any) map[string]any {
	t.Helper()
	raw, _ := token.(string)
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("not a token: %v", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// code is the number of an error answer, 0 for none.
func code(t testing.TB, out *httptest.ResponseRecorder) int {
	t.Helper()
	codes, _ := body(t, out)["error_codes"].([]any)
	if len(codes) != 1 {
		return 0
	}
	return int(codes[0].(float64))
}

// assert signs a client assertion; a header or claim that is nil is left out.
func (w *world) assert(t testing.TB, key crypto.Signer, alg jose.SignatureAlgorithm, header map[string]any, changes map[string]any) string {
	t.Helper()
	payload := map[string]any{"iss": appID, "sub": appID, "aud": w.Cloud.Authority(tenantID) + "/oauth2/v2.0/token", "jti": azure.NewGUID(),
		"nbf": w.now().Unix(), "exp": w.now().Add(10 * time.Minute).Unix()}
	for name, v := range changes {
		if payload[name] = v; v == nil {
			delete(payload, name)
		}
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	for name, v := range header {
		options.WithHeader(jose.HeaderKey(name), v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(payload)
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

// asserted is a request with an assertion in the place of the secret.
func (w *world) asserted(raw string, changes ...string) url.Values {
	return w.form(2, append([]string{"client_secret", "", "client_assertion_type", assertionType, "client_assertion", raw}, changes...)...)
}

// serve puts the door behind TLS and returns a client for which every host is
// that door, as it is in a namespace.
func (w *world) serve(t testing.TB) *http.Client {
	t.Helper()
	server := httptest.NewUnstartedServer(w.Routes())
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return io.ErrUnexpectedEOF }, // nothing is ever redirected
	}
}
