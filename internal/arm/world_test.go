package arm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/provider/authorization"
	"midas/internal/provider/compute"
	"midas/internal/provider/insights"
	"midas/internal/provider/keyvault"
	"midas/internal/provider/managedidentity"
	"midas/internal/provider/network"
	"midas/internal/provider/resources"
	"midas/internal/rbac"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/sts"
)

const (
	testTenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	testSub    = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	audience   = "https://management.azure.com/"
)

// world is an installation with the door in front of it, and three callers: a
// user who owns everything, a machine's identity and an application, which
// have nothing.
type world struct {
	t       testing.TB
	db      *store.DB
	sts     *sts.Service
	cloud   cloud.Profile
	root    *seal.Root
	door    http.Handler
	now     func() time.Time
	clock   atomic.Int64 // Unix microseconds
	callers map[string]directory.Principal
	tokens  map[string]string // by caller, and what a test adds
	vars    map[string]string // what stands for what in requests: "$RG"
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	w.clock.Store(time.Date(2026, 3, 4, 5, 6, 7, 890123000, time.UTC).UnixMicro())
	w.now = func() time.Time { return store.Time(w.clock.Load()) }
	return w.on(storetest.NewAt(t, w.now))
}

// newWorldOn is a world on an engine of the caller's choice, with the machine's clock.
func newWorldOn(t testing.TB, db *store.DB) *world {
	t.Helper()
	return (&world{t: t, now: time.Now}).on(db)
}

func (w *world) advance(d time.Duration) { w.clock.Add(d.Microseconds()) }

func (w *world) on(db *store.DB) *world {
	w.t.Helper()
	profile, err := cloud.Lookup("AzureCloud")
	if err != nil {
		w.t.Fatal(err)
	}
	root, err := seal.OpenRoot(filepath.Join(w.t.TempDir(), "root"))
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.db, w.cloud, w.root = db, profile, root
	w.sts = sts.New(sts.Config{DB: db, Root: root, Cloud: profile, Now: w.now, Log: log})
	done := make(chan error, 1)
	ctx := w.t.Context()
	go func() { done <- w.sts.Run(ctx) }()
	w.t.Cleanup(func() { // before the database is closed
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	w.found()
	w.with(w.providers())
	w.tokens = map[string]string{}
	for name, p := range w.callers {
		w.tokens[name] = w.issue(p)
	}
	w.vars = map[string]string{
		"$TENANT": testTenant, "$SUB": "/subscriptions/" + testSub, "$RG": "/subscriptions/" + testSub + "/resourceGroups/rg1",
		"$VMS": "Microsoft.Compute/virtualMachines", "$IDS": "Microsoft.ManagedIdentity/userAssignedIdentities", "$KVS": "Microsoft.KeyVault/vaults",
		"$ROLES": "providers/Microsoft.Authorization/roleDefinitions", "$ASSIGN": "providers/Microsoft.Authorization/roleAssignments",
		"$READER": rbac.Reader, "$OWNER": rbac.Owner, "$CONTRIBUTOR": rbac.Contributor, "$V": "api-version=2024-11-01",
	}
	for name, p := range w.callers {
		w.vars["$"+strings.ToUpper(name)] = string(p.ID)
	}
	return w
}

// with puts a door with these providers in front.
func (w *world) with(p []arm.Provider) {
	w.door = (&arm.Door{DB: w.db, Sts: w.sts, Cloud: w.cloud, Tenant: testTenant, Providers: p, Now: w.now, Log: slog.New(slog.DiscardHandler)}).Routes()
}

func (w *world) providers() []arm.Provider {
	return []arm.Provider{authorization.Provider(), compute.Provider(), keyvault.Provider(w.root), managedidentity.Provider(), network.Provider(), resources.Provider(), insights.Provider()}
}

// found makes the directory.
func (w *world) found() {
	w.t.Helper()
	w.callers = map[string]directory.Principal{}
	w.update(func(tx *store.Tx) error {
		tenant, err := directory.CreateTenant(tx, directory.Tenant{ID: testTenant, DisplayName: "Contoso", Domain: "contoso.example"})
		if err != nil {
			return err
		}
		if _, err := directory.CreateSubscription(tx, directory.Subscription{ID: testSub, Tenant: testTenant, DisplayName: "Pay"}); err != nil {
			return err
		}
		operator, err := directory.CreateUser(tx, tenant, "ada@contoso.example", "Ada")
		if err != nil {
			return err
		}
		machine, err := directory.CreateManagedIdentity(tx, testTenant, "elsewhere", azure.SubscriptionScope(testSub).Join("resourceGroups", "elsewhere", "providers", "Microsoft.Compute", "virtualMachines", "elsewhere"))
		if err != nil {
			return err
		}
		registration, err := directory.CreateApplication(tx, directory.Application{Tenant: testTenant, DisplayName: "app"})
		if err != nil {
			return err
		}
		app, err := directory.CreateServicePrincipal(tx, registration)
		if err != nil {
			return err
		}
		w.callers = map[string]directory.Principal{"operator": operator, "machine": machine, "app": app}
		_, _, err = rbac.PutAssignment(tx, rbac.Assignment{ID: azure.NewGUID(), Scope: azure.Root(), RoleID: rbac.Owner, PrincipalID: operator.ID, PrincipalType: rbac.PrincipalUser}, operator.ID)
		return err
	})
}

func (w *world) update(f func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(context.Background(), f); err != nil {
		w.t.Fatal(err)
	}
}

// issue makes a token for Resource Manager.
func (w *world) issue(p directory.Principal) string {
	w.t.Helper()
	return w.token(sts.Grant{Principal: p, Client: p.AppID, ClientAuth: sts.ClientAuthSecret, Audience: audience, Version: 1, Lifetime: sts.LifetimeManagedIdentity})
}

func (w *world) token(g sts.Grant) string {
	w.t.Helper()
	token, err := w.sts.Issue(w.t.Context(), g)
	if err != nil {
		w.t.Fatal(err)
	}
	return token.Raw
}

// grant gives a caller a role at a scope.
func (w *world) grant(caller, role, scope string) {
	w.t.Helper()
	id, err := azure.ParseResourceID(w.expand(scope))
	if err != nil {
		w.t.Fatal(err)
	}
	p := w.callers[caller]
	w.update(func(tx *store.Tx) error {
		_, _, err := rbac.PutAssignment(tx, rbac.Assignment{ID: azure.NewGUID(), Scope: id, RoleID: role, PrincipalID: p.ID, PrincipalType: string(p.Kind)}, p.ID)
		return err
	})
}

// revoke takes every role from a caller.
func (w *world) revoke(caller string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		held, err := rbac.Assignments(tx, rbac.AssignmentFilter{Scope: azure.Root(), Principals: []azure.ObjectID{w.callers[caller].ID}})
		for _, a := range held {
			if _, err := rbac.DeleteAssignment(tx, a.Scope, a.ID); err != nil {
				return err
			}
		}
		return err
	})
}

