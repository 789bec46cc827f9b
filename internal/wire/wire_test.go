package wire

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/fault"
)

// testDoor writes failures as their code, with the status the test wants to see.
func testDoor(log *bytes.Buffer, record func(Event)) Door {
	return Door{Name: "test", Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil)), Record: record,
		Fail: func(w http.ResponseWriter, r *http.Request, err error) string {
			f, ok := errors.AsType[*fault.Error](err)
			if !ok {
				http.Error(w, "internal", 500)
				return "Internal"
			}
			http.Error(w, f.Code, 400)
			return f.Code
		}}
}

func TestDoor(t *testing.T) {
	guid := azure.NewGUID()
	for _, c := range []struct {
		name    string
		handler Handler
		change  func(*http.Request)
		status  int
		code    string
		logs    string
	}{
		{"an answer", func(w http.ResponseWriter, r *http.Request) error {
			return WriteJSON(w, 201, map[string]string{"a": "<b>"})
		}, nil, 201, "", ""},
		{"a fault", func(http.ResponseWriter, *http.Request) error { return fault.New(fault.Invalid, "bad").Named("Bad") }, nil, 400, "Bad", "code=Bad"},
		{"a bug", func(http.ResponseWriter, *http.Request) error { return errors.New("boom") }, nil, 500, "Internal", "err=boom"},
		{"a panic", func(http.ResponseWriter, *http.Request) error { panic("oops") }, nil, 500, "Internal", "oops"},
		{"too many headers", func(http.ResponseWriter, *http.Request) error { return nil }, func(r *http.Request) { r.Header.Set("X", strings.Repeat("x", MaxHeader)) }, 400, CodeHeadersTooLarge, CodeHeadersTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			var got Event
			r := httptest.NewRequest("POST", "/p?secret=s3cret", strings.NewReader("b0dy"))
			r.Header.Set("X-Ms-Client-Request-Id", guid)
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			testDoor(&log, func(e Event) { got = e }).Handle(c.handler).ServeHTTP(w, r)
			if w.Code != c.status || got.Status != c.status || got.Code != c.code || got.CorrelationID != guid || got.RequestID == "" {
				t.Errorf("status %d, event %+v", w.Code, got)
			}
			if !strings.Contains(log.String(), c.logs) || strings.Contains(log.String(), "s3cret") || strings.Contains(log.String(), "b0dy") {
				t.Errorf("the log is %q", log.String())
			}
			if c.status >= 400 && !strings.Contains(log.String(), got.RequestID) {
				t.Errorf("the log lacks the request id: %q", log.String())
			}
			if c.status == 500 && strings.Contains(w.Body.String(), "boom") {
				t.Error("internal text crossed")
			}
		})
	}
}

func TestBody(t *testing.T) {
	for _, c := range []struct{ contentType, body, code string }{
		{"application/json; charset=utf-8", "{}", ""},
		{"", "{}", ""},
		{"application/merge-patch+json", "{}", ""},
		{"application/x-www-form-urlencoded", "a=b", CodeUnsupportedMedia},
		{"a/b/c\x7f", "", CodeUnsupportedMedia},
		{"application/json", strings.Repeat("x", 100), CodeBodyTooLarge},
	} {
		r := httptest.NewRequest("PUT", "/", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.contentType)
		b, err := JSONBody(r, 99)
		f, _ := errors.AsType[*fault.Error](err)
		if c.code == "" && (err != nil || string(b) != c.body) || c.code != "" && (f == nil || f.Code != c.code) {
			t.Errorf("%q %.20q: %q, %v", c.contentType, c.body, b, err)
		}
	}
}

func TestSegments(t *testing.T) {
	r := httptest.NewRequest("GET", "//secrets//a%2Fb/", nil)
	segs, err := Segments(r)
	if diff := cmp.Diff([]string{"secrets", "a/b"}, segs); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestQuery(t *testing.T) {
	r := httptest.NewRequest("GET", "/?api%2Dversion=1&API-Version=1&x=", nil)
	if v, n := Query(r, "api-version"); v != "1" || n != 2 {
		t.Errorf("got %q %d", v, n)
	}
	if _, n := Query(r, "none"); n != 0 {
		t.Errorf("got %d", n)
	}
}

func TestHost(t *testing.T) {
	for in, want := range map[string]string{"KV.Vault.azure.net:443": "kv.vault.azure.net", "a.b.": "a.b", "[::1]:80": "[::1]", "[::1]": "[::1]", "": ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = in
		if got := Host(r); got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
}

func BenchmarkDoor(b *testing.B) {
	var log bytes.Buffer
	h := testDoor(&log, nil).Handle(func(w http.ResponseWriter, r *http.Request) error {
		WriteRaw(w, 200, []byte("{}"))
		return nil
	})
	r := httptest.NewRequest("GET", "/p", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
