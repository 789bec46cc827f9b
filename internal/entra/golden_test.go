package entra

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/pki"
	"midas/internal/seal"
	"midas/internal/sts"
	"midas/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the files in testdata/wire")

// exchange is a request whose whole answer is kept in testdata/wire.
type exchange struct {
	name   string
	status int
	method string // POST where empty
	path   string // "" is the version 2.0 token endpoint
	form   url.Values
	body   string // in the place of a form
	header http.Header
	host   string                      // "" is the login host
	broken func(t *testing.T, d *Door) // what is wrong with the server
}

const (
	tokenPath  = "/" + tenantID + "/oauth2/token"
	token2Path = "/" + tenantID + "/oauth2/v2.0/token"
	formType   = "application/x-www-form-urlencoded"
)

// exchanges are at least one for each row of the error table, and the successes.
func (w *world) exchanges(t *testing.T) []exchange {
	thumbprint := map[string]any{"x5t#S256": pki.ThumbprintSHA256(w.cert)}
	assert := func(header, changes map[string]any) url.Values {
		return w.asserted(w.assert(t, w.key, jose.PS256, header, changes))
	}
	exchanged := func(changes ...string) url.Values { return w.exchanged(t, changes...) }
	guid := http.Header{"Client-Request-Id": {"12345678-1234-4234-8234-123456789012"}, "Return-Client-Request-Id": {"true"}}
	return []exchange{
		{name: "token-v1", status: 200, path: tokenPath, form: w.form(1)},
		{name: "token-v2", status: 200, form: w.form(2, "client_info", "1"), header: guid},
		{name: "token-federated", status: 200, form: exchanged()},
		{name: "discovery-workload", status: 200, method: "GET", host: "midas.oic.prod-aks.azure.com", path: "/" + tenantID + "/.well-known/openid-configuration"},
		{name: "discovery-v1", status: 200, method: "GET", path: "/" + tenantID + "/.well-known/openid-configuration"},
		{name: "discovery-v2", status: 200, method: "GET", path: "/" + tenantID + "/v2.0/.well-known/openid-configuration"},
		{name: "discovery-v1-common", status: 200, method: "GET", path: "/common/.well-known/openid-configuration"},
		{name: "discovery-v2-common", status: 200, method: "GET", path: "/common/v2.0/.well-known/openid-configuration"},
		{name: "instance-1.0", status: 200, method: "GET", path: "/common/discovery/instance?api-version=1.0&authorization_endpoint=https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/authorize"},
		{name: "instance-1.1", status: 200, method: "GET", path: "/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/authorize"},
		{name: "userrealm", status: 200, method: "GET", path: "/common/UserRealm/ada@contoso.example?api-version=1.0"},
		{name: "userrealm-unknown", status: 200, method: "GET", path: "/common/UserRealm/ada@elsewhere.example?api-version=1.0"},

		{name: "50000", status: 500, form: w.form(2), broken: func(t *testing.T, d *Door) { d.DB.Close() }},
		{name: "50027", status: 400, form: w.asserted("a.b.c")},
		{name: "50166", status: 400, form: exchanged("client_assertion", w.stranger(t, nil, "iss", closedIssuer))},
		{name: "50049", status: 400, method: "GET", path: "/common/discovery/instance?authorization_endpoint=https://attacker.example/common/oauth2/authorize"},
		{name: "70021", status: 401, form: exchanged("client_id", appID)},
		{name: "70003", status: 400, form: w.form(2, "grant_type", "saml1_1-bearer")},
		{name: "90002-discovery", status: 400, method: "GET", path: "/nobody.example/v2.0/.well-known/openid-configuration"},
		{name: "90002-keys", status: 400, method: "GET", path: "/" + strings.Repeat("0", 8) + "-0000-0000-0000-000000000000/discovery/keys"},
		{name: "90002-token", status: 400, path: "/nobody.example/oauth2/token", form: w.form(1), header: guid},
		{name: "90013-form", status: 400, body: "grant_type=%zz"},
		{name: "90013-two-proofs", status: 400, form: w.form(2, "client_assertion", "a.b.c")},
		{name: "90013-claims", status: 400, form: w.form(2, "claims", "{")},
		{name: "90013-body-too-large", status: 413, body: "grant_type=" + strings.Repeat("x", maxForm)},
		{name: "90013-headers-too-large", status: 431, form: w.form(2), header: http.Header{"X": {strings.Repeat("x", wire.MaxHeader)}}},
		{name: "90019", status: 400, path: "/common/oauth2/v2.0/token", form: w.form(2)},
		{name: "90023", status: 404, method: "GET", path: "/" + tenantID + "/oauth2/nothing"},
		{name: "90033", status: 503, method: "GET", path: "/common/discovery/keys", broken: func(t *testing.T, d *Door) {
			root, err := seal.RootFromEnv(seal.Generate()) // not the one that sealed the keys
			if err != nil {
				t.Fatal(err)
			}
			d.Sts = sts.New(sts.Config{DB: d.DB, Root: root, Cloud: d.Cloud, Now: d.Now, Log: d.Log})
		}},
		{name: "500011", status: 400, form: w.form(2, "scope", "https://nobody.example/.default")},
		{name: "500014", status: 400, form: w.form(2, "scope", "api://off/.default")},
		{name: "700016", status: 400, form: w.form(2, "client_id", "00000000-0000-0000-0000-000000000000")},
		{name: "700021", status: 401, form: assert(thumbprint, map[string]any{"sub": v1API})},
		{name: "700023", status: 401, form: assert(thumbprint, map[string]any{"aud": "https://login.microsoftonline.com/" + otherID + "/oauth2/v2.0/token"})},
		{name: "700024", status: 401, form: assert(thumbprint, map[string]any{"exp": w.now().Add(-time.Hour).Unix()})},
		{name: "700027-unknown", status: 401, form: assert(map[string]any{"x5t": "AAAAAAAAAAAAAAAAAAAAAAAAAAA"}, nil)},
		{name: "700027-expired", status: 401, form: assert(map[string]any{"x5t": pki.Thumbprint(w.oldCert)}, nil)},
		{name: "700027-federated", status: 401, form: exchanged("client_assertion", w.stranger(t, w))},
		{name: "700211", status: 401, form: exchanged("client_assertion", w.stranger(t, nil, "iss", "https://elsewhere.example"))},
		{name: "700212", status: 401, form: exchanged("client_assertion", w.workload(t, jobSubject, "api://elsewhere"))},
		{name: "700213", status: 401, form: exchanged("client_assertion", w.workload(t, "system:serviceaccount:ci:other", exchangeAudience))},
		{name: "700222", status: 401, form: exchanged("client_assertion", w.stranger(t, nil, "iss", "https://login.microsoftonline.com/"+otherID+"/v2.0"))},
		{name: "7000272", status: 401, form: exchanged("client_assertion", w.stranger(t, nil))},
		{name: "7002138", status: 401, form: exchanged("client_assertion", w.workload(t, strings.ToUpper(jobSubject), exchangeAudience))},
		{name: "90002-workload", status: 400, method: "GET", host: "midas.oic.prod-aks.azure.com", path: "/common/.well-known/openid-configuration"},
		{name: "90023-workload", status: 404, method: "GET", host: "midas.oic.prod-aks.azure.com", path: "/" + tenantID + "/oauth2/v2.0/token"},
		{name: "900144-grant_type", status: 400, form: w.form(2, "grant_type", "")},
		{name: "900144-scope", status: 400, form: w.form(2, "scope", "")},
		{name: "900144-resource", status: 400, path: tokenPath, form: w.form(1, "resource", "")},
		{name: "900144-client_id", status: 400, form: w.form(2, "client_id", "")},
		{name: "900144-json", status: 400, body: `{"grant_type":"client_credentials"}`, header: http.Header{"Content-Type": {"application/json"}}},
		{name: "900561", status: 400, method: "GET", path: token2Path},
		{name: "901002", status: 400, form: w.form(2, "resource", "https://management.azure.com/")},
		{name: "1002012", status: 400, form: w.form(2, "scope", "https://management.azure.com/user_impersonation")},
		{name: "7000112", status: 400, form: w.form(2, "client_id", disabledID, "client_secret", w.disabled)},
		{name: "7000215", status: 401, form: w.form(2, "client_secret", "wrong")},
		{name: "7000218", status: 401, form: w.form(2, "client_secret", "")},
		{name: "7000222", status: 401, form: w.form(2, "client_secret", w.expired)},
		{name: "9000411", status: 400, body: "grant_type=client_credentials&grant_type=password"},
	}
}

