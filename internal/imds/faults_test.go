package imds

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/injection"
	"midas/internal/wire"
)

// The rest of a path below /metadata.
const (
	askToken    = "identity/oauth2/token?api-version=2018-02-01&resource=" + vault
	askInstance = "instance?api-version=2021-02-01"
)

// faultyWorld is a world whose door has rules, and a log.
func faultyWorld(t *testing.T) (*world, *logBuffer) {
	w := newWorld(t)
	log := &logBuffer{}
	w.Log = slog.New(slog.NewTextHandler(log, nil))
	w.Faults = &injection.Rules{}
	return w, log
}

// logBuffer is a log that connections write and the test reads.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// take returns what was written since the last time.
func (b *logBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	return b.buf.String()
}

// fail makes a rule.
func (w *world) fail(r injection.Rule) {
	w.t.Helper()
	if _, err := w.Faults.Add(r); err != nil {
		w.t.Fatal(err)
	}
}

// TestFaultsOnAConnection sees each kind of fault as a client does.
func TestFaultsOnAConnection(t *testing.T) {
	w, log := faultyWorld(t)
	w.putVM("m", true, nil)
	server := httptest.NewUnstartedServer(nil)
	server.Config = wire.Server(w.Machine(vmID("m")).VM(), w.Log)
	server.Start()
	defer server.Close()
	client := server.Client()
	for _, c := range []struct {
		name, path string
		effect     injection.Effect
		status     int
		retry      string
		body       string // a regular expression
		err        error  // of the body's end
		logged     string
	}{
		{"throttled", askToken, injection.Effect{Status: 429, RetryAfter: 2 * time.Second}, 429, "2",
			`{"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}`, nil, `endpoint=token what="status 429, Retry-After 2"`},
		{"throttled on the other side", askInstance, injection.Effect{Status: 429}, 429, "", `{ "error": "Too many requests" }`, nil, `endpoint=instance what="status 429"`},
		{"gone", askToken, injection.Effect{Status: 410}, 410, "", `{"error":"service_unavailable","error_description":"The service is being updated, retry within 70 seconds"}`, nil, "410"},
		{"delayed", askInstance, injection.Effect{Delay: time.Nanosecond}, 200, "", `{"compute":.*}`, nil, `what="delay 1ns"`},
		{"dropped", askToken, injection.Effect{Drop: true}, 0, "", "", io.EOF, "what=drop"},
		{"cut short", askToken, injection.Effect{Truncate: true}, 200, "", `{"access_token":"[^"]*`, io.ErrUnexpectedEOF, "what=truncate"},
		{"a failure cut short", askToken, injection.Effect{Status: 500, Truncate: true}, 500, "", `{"error":"server_error","error_descript`, io.ErrUnexpectedEOF, `what="status 500, truncate"`},
		{"a true failure cut short", "instance/nothing?api-version=2021-02-01", injection.Effect{Truncate: true}, 404, "", `{ "error": "`, io.ErrUnexpectedEOF, `what=truncate`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.fail(injection.Rule{Effect: c.effect, Count: 1})
			log.take()
			get := func() (*http.Response, string, error) {
				r, _ := http.NewRequest("GET", server.URL+"/metadata/"+c.path, nil)
				r.Header.Set("Metadata", "true")
				client.CloseIdleConnections() // Go's client asks again where a connection that it has used before fails
				resp, err := client.Do(r)
				if err != nil {
					return &http.Response{}, "", err
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				return resp, string(b), err
			}
			resp, body, err := get()
			if resp.StatusCode != c.status || resp.Header.Get("Retry-After") != c.retry || !errors.Is(err, c.err) || !regexp.MustCompile("^"+c.body+"$").MatchString(body) {
				t.Errorf("%d, Retry-After %q, %v\n%s", resp.StatusCode, resp.Header.Get("Retry-After"), err, body)
			}
			if said := log.take(); strings.Count(said, "a fault was injected") != 1 || !strings.Contains(said, c.logged) || !strings.Contains(said, "virtualMachines/m ") {
				t.Errorf("logged\n%s", said)
			}
			if resp, _, err := get(); err != nil || resp.StatusCode == c.status && c.status > 200 && c.status != 404 {
				t.Errorf("the next request: %d, %v", resp.StatusCode, err)
			}
		})
	}
}

