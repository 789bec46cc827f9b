package federation

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/fault"
)

// outside is an issuer behind TLS on this machine, and one who asks it.
type outside struct {
	*Issuers
	url   string
	now   atomic.Int64 // seconds
	key   *ecdsa.PrivateKey
	asked atomic.Int32                // for its document
	serve map[string]http.HandlerFunc // by path
}

func newOutside(t testing.TB) *outside {
	t.Helper()
	o := &outside{}
	o.now.Store(1_800_000_000)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o.key = key
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := o.serve[r.URL.Path]; ok {
			h(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o.url = server.URL
	o.serve = map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": func(w http.ResponseWriter, r *http.Request) { o.asked.Add(1); o.document(w, o.url, o.url+"/keys") },
		"/keys":                             func(w http.ResponseWriter, r *http.Request) { o.publish(w, o.key.Public(), "k1") },
	}
	o.Issuers = New(Config{Roots: roots, Now: func() time.Time { return time.Unix(o.now.Load(), 0) }, Log: slog.New(slog.DiscardHandler)})
	return o
}

func (o *outside) document(w http.ResponseWriter, issuer, keys string) {
	json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "jwks_uri": keys})
}

func (o *outside) publish(w http.ResponseWriter, key crypto.PublicKey, kid string) {
	json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: kid}}})
}

// token is one of an issuer, signed with the issuer's key under a name.
func (o *outside) token(t testing.TB, issuer, kid string) *Token {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: o.key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"iss":"` + issuer + `","sub":"job","aud":"them"}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	token, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (o *outside) verify(t testing.TB, kid string) string {
	return codeOf(o.Verify(t.Context(), o.token(t, o.url, kid)))
}

// codeOf names a refusal, "" for none.
func codeOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestIssuerIsAskedOnce: keys are kept as long as their issuer says, an
// unknown key is looked for once a minute, and callers share one look.
func TestIssuerIsAskedOnce(t *testing.T) {
	o := newOutside(t)
	o.serve["/keys"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		o.publish(w, o.key.Public(), "k1")
	}
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if code := o.verify(t, "k1"); code != "" {
				t.Error(code)
			}
		})
	}
	callers.Wait()
	step := func(later int64, kid, want string, asked int32) {
		t.Helper()
		o.now.Add(later)
		if code := o.verify(t, kid); code != want || o.asked.Load() != asked {
			t.Errorf("%q after %d s: %q, asked %d times", kid, later, code, o.asked.Load())
		}
	}
	step(0, "k1", "", 1)
	step(59, "k2", UnknownKey, 1)
	step(1, "k2", UnknownKey, 2)
	step(0, "k3", UnknownKey, 2)
	step(599, "k1", "", 2)
	step(1, "k1", "", 3)
	step(-3600, "k1", "", 4) // the clock was set back
}

