package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is a front port with a door behind it that answers for one name.
type world struct {
	t    *testing.T
	door *Door
	addr string
	ca   *x509.CertPool
	log  *safeBuffer
}

// cloudName is the name that the world's certificate is for.
const cloudName = "example.com"

func newWorld(t *testing.T) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, addr: l.Addr().String(), log: &safeBuffer{}, ca: x509.NewCertPool()}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.door = &Door{Now: time.Now, Log: log, Serves: func(host string) bool { return host == cloudName }, Front: NewFront(l)}
	cloud := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "cloud %s %s", r.Host, r.Proto)
	}))
	cloud.Listener.Close()
	cloud.Listener, cloud.EnableHTTP2 = w.door.Front.TLS, true
	cloud.StartTLS()
	w.ca.AddCert(cloud.Certificate())
	plain := w.door.Server()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.door.Front.Run(ctx); err != nil {
			t.Errorf("the front port ended: %v", err)
		}
	})
	running.Go(func() {
		if err := plain.Serve(w.door.Front.Plain); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the proxy ended: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		plain.Close()
		cloud.CloseClientConnections()
		cloud.Close()
		running.Wait()
	})
	return w
}

// open gives a credential that lasts as long as the test, or until end.
func (w *world) open(g Grant) (token string, end context.CancelFunc) {
	w.t.Helper()
	ctx, end := context.WithCancel(w.t.Context())
	token, err := w.door.Open(ctx, g)
	if err != nil {
		w.t.Fatal(err)
	}
	return token, end
}

// client asks the proxy with a credential, which Go sends unasked.
func (w *world) client(token string) *http.Client {
	proxy := &url.URL{Scheme: "http", Host: w.addr, User: url.UserPassword("m", token)}
	t := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: w.ca}, ForceAttemptHTTP2: true}
	w.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// get returns the status and body of an answer.
func (w *world) get(c *http.Client, target string) (int, string) {
	w.t.Helper()
	resp, err := c.Get(target)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// conn is a client that speaks for itself.
type conn struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (w *world) dial() *conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return &conn{c, w.t, bufio.NewReader(c)}
}

func (c *conn) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.Conn, format, args...); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one answer, of a request by method.
func (c *conn) answer(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	if method == http.MethodConnect && resp.StatusCode == http.StatusOK {
		return resp, ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(b)
}

// ended reads until the other side closes, which is all that it may do.
func (c *conn) ended() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); len(b) > 0 {
		c.t.Errorf("%q came, %v", b, err)
	}
}

// basic is a header with a credential.
func basic(token string) string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("m:"+token)) + "\r\n"
}

// endpointSaying tells what reaches an endpoint.
func endpointSaying(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var odd []string
		for h := range r.Header {
			if strings.HasPrefix(h, "Proxy-") || strings.HasPrefix(h, "X-Forwarded") || h == "Via" || h == "Forwarded" {
				odd = append(odd, h+"="+r.Header.Get(h))
			}
		}
		fmt.Fprint(w, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", name, r.Host, r.RequestURI, strings.Join(odd, " "))))
	})
}

// safeBuffer is a log that several write to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// otherHost is a server of somebody else's, on this machine.
func otherHost(t *testing.T, h http.Handler) *url.URL {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// quietDoor is a door on a listener that nobody parts.
func quietDoor(l net.Listener) *Door {
	return &Door{Now: time.Now, Log: slog.New(slog.DiscardHandler), Serves: func(host string) bool { return host == cloudName }, Front: NewFront(l)}
}
