package keyvault

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// discard is a response writer that costs next to nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func serve(b *testing.B, h http.Handler, r *http.Request) {
	b.ReportAllocs()
	w := &discard{http.Header{}}
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

func benchWorld(b *testing.B) *world {
	w := newWorld(b)
	w.door.Log = slog.New(slog.DiscardHandler)
	w.handler = w.door.Routes()
	for _, host := range []string{policyHost, roleHost} {
		w.want(200, "", "admin", "PUT", "https://"+host+"/secrets/s"+api, `{"value":"TheCakeIsALie"}`)
	}
	return w
}

func (w *world) getRequest(host string) *http.Request {
	r := httptest.NewRequest("GET", "https://"+host+"/secrets/s"+api, nil)
	r.Header.Set("Authorization", "Bearer "+w.token("reader"))
	return r
}

// BenchmarkGet is a secret's value for a bearer that was seen before, by
// access policy and by role.
func BenchmarkGet(b *testing.B) {
	w := benchWorld(b)
	for name, host := range map[string]string{"policy": policyHost, "role": roleHost} {
		b.Run(name, func(b *testing.B) { serve(b, w.handler, w.getRequest(host)) })
	}
}

// BenchmarkBare is the limit of BenchmarkGet: a handler with the same body.
func BenchmarkBare(b *testing.B) {
	w := benchWorld(b)
	r := w.getRequest(policyHost)
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	body := out.Body.Bytes()
	serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Write(body)
	}), r)
}

// BenchmarkOverTLS is BenchmarkGet and BenchmarkBare as a client over TLS on a
// kept connection sees them, client included.
func BenchmarkOverTLS(b *testing.B) {
	w := benchWorld(b)
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, w.getRequest(policyHost))
	body := out.Body.Bytes()
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
	for name, h := range map[string]http.Handler{"get": w.handler, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewTLSServer(h)
			defer server.Close()
			b.ReportAllocs()
			for b.Loop() {
				r, _ := http.NewRequest("GET", server.URL+"/secrets/s"+api, nil)
				r.Host = policyHost
				r.Header.Set("Authorization", "Bearer "+w.token("reader"))
				resp, err := server.Client().Do(r)
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(resp, err)
				}
				io.Copy(io.Discard, resp.Body) // or the connection is not kept
				resp.Body.Close()
			}
		})
	}
}

// BenchmarkSet is a durable write.
func BenchmarkSet(b *testing.B) {
	w := benchWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		w.want(200, "", "admin", "PUT", "https://"+policyHost+"/secrets/s"+api, `{"value":"TheCakeIsALie"}`)
	}
}
