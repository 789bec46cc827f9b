package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// aMachine has a metadata service, and another endpoint on its loopback.
func aMachine(name string) Grant {
	return Grant{Endpoints: map[string]http.Handler{"169.254.169.254:80": endpointSaying(name), "127.0.0.1:50342": endpointSaying(name + "'s own")}}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	token, _ := w.open(Grant{})
	if status, body := w.get(w.client(token), "https://"+cloudName+"/"); status != 200 || body != "cloud example.com HTTP/2.0" {
		t.Errorf("h2: %d %q", status, body)
	}
	c := w.client(token)
	c.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	c.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
	if status, body := w.get(c, "https://EXAMPLE.com/"); status != 200 || !strings.HasSuffix(body, "HTTP/1.1") {
		t.Errorf("http/1.1: %d %q", status, body)
	}
}

// TestTLSIsForTheDoors holds that the front port is what it was for who comes without a proxy.
func TestTLSIsForTheDoors(t *testing.T) {
	w := newWorld(t)
	direct := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.ca, ServerName: cloudName}}}
	defer direct.CloseIdleConnections()
	if status, body := w.get(direct, "https://"+w.addr+"/"); status != 200 || !strings.HasPrefix(body, "cloud ") {
		t.Errorf("%d %q", status, body)
	}
}