// expand puts what the variables stand for in their place, the longest first.
func (w *world) expand(s string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	names := make([]string, 0, len(w.vars))
	for name := range w.vars {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		s = strings.ReplaceAll(s, name, w.vars[name])
	}
	return s
}

// request builds a request from "METHOD target". A target without a query has
// the api-version appended; blanks in a query are encoded.
func (w *world) request(as, do, body string, headers ...string) *http.Request {
	w.t.Helper()
	method, target, _ := strings.Cut(do, " ")
	if !strings.Contains(target, "?") {
		target += "?$V"
	}
	target = strings.ReplaceAll(w.expand(target), " ", "%20")
	var content io.Reader
	if body != "" {
		content = strings.NewReader(w.expand(body))
	}
	r := httptest.NewRequest(method, "https://management.azure.com"+target, content)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if as == "" {
		as = "operator"
	}
	if raw, ok := w.tokens[as]; ok {
		r.Header.Set("Authorization", "Bearer "+raw)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(w.expand(h), ": ")
		r.Header.Set(name, value)
	}
	return r
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

// send serves a request and checks what holds for every answer.
func (w *world) send(t testing.TB, r *http.Request) answer {
	t.Helper()
	rec := httptest.NewRecorder()
	w.door.ServeHTTP(rec, r)
	a := answer{rec.Code, rec.Header(), rec.Body.String()}
	if fault := a.odd(r); fault != "" {
		t.Errorf("%s %s: %s\n%d %v\n%.2000s", r.Method, r.URL, fault, a.status, a.header, a.body)
	}
	if raw := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); len(raw) > 100 && strings.Contains(a.body, raw[len(raw)-100:]) {
		t.Errorf("%s %s: the answer has the token in it", r.Method, r.URL)
	}
	return a
}

