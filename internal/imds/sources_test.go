package imds

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"midas/internal/fault"
	"midas/internal/wire"
)

var everyEndpoint = []string{"vm", "extension", "extension-behind-a-secret", "appservice", "appservice2017", "machinelearning", "cloudshell", "cloudshell-behind-a-secret", "servicefabric"}

// asked is a request that an endpoint answers with a token.
func asked(endpoint string) *http.Request {
	const resource = "resource=https%3A%2F%2Fvault.azure.net"
	form := func(path string) *http.Request {
		r := httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(resource))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		r.Header.Set("Metadata", "true")
		return r
	}
	query := func(path, header, value string) *http.Request {
		r := httptest.NewRequest("GET", "http://localhost"+path+"&"+resource, nil)
		r.Header.Set(header, value)
		return r
	}
	switch endpoint {
	case "extension", "cloudshell":
		return form("/oauth2/token")
	case "extension-behind-a-secret", "cloudshell-behind-a-secret":
		return form("/" + secret + "/oauth2/token")
	case "appservice":
		return query("/msi/token?api-version=2019-08-01", "X-IDENTITY-HEADER", secret)
	case "appservice2017", "machinelearning":
		return query("/msi/token?api-version=2017-09-01", "secret", secret)
	case "servicefabric":
		return query("/metadata/identity/oauth2/token?api-version=2019-07-01-preview", "Secret", secret)
	}
	return query("/metadata/identity/oauth2/token?api-version=2018-02-01", "Metadata", "true")
}

// TestEveryEndpointRefuses asks each endpoint as it wants to be asked, but for
// one thing. The answers' bodies are in testdata/wire.
func TestEveryEndpointRefuses(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", true, nil)
	w.extend("m", `{"publisher":"Microsoft.ManagedIdentity","type":"ManagedIdentityExtensionForLinux","settings":{"port":50342}}`)
	for _, endpoint := range everyEndpoint {
		h := endpoints(w.Machine(vmID("m")), endpoint)
		for _, c := range []struct {
			name   string
			change func(*http.Request)
			want   []int
		}{
			{"nothing", func(*http.Request) {}, []int{200}},
			{"no header", func(r *http.Request) { r.Header = http.Header{"Content-Type": r.Header["Content-Type"]} }, []int{400, 401, 404}},
			{"a wrong value", func(r *http.Request) {
				for _, name := range []string{"Metadata", "Secret", "X-Identity-Header"} {
					if r.Header.Get(name) != "" {
						r.Header.Set(name, "3f1c9a77e04e")
					}
				}
			}, []int{400, 401, 404}},
			{"forwarded", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "10.0.0.1") }, []int{400}},
			{"a foreign host", func(r *http.Request) { r.Host = "rebound.example:80" }, []int{400}},
			{"a wrong verb", func(r *http.Request) { r.Method = "DELETE" }, []int{405}},
			{"another path", func(r *http.Request) { r.URL.Path = "/x" }, []int{401, 404}},
		} {
			r := asked(endpoint)
			c.change(r)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if !slices.Contains(c.want, rec.Code) || strings.Contains(rec.Body.String(), "access_token") != (rec.Code == 200) || !json.Valid(rec.Body.Bytes()) {
				t.Errorf("%s, %s: %d %s", endpoint, c.name, rec.Code, rec.Body)
			}
		}
	}
}

// TestFormsAreBounded: nobody makes the endpoint read without end.
func TestFormsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", true, nil)
	r := httptest.NewRequest("POST", "http://localhost/oauth2/token", strings.NewReader("resource="+strings.Repeat("x", maxForm)))
	r.Header.Set("Metadata", "true")
	rec := httptest.NewRecorder()
	w.Machine(vmID("m")).CloudShell("").ServeHTTP(rec, r)
	if want := `{"error":{"code":"invalid_request","message":"The request body is too large"}}`; rec.Code != 413 || rec.Body.String() != want {
		t.Error(rec.Code, rec.Body)
	}
}