// TestIssuerThatFails: what is wrong with an issuer is one answer, and it is
// left alone for a while.
func TestIssuerThatFails(t *testing.T) {
	const document = "/.well-known/openid-configuration"
	big := func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(strings.Repeat(" ", maxDocument) + "{}")) }
	for name, spoil := range map[string]func(o *outside){
		"no document":               func(o *outside) { delete(o.serve, document) },
		"no keys":                   func(o *outside) { delete(o.serve, "/keys") },
		"a document of another":     func(o *outside) { o.says(document, o.url+"/", o.url+"/keys") },
		"keys without TLS":          func(o *outside) { o.says(document, o.url, strings.Replace(o.url, "https", "http", 1)+"/keys") },
		"keys of no host":           func(o *outside) { o.says(document, o.url, "https:///keys") },
		"a document that is none":   func(o *outside) { o.serve[document] = big },
		"a key set that is too big": func(o *outside) { o.serve["/keys"] = big },
		"a redirect": func(o *outside) {
			o.serve[document] = http.RedirectHandler(o.url+"/elsewhere", http.StatusFound).ServeHTTP
			o.serve["/elsewhere"] = func(w http.ResponseWriter, r *http.Request) { o.document(w, o.url, o.url+"/keys") }
		},
		"keys at another private host": func(o *outside) { o.says(document, o.url, strings.Replace(o.url, "127.0.0.1", "localhost", 1)+"/keys") },
		"keys where machines have their metadata": func(o *outside) {
			o.says(document, o.url, "https://169.254.169.254/keys")
		},
		"no trusted certificate": func(o *outside) { o.client = newClient(x509.NewCertPool()) },
		"a key that is none": func(o *outside) {
			o.serve["/keys"] = func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"keys":[{"kty":"oct","k":"AA"}]}`) }
		},
		"too many keys": func(o *outside) {
			o.serve["/keys"] = func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, `{"keys":[{}`+strings.Repeat(",{}", maxKeys)+`]}`)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutside(t)
			healthy, client := map[string]http.HandlerFunc{}, o.client
			for path, h := range o.serve {
				healthy[path] = h
			}
			spoil(o)
			err := o.Verify(t.Context(), o.token(t, o.url, "k1"))
			if codeOf(err) != Unreachable || !fault.Is(err, fault.Unavailable) {
				t.Fatalf("%v", err)
			}
			o.serve, o.client = healthy, client
			if code := o.verify(t, "k1"); code != Unreachable {
				t.Errorf("asked again at once: %q", code)
			}
			o.now.Add(int64(keepFailures / time.Second))
			if code := o.verify(t, "k1"); code != "" {
				t.Errorf("in order again: %q", code)
			}
		})
	}
}

// says makes the document say this.
func (o *outside) says(path, issuer, keys string) {
	o.serve[path] = func(w http.ResponseWriter, r *http.Request) { o.document(w, issuer, keys) }
}

// TestCallable is the table of addresses that this server may be made to call.
func TestCallable(t *testing.T) {
	for address, want := range map[string][2]bool{ // an issuer's own, and elsewhere
		"203.0.113.7:443": {true, true}, "[2001:db8::7]:443": {true, true},
		"10.1.2.3:443": {true, false}, "172.16.0.1:443": {true, false}, "192.168.1.1:8443": {true, false}, "100.64.0.1:443": {true, false}, "[fd00::1]:443": {true, false},
		"127.0.0.1:6443": {true, false}, "[::1]:443": {true, false}, "[::ffff:10.0.0.1]:443": {true, false},
		"169.254.169.254:443": {}, "[fe80::1]:443": {}, "[::ffff:169.254.169.254]:443": {}, "0.0.0.0:443": {}, "[::]:443": {}, "224.0.0.1:443": {}, "somewhere:443": {},
	} {
		for i, elsewhere := range []bool{false, true} {
			if err := callable(address, elsewhere); (err == nil) != want[i] {
				t.Errorf("%s, elsewhere %v: %v", address, elsewhere, err)
			}
		}
	}
}

// TestKeepFor is how long keys are kept, by what their issuer says.
func TestKeepFor(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": keepDefault, "public": keepDefault, "max-age=7200": 2 * time.Hour, "public, Max-Age=120": 2 * time.Minute, `max-age="300"`: 5 * time.Minute,
		"max-age=0": keepLeast, "no-store": keepLeast, "max-age=-1": keepDefault, "max-age=99999999999999999999": keepDefault,
	} {
		if got := keepFor(http.Header{"Cache-Control": {header}}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
	o := newOutside(t)
	o.serve["/keys"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=4000000000")
		o.publish(w, o.key.Public(), "k1")
	}
	o.verify(t, "k1")
	o.now.Add(int64(keepMost / time.Second))
	if o.verify(t, "k1"); o.asked.Load() != 2 {
		t.Errorf("after %v the issuer was asked %d times", keepMost, o.asked.Load())
	}
}

// TestCacheIsBounded: past its size it loses what would expire first.
func TestCacheIsBounded(t *testing.T) {
	o := newOutside(t)
	for i := range maxIssuers + 10 {
		o.remember(fmt.Sprint(i), &entry{asked: o.Now(), expires: o.Now().Add(time.Duration(i+1) * time.Second)})
	}
	if len(o.known) != maxIssuers || o.lookUp("9") != nil || o.lookUp("10") == nil {
		t.Errorf("there are %d", len(o.known))
	}
	o.now.Add(100)
	o.remember("new", &entry{asked: o.Now(), expires: o.Now().Add(time.Hour)})
	if o.lookUp("98") != nil || o.lookUp("110") == nil || o.lookUp("new") == nil {
		t.Errorf("what has expired is there still, of %d", len(o.known))
	}
}

// TestOwnIssuer is verified without a call.
func TestOwnIssuer(t *testing.T) {
	o := newOutside(t)
	o.Own = func(issuer string) bool { return issuer == "https://own.example/" }
	o.OwnKeys = func(context.Context) ([]byte, error) {
		return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: o.key.Public(), KeyID: "k1"}}})
	}
	if err := o.Verify(t.Context(), o.token(t, "https://own.example/", "k1")); err != nil {
		t.Error(err)
	}
	if code := codeOf(o.Verify(t.Context(), o.token(t, "https://own.example/", "k2"))); code != UnknownKey {
		t.Error(code)
	}
	if o.asked.Load() != 0 {
		t.Error("somebody was called")
	}
}

// TestKeys: one bad key does not spoil a set, and keys that prove nothing are none.
func TestKeys(t *testing.T) {
	o := newOutside(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	var all []json.RawMessage
	for _, k := range []jose.JSONWebKey{
		{Key: o.key.Public(), KeyID: "good", Use: "sig"}, {Key: o.key.Public(), KeyID: "enc", Use: "enc"},
		{Key: o.key, KeyID: "private"}, {Key: []byte("shared"), KeyID: "shared"}, {Key: &weak.PublicKey, KeyID: "weak"},
	} {
		b, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	all = append(all, json.RawMessage(`{"kty":"OKP","crv":"unheard-of","kid":"new"}`), json.RawMessage(`7`))
	text, err := json.Marshal(map[string]any{"keys": all})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := parseKeys(text)
	if err != nil || len(keys) != 1 || keys[0].KeyID != "good" {
		t.Errorf("%v, %v", keys, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL3giLCJhdWQiOlsiYSJdfQ.AA", "eyJhbGciOiJSUzI1NiIsImtpZCI6MX0.e30.AA"} {
		f.Add(seed)
	}
	o := newOutside(f)
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := Parse(raw)
		if err != nil {
			return
		}
		token.KeyID()
		token.Claims.Issuer = o.url // whatever it says: the keys that it is held against are these
		if code := codeOf(o.Verify(t.Context(), token)); code == "" {
			t.Errorf("%q is believed", raw)
		}
	})
}

func FuzzDocument(f *testing.F) {
	for _, seed := range []string{`{"issuer":"https://a","jwks_uri":"https://a/k"}`, `{}`, ``, `{"issuer":"https://a","jwks_uri":"file:///etc/passwd"}`, `{"issuer":"https://a","jwks_uri":"https://u:p@b/"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		at, err := parseDocument(text, "https://a")
		if err == nil && (at.Scheme != "https" || at.Hostname() == "" || at.User != nil) {
			t.Errorf("%q leads to %s", text, at)
		}
	})
}

func FuzzKeys(f *testing.F) {
	for _, seed := range []string{`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[null,1,{}]}`, `[]`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["AA"]}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if err == nil && len(keys) == 0 {
			t.Error("no keys and no error")
		}
		for _, k := range keys {
			if !k.IsPublic() || !k.Valid() {
				t.Errorf("%q gives %v", text, k)
			}
		}
	})
}