func TestEndpoints(t *testing.T) {
	w := newWorld(t)
	token, _ := w.open(aMachine("vm"))
	c := w.client(token)
	for target, want := range map[string]string{
		"http://169.254.169.254/a?b=c":      "vm 169.254.169.254 /a?b=c",
		"http://169.254.169.254:80/":        "vm 169.254.169.254:80 /",
		"http://169.254.169.254:50342/x":    "vm's own 127.0.0.1:50342 /x",
		"http://169.254.169.254./metadata/": "vm 169.254.169.254. /metadata/",
	} {
		if status, body := w.get(c, target); status != 200 || body != want {
			t.Errorf("%s gives %d %q, want %q", target, status, body, want)
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST", "127.0.0.1", "[::1]"} { // Go itself asks no proxy for these
		k := w.dial()
		k.send("GET http://%s:50342/x HTTP/1.1\r\nHost: evil.example\r\n%s\r\n", host, basic(token))
		if resp, body := k.answer("GET"); resp.StatusCode != 200 || body != "vm's own "+host+":50342 /x" {
			t.Errorf("%s gives %d %q", host, resp.StatusCode, body)
		}
	}
}

// TestEndpointSeesTheRequest holds that the proxy takes its own headers away,
// and neither adds nor hides what says that a request was forwarded.
func TestEndpointSeesTheRequest(t *testing.T) {
	w := newWorld(t)
	token, _ := w.open(aMachine("vm"))
	k := w.dial()
	k.send("GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\nConnection: X-Forwarded-For\r\nX-Forwarded-For: 10.0.0.1\r\n%s\r\n", basic(token))
	if _, body := k.answer("GET"); body != "vm 169.254.169.254 / X-Forwarded-For=10.0.0.1" {
		t.Errorf("the endpoint saw %q", body)
	}
	k.send("GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\n%s\r\n", basic(token))
	if _, body := k.answer("GET"); body != "vm 169.254.169.254 /" {
		t.Errorf("the endpoint saw %q", body)
	}
}

// TestEndpointByTunnel: some clients ask for a tunnel for plain HTTP, too.
func TestEndpointByTunnel(t *testing.T) {
	w := newWorld(t)
	token, end := w.open(aMachine("vm"))
	k := w.dial()
	k.send("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n%s\r\nGET /early HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n", basic(token))
	if resp, _ := k.answer("CONNECT"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	if _, body := k.answer("GET"); body != "vm 169.254.169.254 /early" {
		t.Errorf("the first answer is %q", body)
	}
	k.send("GET /again HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")
	if _, body := k.answer("GET"); body != "vm 169.254.169.254 /again" {
		t.Errorf("the second answer is %q", body)
	}
	end()
	k.ended()
}

// TestCredential: a client may come without one, and try again with one on the
// same connection. A refused tunnel ends the connection.
func TestCredential(t *testing.T) {
	w := newWorld(t)
	token, end := w.open(aMachine("vm"))
	get := "GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\n%s\r\n"
	k := w.dial()
	for _, bad := range []string{
		"", basic("guess"), basic(""), "Proxy-Authorization: Bearer " + token + "\r\n", "Proxy-Authorization: Basic !\r\n",
		"Authorization" + strings.TrimPrefix(basic(token), "Proxy-Authorization"), basic(token) + basic(token), basic(token[1:]), basic(token + "A"),
	} {
		k.send(get, bad)
		resp, body := k.answer("GET")
		if resp.StatusCode != 407 || resp.Header.Get("Proxy-Authenticate") != `Basic realm="midas"` || !strings.Contains(body, codeCredential) || strings.Contains(body, "vm") {
			t.Errorf("%q gives %d %q", bad, resp.StatusCode, body)
		}
	}
	k.send(get, basic(token))
	if resp, body := k.answer("GET"); resp.StatusCode != 200 {
		t.Errorf("with the credential: %d %q", resp.StatusCode, body)
	}
	refused := w.dial()
	refused.send("CONNECT %s:443 HTTP/1.1\r\nHost: x\r\n\r\n", cloudName)
	if resp, _ := refused.answer("CONNECT"); resp.StatusCode != 407 || !resp.Close {
		t.Errorf("a tunnel without a credential: %s, close %v", resp.Status, resp.Close)
	}
	refused.ended()
	end()
	k.send(get, basic(token))
	if resp, _ := k.answer("GET"); resp.StatusCode != 407 {
		t.Errorf("after its end the credential gives %s", resp.Status)
	}
	if log := w.log.String(); strings.Contains(log, token) || strings.Contains(log, "Basic ") || !strings.Contains(log, "status=407") {
		t.Errorf("the log says %s", log)
	}
}

func TestOnlyTheHashIsKept(t *testing.T) {
	w := newWorld(t)
	token, end := w.open(aMachine("vm"))
	if kept := fmt.Sprintf("%#v", w.door.leases); strings.Contains(kept, token) || len(w.door.leases) != 1 {
		t.Errorf("kept: %s", kept)
	}
	end()
	w.door.mu.Lock()
	defer w.door.mu.Unlock()
	for len(w.door.leases) > 0 { // forgotten soon after its end
		w.door.mu.Unlock()
		w.door.mu.Lock()
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	own := otherHost(t, endpointSaying("other"))
	alone, _ := w.open(Grant{})
	vm, _ := w.open(aMachine("vm"))
	out, _ := w.open(Grant{Egress: true})
	for _, c := range []struct {
		token, method, target string
		status                int
		code                  string
	}{
		{alone, "GET", "http://169.254.169.254/metadata/versions", 403, codeClosed},
		{alone, "GET", "http://localhost:50342/", 403, codeClosed},
		{alone, "CONNECT", "169.254.169.254:80", 403, codeClosed},
		{vm, "CONNECT", "169.254.169.254:443", 403, codeClosed},
		{vm, "GET", "http://169.254.169.254:8080/", 403, codeClosed},
		{vm, "GET", "http://169.254.169.254.evil.example/", 403, codeClosed},
		{vm, "GET", "http://evil.example/metadata/identity/oauth2/token", 403, codeClosed},
		{vm, "GET", own.String(), 403, codeClosed},
		{vm, "CONNECT", own.Host, 403, codeClosed},
		{vm, "CONNECT", "elsewhere.example:443", 403, codeClosed},
		{vm, "CONNECT", cloudName + ":80", 403, codeName},
		{vm, "GET", "http://" + cloudName + "/", 403, codeName},
		{vm, "GET", "http://" + cloudName + ":443/", 403, codeName},
		{vm, "GET", "https://" + cloudName + "/", 400, codeNotTunnelled},
		{vm, "GET", "ftp://" + cloudName + "/", 400, codeTarget},
		{vm, "GET", "http://m:p@169.254.169.254/", 400, codeTarget},
		{vm, "CONNECT", cloudName, 400, codeTarget},
		{vm, "CONNECT", cloudName + ":0", 400, codeTarget},
		{vm, "GET", "/metadata/identity/oauth2/token", 400, codeNoProxyRequest},
		// Other hosts are reached, but never the cloud's names in another way,
		// another cloud's metadata service, or the proxy itself.
		{out, "CONNECT", cloudName + ":80", 403, codeName},
		{out, "GET", "http://" + cloudName + "/", 403, codeName},
		{out, "GET", "http://" + strings.ToUpper(cloudName) + "./", 403, codeName},
		{out, "GET", "http://169.254.169.254/metadata/instance", 403, codeAddress},
		{out, "CONNECT", "169.254.169.254:80", 403, codeAddress},
		{out, "CONNECT", "[::ffff:169.254.169.254]:80", 403, codeAddress},
		{out, "CONNECT", "168.63.129.16:80", 403, codeAddress},
		{out, "CONNECT", w.addr, 403, codeAddress},
		{out, "GET", "http://" + w.addr + "/", 403, codeAddress},
		{out, "GET", "http://" + strings.Replace(w.addr, "127.0.0.1", "localhost", 1) + "/", 403, codeAddress},
		{out, "CONNECT", strings.Replace(w.addr, "127.0.0.1", "0.0.0.0", 1), 403, codeAddress},
		{out, "CONNECT", closedAddress(t), 502, codeUnreachable},
	} {
		k := w.dial()
		k.send("%s %s HTTP/1.1\r\nHost: 169.254.169.254\r\n%s\r\n", c.method, c.target, basic(c.token))
		resp, body := k.answer(c.method)
		if resp.StatusCode != c.status || !strings.Contains(body, `"code":"`+c.code+`"`) || !strings.Contains(body, `"message":"`) {
			t.Errorf("%s %s gives %d %s, want %d %s", c.method, c.target, resp.StatusCode, body, c.status, c.code)
		}
		if (c.method == "CONNECT") != resp.Close {
			t.Errorf("%s %s: the connection's end is %v", c.method, c.target, resp.Close)
		}
	}
}

// closedAddress is one on which nobody listens.
func closedAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestHeadersTooLarge(t *testing.T) {
	w := newWorld(t)
	token, _ := w.open(Grant{})
	k := w.dial()
	k.send("GET http://elsewhere.example/ HTTP/1.1\r\nHost: x\r\n%sX: %s\r\n\r\n", basic(token), strings.Repeat("x", 70_000))
	if resp, body := k.answer("GET"); resp.StatusCode != 431 {
		t.Errorf("%s %q", resp.Status, body)
	}
}

// TestTunnelsEndWithTheLease cuts a tunnel to the cloud's names, and leaves
// those of another lease.
func TestTunnelsEndWithTheLease(t *testing.T) {
	w := newWorld(t)
	token, end := w.open(Grant{})
	other, _ := w.open(Grant{})
	tunnel := func(token string) (*conn, *tls.Conn) {
		k := w.dial()
		k.send("CONNECT %s:443 HTTP/1.1\r\nHost: x\r\n%s\r\n", cloudName, basic(token))
		if resp, _ := k.answer("CONNECT"); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		s := tls.Client(k.Conn, &tls.Config{RootCAs: w.ca, ServerName: cloudName})
		if err := s.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return k, s
	}
	_, cut := tunnel(token)
	_, kept := tunnel(other)
	end()
	if n, err := cut.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes came after the end", n)
	}
	ask := conn{kept, t, bufio.NewReader(kept)}
	ask.send("GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cloudName)
	if resp, body := ask.answer("GET"); resp.StatusCode != 200 {
		t.Errorf("the other lease's tunnel: %s %q", resp.Status, body)
	}
}

func TestTunnelsOfALeaseAreBounded(t *testing.T) {
	w := newWorld(t)
	token, _ := w.open(aMachine("vm"))
	l, ok := w.door.leaseOf(&http.Request{Header: http.Header{"Proxy-Authorization": {strings.TrimSpace(strings.TrimPrefix(basic(token), "Proxy-Authorization: "))}}})
	if !ok {
		t.Fatal("there is no lease")
	}
	l.tunnels.Store(maxTunnels - 1)
	last := w.dial()
	last.send("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n%s\r\n", basic(token))
	if resp, _ := last.answer("CONNECT"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	more := w.dial()
	more.send("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n%s\r\n", basic(token))
	if resp, body := more.answer("CONNECT"); resp.StatusCode != 503 || !strings.Contains(body, codeTunnels) {
		t.Errorf("%s %q", resp.Status, body)
	}
	last.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	last.answer("GET")
	last.ended()
	if n := l.tunnels.Load(); n != maxTunnels-1 {
		t.Errorf("%d tunnels are counted after one has ended", n)
	}
}

// TestMachinesNeverShareAnEndpoint asks as many machines at once, by
// connections of their own and by one for all.
func TestMachinesNeverShareAnEndpoint(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	shared := w.dial()
	var sharing sync.Mutex
	for i := range 32 {
		wg.Go(func() {
			name := fmt.Sprintf("vm%02d", i)
			token, end := w.open(aMachine(name))
			defer end()
			c := w.client(token)
			for range 10 {
				if _, body := w.get(c, "http://169.254.169.254/"); body != name+" 169.254.169.254 /" {
					t.Errorf("%s got %q", name, body)
				}
				sharing.Lock()
				shared.send("GET http://localhost:50342/ HTTP/1.1\r\nHost: x\r\n%s\r\n", basic(token))
				if _, body := shared.answer("GET"); !strings.HasPrefix(body, name+"'s own") {
					t.Errorf("%s got %q", name, body)
				}
				sharing.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestEgress(t *testing.T) {
	w := newWorld(t)
	other := otherHost(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %d %v proxy=%q for=%q", r.Method, r.Host, r.RequestURI, len(b), err, r.Header.Get("Proxy-Authorization")+r.Header.Get("Via"), r.Header.Get("X-Forwarded-For"))
	}))
	token, _ := w.open(Grant{Egress: true})
	k := w.dial()
	body := strings.Repeat("x", 5<<20) // more than any door of ours takes
	k.send("POST %s/p?a=%%zz&b;c HTTP/1.1\r\nHost: other\r\nContent-Length: %d\r\nX-Forwarded-For: 10.0.0.1\r\n%s\r\n%s", other, len(body), basic(token), body)
	want := fmt.Sprintf(`POST %s /p?a=%%zz&b;c %d <nil> proxy="" for="10.0.0.1"`, other.Host, len(body))
	if resp, got := k.answer("POST"); resp.StatusCode != 200 || got != want {
		t.Errorf("%s %q, want %q", resp.Status, got, want)
	}
	k.send("CONNECT %s HTTP/1.1\r\nHost: x\r\n%s\r\n", other.Host, basic(token))
	if resp, _ := k.answer("CONNECT"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	k.send("GET /by-tunnel HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if _, got := k.answer("GET"); got != `GET h /by-tunnel 0 <nil> proxy="" for=""` {
		t.Errorf("by tunnel: %q", got)
	}
	k.ended()
}

// TestEgressEndsWithTheLease cuts a tunnel and a request that are under way.
func TestEgressEndsWithTheLease(t *testing.T) {
	w := newWorld(t)
	other := otherHost(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	token, end := w.open(Grant{Egress: true})
	forwarded, tunnelled := w.dial(), w.dial()
	forwarded.send("GET %s/ HTTP/1.1\r\nHost: x\r\n%s\r\n", other, basic(token))
	tunnelled.send("CONNECT %s HTTP/1.1\r\nHost: x\r\n%s\r\n", other.Host, basic(token))
	if resp, _ := tunnelled.answer("CONNECT"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	tunnelled.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	var answers []*http.Response
	for _, k := range []*conn{forwarded, tunnelled} {
		resp, err := http.ReadResponse(k.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, resp)
	}
	end()
	for _, resp := range answers {
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("an answer ended as if it were whole")
		}
	}
}

func TestOpenRefusesWhatIsNoAddress(t *testing.T) {
	d := &Door{}
	if _, err := d.Open(t.Context(), Grant{Endpoints: map[string]http.Handler{"localhost": http.NotFoundHandler()}}); err == nil {
		t.Error("it was opened")
	}
}

// FuzzTarget holds that what is taken for a target names one host and one port,
// and that no spelling of a name gets by the test for the cloud's own.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"example.com:443", "EXAMPLE.COM.:443", "169.254.169.254:80", "[::1]:80", "[::ffff:169.254.169.254]:80", "[fe80::1%25eth0]:80", ":443", "a:b", "a:+1", "a:0", "a:65536", "a b:1", "[::1", "a..b:1", "user@h:1", "h:1/x"} {
		f.Add(s, "80")
	}
	f.Fuzz(func(t *testing.T, s, otherwise string) {
		got, err := parseTarget(s, otherwise)
		if err != nil {
			if got != (target{}) {
				t.Errorf("%q fails and is %v", s, got)
			}
			return
		}
		if got.port == 0 || got.host == "" || got.host != strings.ToLower(got.host) || strings.HasSuffix(got.host, ".") || strings.ContainsAny(got.host, "/@ \x00[]%\r\n") {
			t.Errorf("%q is %+v", s, got)
		}
		again, err := parseTarget(got.String(), "")
		if err != nil || again != got {
			t.Errorf("%q is %v, which is %v, %v", s, got, again, err)
		}
	})
}

// FuzzRequest holds that no request without a credential gets anything but a
// refusal, whatever its target and headers are.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{"http://169.254.169.254/", "example.com:443", "/", "*", "http://localhost:50342/x?y", "https://example.com/", "//h/p", "http://[::1]:50342/"} {
		f.Add("GET", s, "Basic bTp0")
		f.Add("CONNECT", s, "")
	}
	w := &world{log: &safeBuffer{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	w.door = quietDoor(l)
	if _, err := w.door.Open(f.Context(), aMachine("vm")); err != nil {
		f.Fatal(err)
	}
	h := w.door.routes()
	f.Fuzz(func(t *testing.T, method, target, credential string) {
		u, err := url.ParseRequestURI(target)
		if method == http.MethodConnect {
			u, err = &url.URL{Host: target}, nil
		}
		if err != nil {
			return
		}
		r := &http.Request{Method: method, URL: u, Host: u.Host, RequestURI: target, Header: http.Header{"Proxy-Authorization": {credential}}, Body: http.NoBody}
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r.WithContext(t.Context()))
		if out.Code != 400 && out.Code != 407 && out.Code != 431 || strings.Contains(out.Body.String(), "vm") {
			t.Errorf("%s %q gives %d %s", method, target, out.Code, out.Body)
		}
	})
}