// TestNoSecretIsLogged: a path that is a credential is not in the log, whether
// it is right or wrong, and no header and no token is.
func TestNoSecretIsLogged(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", true, nil)
	w.extend("m", `{"publisher":"Microsoft.ManagedIdentity","type":"ManagedIdentityExtensionForLinux"}`)
	var log bytes.Buffer
	w.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var events []wire.Event
	w.Record = func(e wire.Event) { events = append(events, e) }
	for _, endpoint := range everyEndpoint {
		for _, change := range []func(*http.Request){func(*http.Request) {}, func(r *http.Request) { r.URL.Path += "/x" }, func(r *http.Request) { r.Method = "DELETE" }, func(r *http.Request) { r.URL.Path = "/3f1c9a77e04dx/oauth2/token" }} {
			r := asked(endpoint)
			change(r)
			endpoints(w.Machine(vmID("m")), endpoint).ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	if len(events) != 4*len(everyEndpoint) || log.Len() == 0 {
		t.Fatal(len(events), log.Len())
	}
	// Only an endpoint with no secret in its path has that path told.
	behind := strings.ReplaceAll(log.String(), "path=/3f1c9a77e04dx/oauth2/token", "")
	if strings.Contains(behind, secret) || strings.Contains(log.String(), "eyJ") {
		t.Errorf("the log is %s", log.String())
	}
	for _, e := range events {
		if strings.Contains(fmt.Sprintf("%+v", e), secret+"/") {
			t.Errorf("the event is %+v", e)
		}
	}
}

// TestEndpointsShareTheMachine: one state and one cache, while anyone uses them.
func TestEndpointsShareTheMachine(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", true, nil)
	w.extend("m", `{"publisher":"Microsoft.ManagedIdentity","type":"ManagedIdentityExtensionForLinux"}`)
	tokens := map[string]bool{}
	kept := w.Machine(vmID("m"))
	for _, endpoint := range everyEndpoint {
		rec := httptest.NewRecorder()
		endpoints(w.Machine(vmID("M")), endpoint).ServeHTTP(rec, asked(endpoint))
		var a struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || a.AccessToken == "" {
			t.Errorf("%s: %d %s", endpoint, rec.Code, rec.Body)
		}
		tokens[a.AccessToken] = true
	}
	if len(tokens) != 1 {
		t.Errorf("%d tokens were made", len(tokens))
	}
	runtime.KeepAlive(kept)
	kept = nil
	for left := 1; left > 0; { // the collector's cleanups come in their own time
		runtime.GC()
		runtime.Gosched()
		w.machines.Lock()
		left = len(w.machines.used)
		w.machines.Unlock()
	}
}

// TestEveryDialect says failures that no request provokes in each endpoint's words.
func TestEveryDialect(t *testing.T) {
	bug, throttled := errors.New("s3cret"), fault.New(fault.Throttled, "s3cret")
	for _, c := range []struct {
		name string
		fail func(http.ResponseWriter, *http.Request, error) string
		err  error
		want string
	}{
		{"extension", failExtension, bug, `500 {"error":"unknown","error_description":"Failed to retrieve token from the Active directory. For details see the log of the server"}`},
		{"extension", failExtension, throttled, `429 {"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}`},
		{"appservice", failAppService, bug, `500 {"statusCode":500,"message":"The service failed, retry later"}`},
		{"appservice", failAppService, throttled, `429 {"statusCode":429,"message":"Temporarily throttled, too many requests"}`},
		{"cloudshell", failCloudShell, bug, `500 {"error":{"code":"server_error","message":"The service failed, retry later"}}`},
		{"cloudshell", failCloudShell, throttled, `429 {"error":{"code":"invalid_request","message":"Temporarily throttled, too many requests"}}`},
		{"servicefabric", failServiceFabric, bug, `500 {"error":{"code":"InternalServerError","message":"An error occurred."}}`},
		{"servicefabric", failServiceFabric, throttled, `429 {"error":{"code":"TooManyRequests","message":"Temporarily throttled, too many requests"}}`},
	} {
		rec := httptest.NewRecorder()
		c.fail(rec, httptest.NewRequest("GET", "/", nil), c.err)
		if got := fmt.Sprint(rec.Code, " ", rec.Body); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// FuzzForm sends any query and form to the endpoints that read both.
func FuzzForm(f *testing.F) {
	w := newWorld(f)
	w.putVM("m", true, nil)
	w.extend("m", `{"publisher":"Microsoft.ManagedIdentity","type":"ManagedIdentityExtensionForLinux","settings":{"port":"50342"}}`)
	m := w.Machine(vmID("m"))
	for _, s := range [][3]string{{"", "application/x-www-form-urlencoded", "resource=https%3A%2F%2Fvault.azure.net"}, {"resource=a", "", "resource=b"}, {"", "text/plain", "x"}, {"%zz", "", ""}, {"a=1", "APPLICATION/X-WWW-FORM-URLENCODED ; charset=x", "&&=&client_id=%00"}, {"", ";", "resource=https://vault.azure.net\r\n"}} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, query, contentType, form string) {
		for _, endpoint := range []string{"extension", "cloudshell"} {
			r := httptest.NewRequest("POST", "http://localhost/oauth2/token", strings.NewReader(form))
			r.URL.RawQuery = query
			r.Header["Content-Type"], r.Header["Metadata"] = []string{contentType}, []string{"true"}
			rec := httptest.NewRecorder()
			endpoints(m, endpoint).ServeHTTP(rec, r)
			if rec.Code != 200 && (rec.Code < 400 || rec.Code >= 500) || !json.Valid(rec.Body.Bytes()) {
				t.Errorf("%q %q %q: %d %s", query, contentType, form, rec.Code, rec.Body)
			}
		}
	})
}