// odd says what is wrong with an answer whatever was asked, or "".
func (a answer) odd(r *http.Request) string {
	id := a.header.Get("X-Ms-Request-Id")
	if _, ok := azure.ParseGUID(id); !ok {
		return "no x-ms-request-id"
	}
	for name, want := range everywhere {
		if a.header.Get(name) != want {
			return "the header " + name + " is not " + want
		}
	}
	if _, ok := azure.ParseGUID(a.header.Get("X-Ms-Correlation-Request-Id")); !ok || !strings.HasSuffix(a.header.Get("X-Ms-Routing-Request-Id"), id) {
		return "the correlation or routing id is not as it should be"
	}
	switch {
	case a.status >= 500:
		return "a server error"
	case a.status >= 300 && a.status < 400 || (a.header.Get("Location") != "") != (a.status == http.StatusAccepted):
		return "a redirect"
	case a.status < 400:
		if a.body != "" && !json.Valid([]byte(a.body)) {
			return "the body is not JSON"
		}
		return ""
	}
	challenge := a.header.Get("WWW-Authenticate")
	if (a.status == http.StatusUnauthorized) != strings.Contains(challenge, `Bearer authorization_uri="https://login.microsoftonline.com/`+testTenant+`"`) {
		return "the challenge is " + challenge
	}
	if r.Method == http.MethodHead {
		if a.body != "" {
			return "HEAD has a body"
		}
		return ""
	}
	if a.code() == "" || a.at("error.message") == "" || a.header.Get("Content-Type") != "application/json; charset=utf-8" || a.header.Get("X-Ms-Failure-Cause") != "gateway" {
		return "not the envelope"
	}
	return ""
}

// everywhere are the headers that every answer has (control-plane.md B3).
var everywhere = map[string]string{
	"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1",
	"Strict-Transport-Security": "max-age=31536000; includeSubDomains", "X-Content-Type-Options": "nosniff",
}

func (a answer) code() string { return a.at("error.code") }

// at returns the value at a path of member names and list positions, as text;
// "" where there is none.
func (a answer) at(path string) string {
	var v any
	d := json.NewDecoder(strings.NewReader(a.body))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		switch o := v.(type) {
		case map[string]any:
			v = o[name]
		case []any:
			i := -1
			fmt.Sscan(name, &i)
			if i < 0 || i >= len(o) {
				return ""
			}
			v = o[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// step is one request of a scenario and what it must come to.
type step struct {
	as     string // a caller or a token's name; "" is the operator
	do     string // "GET $RG"
	head   string // one header: "If-Match: *"
	body   string
	want   int
	code   string   // of an error
	has    []string // fragments of the body
	hasNot []string
	keep   map[string]string // variables to set from the answer: "$VMPRINCIPAL": "identity.principalId"
	header string            // a header that the answer has: `ETag: "1"`
}

type list = []string

// run takes the steps one after another.
func (w *world) run(t *testing.T, steps []step) {
	t.Helper()
	for i, s := range steps {
		var heads []string
		if s.head != "" {
			heads = append(heads, s.head)
		}
		a := w.send(t, w.request(s.as, s.do, s.body, heads...))
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("%d: %s %s\n%s\n%s\ngives %d %.3000s", i, s.as, s.do, s.body, fmt.Sprintf(format, args...), a.status, a.body)
		}
		if a.status != s.want || a.code() != s.code && a.body != "" {
			fail("want %d %s", s.want, s.code)
		}
		for _, f := range s.has {
			if !strings.Contains(a.body, w.expand(f)) {
				fail("without %s", w.expand(f))
			}
		}
		for _, f := range s.hasNot {
			if strings.Contains(a.body, w.expand(f)) {
				fail("with %s", w.expand(f))
			}
		}
		if name, value, ok := strings.Cut(s.header, ": "); ok && a.header.Get(name) != w.expand(value) {
			fail("the header %s is %q", name, a.header.Get(name))
		}
		for name, path := range s.keep {
			w.vars[name] = a.at(path)
			if w.vars[name] == "" {
				fail("nothing at %s", path)
			}
		}
	}
}

// group makes resource groups.
func (w *world) groups(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		w.run(t, []step{{do: "PUT $SUB/resourcegroups/" + name, body: `{"location":"westus"}`, want: 201}})
	}
}
