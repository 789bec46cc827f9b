package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/fault"
	"midas/internal/wire"
)

var sample = Status{
	Endpoint: "127.0.0.1:7443", PID: 42, Version: "1.2.3", Cloud: "AzureCloud", TenantID: "t", SubscriptionID: "s",
	DataDir: "/d", CAFile: "/d/ca.pem", BundleFile: "/d/bundle.pem", ControlSocket: "/d/control.sock",
	Endpoints: Endpoints{Login: "https://login.microsoftonline.com", ResourceManager: "https://management.azure.com", Graph: "https://graph.microsoft.com", VaultSuffix: "vault.azure.net", WorkloadIssuer: "https://midas.oic.prod-aks.azure.com/t/"},
	Sample:    &Sample{ResourceGroup: "midas-sample", VM: "ubuntu", Vault: "kv", VaultURI: "https://kv.vault.azure.net/", Secret: "portal-phrase"},
}

// testDoor answers with fixed values, and with the fault named by a request.
func testDoor() Door {
	return Door{
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Status: func() Status { return sample },
		Token: func(_ context.Context, resource string) (Token, error) {
			if resource == "boom" {
				return Token{}, errors.New("s3cret inner state")
			}
			return Token{AccessToken: "tok", ExpiresOn: 1700000000, TokenType: "Bearer", Resource: resource}, nil
		},
		Why: func(_ context.Context, q WhyRequest) (WhyAnswer, error) {
			if q.Action == "none" {
				return WhyAnswer{}, fault.New(fault.NotFound, "no such principal\nhint: list them").Named("PrincipalNotFound")
			}
			return WhyAnswer{Allowed: true, Reason: q.Action + " at " + q.Scope, Assignment: "/a"}, nil
		},
		CreateServicePrincipal: func(_ context.Context, q ServicePrincipalRequest) (ServicePrincipal, error) {
			return ServicePrincipal{AppID: "a", DisplayName: q.Name, ObjectID: "o", Password: "p", Tenant: "t"}, nil
		},
		Clock: func() Clock { return testClock },
		AdvanceClock: func(_ context.Context, by string) (Clock, error) {
			if by == "-1h" {
				return Clock{}, fault.New(fault.Invalid, "only forward\nhint: say 1h").At("by")
			}
			return Clock{Now: testClock.Now, Offset: by}, nil
		},
		Verify: func(context.Context) (Report, error) {
			return Report{Checks: []Check{{"things", 3, 1}}, Faults: []string{"thing 2 is bad"}}, nil
		},
		Backup: func(_ context.Context, w io.Writer) error { _, err := w.Write([]byte("all of it")); return err },
		Reseal: func(_ context.Context, progress func(Resealed)) (Resealed, error) {
			progress(Resealed{true, 1, 2})
			return Resealed{true, 2, 2}, nil
		},
		WorkloadToken: func(_ context.Context, q WorkloadTokenRequest) (WorkloadToken, error) {
			return WorkloadToken{Token: "tok", ExpiresOn: 1700000000, Issuer: "https://i/", Subject: q.Subject, Audience: "a"}, nil
		},
		Attach: func(_ context.Context, q AttachRequest) (Attachment, error) { return Attachment{VM: q.VM}, nil },
	}
}

var testClock = Clock{Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Offset: "1d1h0m0s", OffsetSeconds: 90000}

// serve runs d on a real socket and returns a client of it.
func serve(t *testing.T, d Door) *Client {
	t.Helper()
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := wire.Server(d.Routes(), slog.New(slog.DiscardHandler))
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		stop()
		s.Shutdown(context.Background())
		<-done
	})
	return Dial(path)
}

// socketPath is short, which t.TempDir may not be.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "midas")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "control.sock")
}

