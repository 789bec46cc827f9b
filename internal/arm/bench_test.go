package arm_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"midas/internal/rbac"
)

// BenchmarkGet is GET by id, with its token seen before and a role assignment
// looked up, beside a bare handler that writes the same answer (design.md
// section 12).
func BenchmarkGet(b *testing.B) {
	w := newWorld(b)
	for _, s := range []struct{ do, body string }{
		{"PUT $RG", `{"location":"westus"}`},
		{"PUT $RG/providers/$VMS/vm1", `{"location":"westus","tags":{"team":"blue"},"identity":{"type":"SystemAssigned"},"properties":{"hardwareProfile":{"vmSize":"Standard_B1s"},"osProfile":{"adminUsername":"ada"}}}`},
	} {
		if a := w.send(b, w.request("", s.do, s.body)); a.status != 201 {
			b.Fatal(a.status, a.body)
		}
	}
	w.grant("app", rbac.Reader, "$RG")
	a := w.send(b, w.request("app", "GET $RG/providers/$VMS/vm1", ""))
	if a.status != 200 {
		b.Fatal(a.status, a.body)
	}
	body := []byte(a.body)
	bare := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		for name := range a.header {
			rw.Header().Set(name, a.header.Get(name))
		}
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
		rw.WriteHeader(200)
		rw.Write(body)
	})
	for _, side := range []struct {
		name string
		h    http.Handler
	}{{"midas", w.door}, {"bare", bare}} {
		b.Run(side.name, func(b *testing.B) {
			r := w.request("app", "GET $RG/providers/$VMS/vm1", "")
			out := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(out.header)
				side.h.ServeHTTP(out, r)
			}
			if out.status != 200 {
				b.Fatal(out.status)
			}
		})
	}
}

// BenchmarkGetLoopback is the same over a connection, where a request costs
// what it costs in use.
func BenchmarkGetLoopback(b *testing.B) {
	w := newWorld(b)
	if a := w.send(b, w.request("", "PUT $RG", `{"location":"westus"}`)); a.status != 201 {
		b.Fatal(a.status, a.body)
	}
	a := w.send(b, w.request("", "GET $RG", ""))
	for _, side := range []struct {
		name string
		h    http.Handler
	}{{"midas", w.door}, {"bare", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { rw.Write([]byte(a.body)) })}} {
		b.Run(side.name, func(b *testing.B) {
			server := httptest.NewServer(side.h)
			defer server.Close()
			r, err := http.NewRequest("GET", server.URL+w.expand("$RG?$V"), nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+w.tokens["operator"])
			client := server.Client()
			b.ReportAllocs()
			for b.Loop() {
				res, err := client.Do(r)
				if err != nil || res.StatusCode != 200 {
					b.Fatal(res, err)
				}
				io.Copy(io.Discard, res.Body) // so that the connection is used again
				res.Body.Close()
			}
		})
	}
}

// discard is a response that goes nowhere.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