func TestGolden(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	seen := map[aadsts]bool{}
	var files []string
	for _, e := range append(w.exchanges(t), w.peopleExchanges(t)...) {
		t.Run(e.name, func(t *testing.T) {
			door := w
			if e.broken != nil {
				door = newWorld(t, "AzureCloud", anyTime)
				waitForKeys(t, door)
				e.broken(t, door.Door)
			}
			r := e.request()
			out := door.do(r)
			if out.Code != e.status {
				t.Errorf("status %d, want %d", out.Code, e.status)
			}
			var failed envelope
			if json.Unmarshal(out.Body.Bytes(), &failed) == nil && len(failed.Codes) == 1 {
				seen[failed.Codes[0]] = true
				failed.check(t, out, door.lastEvent())
			}
			for n := range rows {
				if e.broken == nil && door.lastEvent().Code == n.with().code() {
					seen[n] = true // on a page, or in an address
				}
			}
			files = append(files, e.name+".http")
			compare(t, e.name+".http", w.print(t, e, out))
		})
	}
	for n := range rows {
		if !seen[n] {
			t.Errorf("AADSTS%d has no golden", n)
		}
	}
	kept, err := os.ReadDir("testdata/wire")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range kept {
		if !slices.Contains(files, f.Name()) {
			t.Errorf("testdata/wire/%s belongs to no exchange", f.Name())
		}
	}
}

