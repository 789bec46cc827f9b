package pagestest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/entra"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/sts"
)

// What there is in the world of the pages.
const (
	login    = "https://login.microsoftonline.com"
	ada      = "ada@contoso.example"
	password = "correct horse battery"
	shopID   = "99999999-1111-4111-8111-999999999999" // asks for consent
	cliID    = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
)

// world is a token service and an application that people sign in to.
type world struct {
	db      *store.DB
	ahead   atomic.Int64 // of the machine's clock
	server  *httptest.Server
	app     *httptest.Server
	arrived chan url.Values // what comes back to the application
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{arrived: make(chan url.Values, 1)}
	profile, err := cloud.Lookup("AzureCloud")
	if err != nil {
		t.Fatal(err)
	}
	root, err := seal.RootFromEnv(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	w.db = storetest.NewAt(t, w.now)
	service := sts.New(sts.Config{DB: w.db, Root: root, Cloud: profile, Now: w.now, Log: quiet})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	w.server = httptest.NewTLSServer((&entra.Door{DB: w.db, Sts: service, Cloud: profile, Now: w.now, Log: quiet}).Routes())
	w.app = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" {
			out.WriteHeader(http.StatusNoContent)
			return
		}
		r.ParseForm()
		out.Write([]byte("<!DOCTYPE html><title>The app</title><h1>The app</h1>"))
		w.arrived <- r.Form
	}))
	t.Cleanup(func() {
		w.server.Close()
		w.app.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	hash, err := directory.HashPassword(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.Update(t.Context(), func(tx *store.Tx) error { return w.fill(tx, hash) }); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) fill(tx *store.Tx, hash directory.UserHash) error {
	tenant, err := directory.CreateTenant(tx, directory.Tenant{DisplayName: "Contoso", Domain: "contoso.example"})
	if err != nil {
		return err
	}
	user, err := directory.CreateUser(tx, tenant, ada, "Ada Lovelace")
	if err != nil {
		return err
	}
	if err := directory.SetUserPassword(tx, user.ID, hash); err != nil {
		return err
	}
	app, err := directory.CreateApplication(tx, directory.Application{AppID: shopID, Tenant: tenant.ID, DisplayName: "Northwind Traders Shop"})
	if err != nil {
		return err
	}
	if _, err := directory.CreateServicePrincipal(tx, app); err != nil {
		return err
	}
	return directory.SetSignIn(tx, app.AppID, directory.SignIn{Redirects: []directory.Redirect{{Platform: directory.Web, URI: w.app.URL + "/"}}})
}

// request is the address by which an application asks for a sign-in.
func (w *world) request(id string, changes ...string) string {
	q := url.Values{"client_id": {id}, "redirect_uri": {w.app.URL + "/"}, "response_type": {"code"}, "scope": {"https://management.azure.com/.default openid profile offline_access"}, "state": {"a state"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
	}
	return login + "/organizations/oauth2/v2.0/authorize?" + q.Encode()
}

// deviceCode begins the sign-in of a device and returns what its user types.
func (w *world) deviceCode(t *testing.T) (user string) {
	t.Helper()
	if err := w.db.Update(t.Context(), func(tx *store.Tx) (err error) {
		_, user, err = directory.CreateDeviceCode(tx, directory.DeviceCode{App: cliID, Tenant: "organizations", Scope: "https://management.azure.com/.default offline_access"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return user
}

// browser is a tab of a Chromium for which the login host is ours and nothing
// else is there but the machine itself.
type browser struct {
	*testing.T
	tab   context.Context
	ctx   context.Context // of the tab, over before the test is stopped
	world *world
	shots string

	mu       sync.Mutex
	troubles []string // what it wrote to its console
}

func (w *world) open(t *testing.T) *browser {
	t.Helper()
	leaf := w.server.Certificate()
	key := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	at := strings.TrimPrefix(w.server.URL, "https://")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP login.microsoftonline.com "+at+", MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])),
		chromedp.UserDataDir(t.TempDir()),
	)
	allocator, endAll := chromedp.NewExecAllocator(context.Background(), options...)
	b := &browser{T: t, world: w, shots: t.ArtifactDir()}
	tab, end := chromedp.NewContext(allocator, chromedp.WithListener(b.listen))
	t.Cleanup(func() {
		end()
		endAll()
	})
	if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	b.ctx, b.tab = tab, tab
	if over, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		b.ctx, cancel = context.WithDeadline(tab, over.Add(-margin))
		t.Cleanup(cancel)
	}
	command(b, log.Enable, cdp.Empty{})
	command(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // as the window that a person looks at
	return b
}

// listen notes what the browser complains about: violations of the policy,
// what could not be loaded, errors of scripts.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.troubles = append(b.troubles, e.Entry.Source.String()+": "+e.Entry.Text)
	case *runtime.EventExceptionThrown:
		b.troubles = append(b.troubles, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.troubles = append(b.troubles, "console."+string(e.Type))
	}
}

// quiet wants that the browser complained about nothing but what is meant to be.
func (b *browser) quiet(meant ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.troubles, meant) {
		b.Errorf("the browser says %q, not %q", b.troubles, meant)
	}
	b.troubles = nil
}

// act is a step that answers nothing.
type act = chromedp.Action[chromedp.Void]

func (b *browser) run(steps ...act) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.lost(err)
	}
}

// margin is what a test that waits in vain has left to say what it sees.
const margin = 10 * time.Second

// lost ends a test that does not find what it waits for, with what it sees.
func (b *browser) lost(err error) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.tab, margin/2)
	defer cancel()
	seen, readErr := chromedp.Run(ctx, chromedp.Evaluate[string](`[location.origin + location.pathname, document.readyState, "focus: " + document.activeElement.id].join(", ") + "\n" + document.body.innerText`))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Fatalf("%v; the page (%v) is %s\nthe browser says %q", err, readErr, seen, b.troubles)
}

// arrived is what comes back to the application, once its page is there: to go
// on before would cut the way to it off.
func (b *browser) arrived() url.Values {
	b.Helper()
	select {
	case got := <-b.world.arrived:
		b.run(heading("The app"))
		return got
	case <-b.ctx.Done():
		b.lost(b.ctx.Err())
		return nil
	}
}

// command sends the browser one of its own commands.
func command[P any](b *browser, c cdp.Command[P, cdp.Empty], parameters P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, c, parameters); err != nil {
		b.lost(err)
	}
}

// text is what an element says.
func (b *browser) text(selector string) string {
	b.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.lost(err)
	}
	return s
}

// eval is the value of an expression on the page.
func eval[T any](b *browser, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.lost(err)
	}
	return v
}

// shoot keeps a picture of the page for people to look at: `go test -artifacts`
// says where.
func (b *browser) shoot(name string) {
	b.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil || len(picture) == 0 {
		b.Errorf("%s: there is no picture: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(b.shots, name+".png"), picture, 0o644); err != nil {
		b.Error(err)
	}
}