func TestClientAndDoor(t *testing.T) {
	ctx, c := t.Context(), serve(t, testDoor())
	status, err := c.Status(ctx)
	if err != nil || cmp.Diff(sample, status) != "" {
		t.Error(err, cmp.Diff(sample, status))
	}
	token, err := c.Token(ctx, "https://vault.azure.net")
	if want := (Token{"tok", 1700000000, "Bearer", "https://vault.azure.net"}); err != nil || token != want {
		t.Error(token, err)
	}
	why, err := c.Why(ctx, WhyRequest{"p", "a", "/s"})
	if want := (WhyAnswer{Allowed: true, Reason: "a at /s", Assignment: "/a"}); err != nil || why != want {
		t.Error(why, err)
	}
	made, err := c.CreateServicePrincipal(ctx, ServicePrincipalRequest{Name: "n"})
	if want := (ServicePrincipal{AppID: "a", DisplayName: "n", ObjectID: "o", Password: "p", Tenant: "t"}); err != nil || made != want {
		t.Error(made, err)
	}
	_, err = c.Why(ctx, WhyRequest{"p", "none", "/s"})
	want := &fault.Error{Kind: fault.NotFound, Code: "PrincipalNotFound", Message: "no such principal\nhint: list them"}
	if f, _ := errors.AsType[*fault.Error](err); cmp.Diff(want, f) != "" {
		t.Error(cmp.Diff(want, f))
	}
	_, err = c.Token(ctx, "boom")
	if err == nil || strings.Contains(err.Error(), "s3cret") || !fault.Is(err, fault.Unavailable) {
		t.Errorf("inner text crossed, or no fault: %v", err)
	}
}