// waitForKeys returns once the world signs.
func waitForKeys(t *testing.T, w *world) {
	t.Helper()
	if _, err := w.Sts.JWKS(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
}

func (e exchange) request() *http.Request {
	path, content := e.path, e.body
	if path == "" {
		path = token2Path
	}
	if e.form != nil {
		content = e.form.Encode()
	}
	method := e.method
	if method == "" {
		method = "POST"
	}
	r := httptest.NewRequest(method, "https://login.microsoftonline.com/", strings.NewReader(content))
	if e.host != "" {
		r.Host = e.host
	}
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
	r.URL.RawPath = r.URL.Path
	if method == "POST" {
		r.Header.Set("Content-Type", formType)
	}
	for name, values := range e.header {
		r.Header[name] = values
	}
	return r
}

// check holds the parts of an error against each other (control-plane.md A7).
func (e envelope) check(t *testing.T, out *httptest.ResponseRecorder, event wire.Event) {
	t.Helper()
	if e.TraceID != out.Header().Get("X-Ms-Request-Id") || e.TraceID != event.RequestID || e.CorrelationID != event.CorrelationID {
		t.Errorf("the ids of %+v are not those of %+v", e, event)
	}
	if want := fmt.Sprintf("AADSTS%d", e.Codes[0]); !strings.HasPrefix(e.Description, want+": ") || event.Code != want || event.Status != out.Code {
		t.Errorf("the codes of %+v are not those of %+v", e, event)
	}
	if !strings.HasSuffix(e.Description, "\r\nTrace ID: "+e.TraceID+"\r\nCorrelation ID: "+e.CorrelationID+"\r\nTimestamp: "+e.Timestamp) {
		t.Errorf("the description is %q", e.Description)
	}
	if out.Header().Get("Cache-Control") != "no-store, no-cache" {
		t.Errorf("the headers are %v", out.Header())
	}
}

// print writes an exchange down, with names in the place of what is random.
func (w *world) print(t *testing.T, e exchange, out *httptest.ResponseRecorder) []byte {
	var b bytes.Buffer
	r := e.request()
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	if e.host != "" {
		fmt.Fprintf(&b, "Host: %s\n", e.host)
	}
	for _, name := range []string{"Client-Request-Id", "Content-Type", "Return-Client-Request-Id", "X"} {
		if v := r.Header.Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	switch {
	case e.body != "":
		fmt.Fprintf(&b, "\n%s\n", e.body)
	case e.form != nil:
		b.WriteString("\n")
		for _, name := range slices.Sorted(maps.Keys(e.form)) {
			fmt.Fprintf(&b, "%s=%s\n", name, e.form.Get(name))
		}
	}
	fmt.Fprintf(&b, "\n%d %s\n", out.Code, http.StatusText(out.Code))
	for _, name := range slices.Sorted(maps.Keys(out.Header())) {
		if name != "Content-Length" {
			fmt.Fprintf(&b, "%s: %s\n", name, out.Header().Get(name))
		}
	}
	b.WriteString("\n")
	if strings.HasPrefix(out.Header().Get("Content-Type"), "application/json") {
		if err := json.Indent(&b, out.Body.Bytes(), "", "  "); err != nil {
			t.Fatalf("%v in %q", err, out.Body)
		}
	} else {
		b.Write(bytes.TrimSpace(out.Body.Bytes()))
	}
	b.WriteString("\n")
	return w.anonymous(b.Bytes())
}

var (
	jwtPattern   = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)
	guidPattern  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	longPattern  = regexp.MustCompile(`x{1000,}`)
	tickets      = regexp.MustCompile(`[\w.-]+`)
	userCodes    = regexp.MustCompile(`\b[ACDEFGHJKLMNPQRTUVWXY34679]{9}\b`)
	assetPattern = regexp.MustCompile(`(pages|form_post)-[\w-]{12}\.`)
	clientInfos  = regexp.MustCompile(`eyJ1aWQi[\w-]+`)
	printPattern = regexp.MustCompile(`client: '[\w-]+'`)
)

// anonymous replaces what differs from run to run.
func (w *world) anonymous(b []byte) []byte {
	for secret, name := range map[string]string{w.secret: "{secret}", w.expired: "{expired secret}", w.disabled: "{secret}"} {
		b = bytes.ReplaceAll(b, []byte(secret), []byte(name))
	}
	b = jwtPattern.ReplaceAll(b, []byte("{jwt}"))
	b = clientInfos.ReplaceAll(b, []byte("{client info}"))
	b = bytes.ReplaceAll(b, []byte(challenge), []byte("{challenge}"))
	b = bytes.ReplaceAll(b, []byte(verifier), []byte("{verifier}"))
	b = tickets.ReplaceAllFunc(b, func(word []byte) []byte {
		if ticket := bytes.TrimPrefix(word, []byte("1.")); len(ticket) == 43 && !bytes.Contains(ticket, []byte(".")) {
			return []byte("{ticket}")
		}
		return word
	})
	b = userCodes.ReplaceAll(b, []byte("{user code}"))
	b = assetPattern.ReplaceAll(b, []byte("$1-{hash}."))
	b = longPattern.ReplaceAll(b, []byte("{too much}"))
	b = printPattern.ReplaceAll(b, []byte("client: '{thumbprint}'"))
	fixed := []string{cliID, psID, webID, mobileID, tenantID, otherID, appID, v1API, v2API, disabledID, bareID, jobID, "12345678-1234-4234-8234-123456789012", "00000000-0000-0000-0000-000000000000"}
	return guidPattern.ReplaceAllFunc(b, func(g []byte) []byte {
		if _, ok := azure.ParseGUID(string(g)); ok && slices.Contains(fixed, string(g)) {
			return g
		}
		return []byte("{guid}")
	})
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata/wire", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (rewrite with -update):\n%s", path, diff)
	}
}
