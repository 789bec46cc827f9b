package imds

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// The hot paths of design.md section 12, each beside a bare handler that
// writes the same body with the same headers.

const (
	tokenPath    = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"
	instancePath = "/metadata/instance?api-version=2021-02-01"
)

func benchMachine(b *testing.B) http.Handler {
	w := newWorld(b)
	w.putVM("m", true, full)
	return w.Machine(vmID("m")).VM()
}

// bare answers as h does now, and always.
func bare(b *testing.B, h http.Handler, path string) http.Handler {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, benchRequest(path))
	if rec.Code != 200 {
		b.Fatal(rec.Code, rec.Body)
	}
	body, header := rec.Body.Bytes(), rec.Header()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range header {
			w.Header().Set(name, header.Get(name))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(200)
		w.Write(body)
	})
}

func benchRequest(path string) *http.Request {
	r := httptest.NewRequest("GET", "http://169.254.169.254"+path, nil)
	r.Header.Set("Metadata", "true")
	return r
}

func BenchmarkHandler(b *testing.B) {
	h := benchMachine(b)
	for _, c := range []struct{ name, path string }{{"token", tokenPath}, {"instance", instancePath}} {
		for _, side := range []struct {
			name string
			h    http.Handler
		}{{"midas", h}, {"bare", bare(b, h, c.path)}} {
			b.Run(c.name+"/"+side.name, func(b *testing.B) {
				r := benchRequest(c.path)
				w := &discard{header: http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					side.h.ServeHTTP(w, r)
				}
			})
		}
	}
}

// discard is a response that goes nowhere.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

func BenchmarkLoopback(b *testing.B) {
	h := benchMachine(b)
	for _, c := range []struct{ name, path string }{{"token", tokenPath}, {"instance", instancePath}} {
		for _, side := range []struct {
			name string
			h    http.Handler
		}{{"midas", h}, {"bare", bare(b, h, c.path)}} {
			b.Run(c.name+"/"+side.name, func(b *testing.B) { loopback(b, side.h, c.path) })
		}
	}
}

// loopback sends requests one after another over one raw connection, so that
// nearly all that is measured is the server's.
func loopback(b *testing.B, h http.Handler, path string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() {
		s.Shutdown(context.Background())
		<-done
	}()
	conn, err := net.DialTimeout("tcp", l.Addr().String(), time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n")
	size := answerSize(b, h, path)
	buf := make([]byte, size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// answerSize is the length of an answer on the wire: every one has the same.
func answerSize(b *testing.B, h http.Handler, path string) int {
	s := httptest.NewServer(h)
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err != nil {
		b.Fatal(err)
	}
	return len(all) - len("Connection: close\r\n")
}