// TestWire pins the bytes: scripts read them.
func TestWire(t *testing.T) {
	big := `{"resource":"` + strings.Repeat("x", maxBody) + `"}`
	for _, c := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		want                     string
	}{
		{"status", "GET", "/status", "", nil, 200, `{"endpoint":"127.0.0.1:7443","pid":42,"version":"1.2.3","cloud":"AzureCloud","tenantId":"t","subscriptionId":"s","dataDir":"/d","caFile":"/d/ca.pem","bundleFile":"/d/bundle.pem","controlSocket":"/d/control.sock","endpoints":{"login":"https://login.microsoftonline.com","resourceManager":"https://management.azure.com","graph":"https://graph.microsoft.com","vaultSuffix":"vault.azure.net","workloadIssuer":"https://midas.oic.prod-aks.azure.com/t/"},"sample":{"resourceGroup":"midas-sample","vm":"ubuntu","vault":"kv","vaultUri":"https://kv.vault.azure.net/","secret":"portal-phrase"}}`},
		{"token", "POST", "/token", `{"resource":"r"}`, nil, 200, `{"access_token":"tok","expires_on":1700000000,"token_type":"Bearer","resource":"r"}`},
		{"why", "POST", "/why", `{"principal":"p","action":"a","scope":"/s"}`, nil, 200, `{"allowed":true,"reason":"a at /s","assignment":"/a"}`},
		{"service principal", "POST", "/service-principals", `{"name":"n"}`, nil, 200, `{"appId":"a","displayName":"n","objectId":"o","password":"p","tenant":"t"}`},
		{"clock", "GET", "/clock", "", nil, 200, `{"now":"2026-11-20T12:00:00Z","offset":"1d1h0m0s","offsetSeconds":90000}`},
		{"advance", "POST", "/clock/advance", `{"by":"25h"}`, nil, 200, `{"now":"2026-11-20T12:00:00Z","offset":"25h","offsetSeconds":0}`},
		{"back", "POST", "/clock/advance", `{"by":"-1h"}`, nil, 400, `{"error":{"code":"InvalidRequest","message":"only forward","hint":"say 1h"}}`},
		{"nowhere", "POST", "/clock/advance", `{}`, nil, 400, `{"error":{"code":"InvalidRequest","message":"The member 'by' is missing."}}`},
		{"verify", "POST", "/verify", "", nil, 200, `{"checks":[{"what":"things","count":3,"faults":1}],"faults":["thing 2 is bad"]}`},
		{"backup", "POST", "/backup", "", nil, 200, `all of it`},
		{"rotate", "POST", "/seal/rotate", "", nil, 200, `{"progress":{"newKey":true,"resealed":1,"total":2}}` + "\n" + `{"done":{"newKey":true,"resealed":2,"total":2}}` + "\n"},
		{"no name", "POST", "/service-principals", `{}`, nil, 400, `{"error":{"code":"InvalidRequest","message":"The member 'name' is missing."}}`},
		{"workload token", "POST", "/workload/token", `{"subject":"job"}`, nil, 200, `{"token":"tok","expiresOn":1700000000,"issuer":"https://i/","subject":"job","audience":"a"}`},
		{"no subject", "POST", "/workload/token", `{}`, nil, 400, `{"error":{"code":"InvalidRequest","message":"The member 'subject' is missing."}}`},
		{"no resource", "POST", "/token", `{}`, nil, 400, `{"error":{"code":"InvalidRequest","message":"The member 'resource' is missing."}}`},
		{"no scope", "POST", "/why", `{"principal":"p","action":"a"}`, nil, 400, `{"error":{"code":"InvalidRequest","message":"The member 'scope' is missing."}}`},
		{"hint", "POST", "/why", `{"principal":"p","action":"none","scope":"/"}`, nil, 404, `{"error":{"code":"PrincipalNotFound","message":"no such principal","hint":"list them"}}`},
		{"broken JSON", "POST", "/token", `{`, nil, 400, `{"error":{"code":"InvalidRequest","message":"The body is not the JSON that this path takes."}}`},
		{"unknown member", "POST", "/token", `{"resource":"r","x":1}`, nil, 400, `{"error":{"code":"InvalidRequest","message":"The body is not the JSON that this path takes."}}`},
		{"two values", "POST", "/token", `{"resource":"r"}{}`, nil, 400, `{"error":{"code":"InvalidRequest","message":"The body holds more than one JSON value."}}`},
		{"too large", "POST", "/token", big, nil, 413, `{"error":{"code":"RequestEntityTooLarge","message":"The request body is too large; the limit is 65536 bytes."}}`},
		{"a form", "POST", "/token", `resource=r`, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, `{"error":{"code":"UnsupportedMediaType","message":"The content media type 'application/x-www-form-urlencoded' is not supported. Only 'application/json' is supported."}}`},
		{"unknown path", "GET", "/status/", "", nil, 404, `{"error":{"code":"NotFound","message":"There is nothing at this path."}}`},
		{"wrong method", "GET", "/token", "", nil, 405, `{"error":{"code":"MethodNotAllowed","message":"This path takes POST only."}}`},
		{"a page", "GET", "/status", "", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403, `{"error":{"code":"Forbidden","message":"Requests with the header Origin are refused."}}`},
		{"a link", "GET", "/status", "", func(r *http.Request) { r.Header.Set("Referer", "") }, 403, `{"error":{"code":"Forbidden","message":"Requests with the header Referer are refused."}}`},
		{"a rebound name", "GET", "/status", "", func(r *http.Request) { r.Host = "evil.example:80" }, 403, `{"error":{"code":"Forbidden","message":"Requests to this host are refused."}}`},
		{"localhost", "GET", "/none", "", func(r *http.Request) { r.Host = "localhost:1" }, 404, `{"error":{"code":"NotFound","message":"There is nothing at this path."}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://midas"+c.path, strings.NewReader(c.body))
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			testDoor().Routes().ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.want {
				t.Errorf("got %d %s\nwant %d %s", w.Code, w.Body, c.status, c.want)
			}
			if w.Header().Get("X-Ms-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestEveryKindCrosses(t *testing.T) {
	for _, k := range kinds {
		for _, code := range []string{"", "Named"} {
			w := httptest.NewRecorder()
			in := fault.New(k.kind, "m").Named(code)
			fail(w, httptest.NewRequest("GET", "/", nil), in)
			if diff := cmp.Diff(in, faultOf(w.Code, w.Body.Bytes())); diff != "" {
				t.Errorf("%s: %s", k.kind, diff)
			}
		}
	}
	for code := range named {
		w := httptest.NewRecorder()
		fail(w, httptest.NewRequest("GET", "/", nil), fault.New(fault.Invalid, "m").Named(code))
		if f := faultOf(w.Code, w.Body.Bytes()); f.Kind != fault.Invalid || f.Code != code {
			t.Errorf("%s: %v", code, f)
		}
	}
	if f := faultOf(200, []byte("<html>")); f.Kind != fault.Unavailable {
		t.Error(f)
	}
}

func TestAttachIsReleasedWhenTheClientGoes(t *testing.T) {
	for name, leave := range map[string]func(*Attached, context.CancelFunc){
		"close":  func(a *Attached, _ context.CancelFunc) { a.Close() },
		"cancel": func(_ *Attached, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			released := make(chan string, 1)
			d := testDoor()
			d.Attach = func(ctx context.Context, q AttachRequest) (Attachment, error) {
				context.AfterFunc(ctx, func() { released <- q.VM })
				return Attachment{VM: "/vm/" + q.VM, Endpoints: []LocalEndpoint{{"169.254.169.254:80", "/s"}}}, nil
			}
			c := serve(t, d)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a, err := c.Attach(ctx, AttachRequest{VM: "ubuntu"})
			if err != nil || a.VM != "/vm/ubuntu" || a.Socket("169.254.169.254:80") != "/s" || a.Socket("127.0.0.1:80") != "" {
				t.Fatal(a, err)
			}
			if _, err := c.Status(ctx); err != nil { // the door answers others meanwhile
				t.Fatal(err)
			}
			select {
			case <-released:
				t.Fatal("released while the client stays")
			default:
			}
			leave(a, cancel)
			if got := <-released; got != "ubuntu" {
				t.Error(got)
			}
		})
	}
}

func TestAttachThatFailsIsReleased(t *testing.T) {
	released := make(chan struct{})
	d := testDoor()
	d.Attach = func(ctx context.Context, q AttachRequest) (Attachment, error) {
		context.AfterFunc(ctx, func() { close(released) })
		return Attachment{}, fault.New(fault.NotFound, "there is no VM %q", q.VM)
	}
	if a, err := serve(t, d).Attach(t.Context(), AttachRequest{VM: "x"}); !fault.Is(err, fault.NotFound) {
		t.Error(a, err)
	}
	<-released
}

// TestAttachOutlastsTheServersLimits holds an attachment for a day of fake
// time on a server whose requests have a minute.
func TestAttachOutlastsTheServersLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		d := testDoor()
		d.Attach = func(ctx context.Context, _ AttachRequest) (Attachment, error) {
			context.AfterFunc(ctx, func() { close(released) })
			return Attachment{}, nil
		}
		l := &pipe{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		s := wire.Server(d.Routes(), slog.New(slog.DiscardHandler))
		go s.Serve(l)
		ours, theirs := net.Pipe()
		l.conns <- theirs
		c := Client{http: &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}}}
		a, err := c.Attach(t.Context(), AttachRequest{})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-released:
			t.Error("the server's limits ended it")
		case <-time.After(24 * time.Hour):
		}
		a.Close()
		<-released
		s.Close()
	})
}

// pipe is a listener whose connections are handed to it.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipe) Close() error   { close(p.closed); return nil }
func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func TestNobodyThere(t *testing.T) {
	path := socketPath(t)
	_, err := Dial(path).Status(t.Context())
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no midas is running here") || !strings.Contains(err.Error(), "\nhint: start one with `midas up`") {
		t.Error(err)
	}
	if _, err := Dial(path).Attach(t.Context(), AttachRequest{VM: "x"}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(path).Status(ctx); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "interrupted") {
		t.Error(err)
	}
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	var log bytes.Buffer
	var events []wire.Event
	d := testDoor()
	d.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d.Record = func(e wire.Event) { events = append(events, e) }
	r := httptest.NewRequest("POST", "http://midas/token", strings.NewReader(`{"resource":"https://r"}`))
	w := httptest.NewRecorder()
	d.Routes().ServeHTTP(w, r)
	if b, _ := io.ReadAll(w.Body); !strings.Contains(string(b), `"tok"`) {
		t.Fatalf("%s", b)
	}
	if log.Len() == 0 || strings.Contains(log.String(), "tok\"") || len(events) != 1 || events[0].Target != "https://r" {
		t.Errorf("%s\n%+v", &log, events)
	}
}

func FuzzFault(f *testing.F) {
	f.Add(404, []byte(`{"error":{"code":"NotFound","message":"m","hint":"h"}}`))
	f.Add(200, []byte(`{"error":{"code":"RequestEntityTooLarge","message":"m"}}`))
	f.Add(500, []byte(`{"error":[]}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if e := faultOf(status, body); e.Kind == "" || e.Message == "" {
			t.Errorf("%#v", e)
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"resource":"r"}`))
	f.Add([]byte(`{"resource":1} x`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "http://midas/token", bytes.NewReader(body))
		w := httptest.NewRecorder()
		testDoor().Routes().ServeHTTP(w, r)
		if w.Code != 200 && (w.Code < 400 || w.Code > 415 || w.Code == 405) && !strings.Contains(string(body), "boom") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