func TestFaultsAreExact(t *testing.T) {
	const after, count, requests = 10, 20, 64
	w, _ := faultyWorld(t)
	w.Log = slog.New(slog.DiscardHandler)
	w.putVM("m", true, nil)
	m := w.vm("m")
	w.fail(injection.Rule{Effect: injection.Effect{Status: 429}, Endpoint: injection.Token, After: after, Count: count})
	var served, failed atomic.Int64
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			switch rec := m.get(askToken); rec.Code {
			case 200:
				served.Add(1)
			case 429:
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if served.Load() != requests-count || failed.Load() != count {
		t.Errorf("%d served, %d failed", served.Load(), failed.Load())
	}
}

// TestFaultsMeanWhom pins which requests a rule reaches, in a world where all
// of them succeed.
func TestFaultsMeanWhom(t *testing.T) {
	w, _ := faultyWorld(t)
	one := w.userIdentity("one")
	own := w.putVM("m", true, nil, one)
	w.putVM("other", false, nil, one)
	byOne := askToken + "&client_id=" + string(one.AppID)
	for _, c := range []struct {
		name          string
		rule          injection.Rule
		machine, path string
		hit           bool
	}{
		{"every request", injection.Rule{}, "m", askInstance, true},
		{"the machine", injection.Rule{Machine: vmID("M")}, "m", askToken, true},
		{"another machine", injection.Rule{Machine: vmID("m")}, "other", askToken, false},
		{"the system-assigned identity, which is chosen by nobody", injection.Rule{Identity: string(own.ID)}, "m", askToken, true},
		{"the system-assigned identity by its machine", injection.Rule{Identity: vmID("m").String()}, "m", askToken, true},
		{"the other identity", injection.Rule{Identity: string(own.ID)}, "m", byOne, false},
		{"the identity by its client id", injection.Rule{Identity: string(one.AppID)}, "m", byOne, true},
		{"the identity by its resource id", injection.Rule{Identity: one.Resource.String()}, "m", askToken + "&object_id=" + string(one.ID), true},
		{"the only identity, which is chosen by nobody", injection.Rule{Identity: string(one.AppID)}, "other", askToken, true},
		{"the identity where another is asked for", injection.Rule{Identity: string(one.AppID)}, "m", askToken, false},
		{"an identity on what has none", injection.Rule{Identity: string(one.AppID)}, "m", askInstance, false},
		{"token", injection.Rule{Endpoint: injection.Token}, "m", askToken, true},
		{"token is not info", injection.Rule{Endpoint: injection.Token}, "m", "identity/info?api-version=2018-02-01", false},
		{"info", injection.Rule{Endpoint: injection.Info}, "m", "identity/info?api-version=2018-02-01", true},
		{"instance, below it", injection.Rule{Endpoint: injection.Instance}, "m", "instance/compute/name?api-version=2021-02-01&format=text", true},
		{"versions", injection.Rule{Endpoint: injection.Versions}, "m", "versions", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.Faults.Clear("")
			c.rule.Effect = injection.Effect{Status: 599}
			w.fail(c.rule)
			want := 200
			if c.hit {
				want = 599
			}
			if rec := w.vm(c.machine).get(c.path); rec.Code != want {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
}

// TestFaultsSpareTheProbe: what the service refuses before it looks at
// anything is refused as ever, and counts for no rule.
func TestFaultsSpareTheProbe(t *testing.T) {
	w, _ := faultyWorld(t)
	w.putVM("m", true, nil)
	w.fail(injection.Rule{Effect: injection.Effect{Delay: injection.MaxDelay, Status: 500}, Count: 1})
	for name, c := range map[string]struct {
		path   string
		header http.Header
		status int
	}{
		"no Metadata header":     {askToken, nil, 400},
		"forwarded":              {askToken, http.Header{"Metadata": {"true"}, "X-Forwarded-For": {"192.0.2.1"}}, 400},
		"the newer flow's probe": {"identity/getplatformmetadata?cred-api-version=2.0", http.Header{"Metadata": {"true"}}, 404},
		"nothing there":          {"nothing", http.Header{"Metadata": {"true"}}, 404},
	} {
		r := httptest.NewRequest("GET", "http://169.254.169.254/metadata/"+c.path, nil)
		r.Header = c.header
		rec := httptest.NewRecorder()
		w.Machine(vmID("m")).VM().ServeHTTP(rec, r)
		if rec.Code != c.status {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	if all := w.Faults.List(); all[0].Hits != 0 {
		t.Errorf("%+v", all)
	}
}

func TestDelay(t *testing.T) {
	w, _ := faultyWorld(t)
	w.fail(injection.Rule{Effect: injection.Effect{Delay: 2 * time.Second, Status: 503}})
	h := w.Machine(vmID("m")).VM()
	synctest.Test(t, func(t *testing.T) {
		ask := func(ctx context.Context) (rec *httptest.ResponseRecorder, took time.Duration, aborted any) {
			r := httptest.NewRequestWithContext(ctx, "GET", "http://169.254.169.254/metadata/"+askInstance, nil)
			r.Header.Set("Metadata", "true")
			rec = httptest.NewRecorder()
			begin := time.Now()
			defer func() { aborted, took = recover(), time.Since(begin) }()
			h.ServeHTTP(rec, r)
			return rec, took, nil
		}
		if rec, took, aborted := ask(t.Context()); rec.Code != 503 || took != 2*time.Second || aborted != nil {
			t.Error(rec.Code, took, aborted)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, took, aborted := ask(ctx); aborted != http.ErrAbortHandler || took != time.Second {
			t.Error("the client has gone, and was waited for:", took, aborted)
		}
	})
}

// TestFailures pins the words of each status that clients are known to try
// again, and of those without words of their own.
func TestFailures(t *testing.T) {
	for status, want := range map[int][2]string{
		400: {`{ "error": "Bad request. The request is not valid" }`, `{"error":"invalid_request","error_description":"The request is not valid"}`},
		403: {`{ "error": "Forbidden" }`, `{"error":"access_denied","error_description":"Access is denied"}`},
		404: {`{ "error": "Not found" }`, `{"error":"Not Found"}`},
		405: {`{ "error": "Method not allowed" }`, `{"error":"method_not_allowed","error_description":"The method is not allowed"}`},
		408: {`{ "error": "Request Timeout" }`, `{"error":"invalid_request","error_description":"Request Timeout"}`},
		410: {`{ "error": "Gone" }`, `{"error":"service_unavailable","error_description":"The service is being updated, retry within 70 seconds"}`},
		429: {`{ "error": "Too many requests" }`, `{"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}`},
		500: {`{ "error": "Internal server error" }`, `{"error":"server_error","error_description":"The service failed, retry later"}`},
		502: {`{ "error": "Bad Gateway" }`, `{"error":"server_error","error_description":"Bad Gateway"}`},
		503: {`{ "error": "Service unavailable" }`, `{"error":"service_unavailable","error_description":"The service is not available, retry later"}`},
		504: {`{ "error": "Gateway Timeout" }`, `{"error":"server_error","error_description":"Gateway Timeout"}`},
		599: {`{ "error": "Status 599" }`, `{"error":"server_error","error_description":"Status 599"}`},
	} {
		for i, path := range []string{"/metadata/instance", "/metadata/identity/oauth2/token"} {
			rec := httptest.NewRecorder()
			fail(rec, httptest.NewRequest("GET", path, nil), failure(status))
			if rec.Code != status || rec.Body.String() != want[i] {
				t.Errorf("%d %s, want %d %s", rec.Code, rec.Body, status, want[i])
			}
		}
	}
}
