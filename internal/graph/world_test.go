package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/sts"
	"midas/internal/wire"
)

const (
	tenant  = azure.TenantID("72f988bf-86f1-41af-91ab-2d7cd011db47")
	another = azure.TenantID("99999999-86f1-41af-91ab-2d7cd011db47")
	host    = "https://graph.microsoft.com/v1.0"
)

// clock is a time that the test moves.
type clock struct{ us atomic.Int64 }

func (c *clock) Now() time.Time          { return store.Time(c.us.Load()) }
func (c *clock) Advance(d time.Duration) { c.us.Add(d.Microseconds()) }

// world is the door with everything real below it.
type world struct {
	testing.TB
	door    Door
	handler http.Handler
	clock   *clock
	log     *bytes.Buffer
	callers map[string]directory.Principal
	tokens  sync.Map   // by name
	last    wire.Event // of the last request
}

// callers by name: users by their role in the directory, apps by what they may
// do at Graph. "member" and "app" have nothing.
var (
	userRoles = map[string]directory.RoleID{
		"admin": directory.GlobalAdministrator, "member": "", "guest": "", "owner": "", "globalreader": directory.GlobalReader, "appadmin": directory.ApplicationAdministrator,
		"useradmin": directory.UserAdministrator, "groupadmin": directory.GroupsAdministrator, "roleadmin": directory.PrivilegedRoleAdministrator, "writer": directory.DirectoryWriters,
	}
	appPermissions = map[string]string{
		"app": "", "app-dirread": "Directory.Read.All", "app-userread": "User.Read.All", "app-appwrite": "Application.ReadWrite.All", "app-owned": ownedApplications,
		"app-userwrite": "User.ReadWrite.All", "app-groupwrite": "Group.ReadWrite.All", "app-approle": "AppRoleAssignment.ReadWrite.All", "app-role": "RoleManagement.ReadWrite.Directory",
	}
)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, clock: &clock{}, log: &bytes.Buffer{}, callers: map[string]directory.Principal{}}
	w.clock.us.Store(time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC).UnixMicro())
	root, err := seal.RootFromEnv(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	profile, err := cloud.Lookup("AzureCloud")
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.NewAt(t, w.clock.Now)
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.door = Door{DB: db, Tenant: tenant, Cloud: profile, Now: w.clock.Now, Log: log, Record: func(e wire.Event) { w.last = e }, Sts: startSts(t, db, root, profile, w.clock.Now)}
	w.handler = w.door.Routes()
	w.update(w.populate)
	return w
}

// startSts runs a token service as long as the test.
func startSts(t testing.TB, db *store.DB, root *seal.Root, profile cloud.Profile, now func() time.Time) *sts.Service {
	s := sts.New(sts.Config{DB: db, Root: root, Cloud: profile, Now: now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (w *world) populate(tx *store.Tx) error {
	home, err := directory.CreateTenant(tx, directory.Tenant{ID: tenant, DisplayName: "Contoso", Domain: "contoso.example"})
	if err != nil {
		return err
	}
	elsewhere, err := directory.CreateTenant(tx, directory.Tenant{ID: another, DisplayName: "Fabrikam", Domain: "fabrikam.example"})
	if err != nil {
		return err
	}
	for _, s := range w.door.Cloud.Services() {
		if err := directory.EnsureService(tx, tenant, s.AppID, s.Name); err != nil {
			return err
		}
	}
	for name, role := range userRoles {
		u, err := directory.CreateUser(tx, home, name+"@contoso.example", name)
		if err != nil {
			return err
		}
		if w.callers[name] = u; role != "" {
			if _, err := directory.AssignRole(tx, role, u.ID); err != nil {
				return err
			}
		}
	}
	if err := directory.SetProperties(tx, w.callers["guest"].ID, json.RawMessage(`{"userType":"Guest"}`)); err != nil {
		return err
	}
	if w.callers["stranger"], err = directory.CreateUser(tx, elsewhere, "stranger@fabrikam.example", "stranger"); err != nil {
		return err
	}
	for name, permission := range appPermissions {
		if err := w.newApp(tx, name, permission); err != nil {
			return err
		}
	}
	machine, err := azure.ParseResourceID("/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/Rg1/providers/Microsoft.Compute/virtualMachines/vm1")
	if err != nil {
		return err
	}
	w.callers["machine"], err = directory.CreateManagedIdentity(tx, tenant, "vm1", machine)
	return err
}

// newApp makes an application that has a permission at Graph, "" for none.
func (w *world) newApp(tx *store.Tx, name, permission string) error {
	app, err := directory.CreateApplication(tx, directory.Application{Tenant: tenant, DisplayName: name})
	if err != nil {
		return err
	}
	if w.callers[name], err = directory.CreateServicePrincipal(tx, app); err != nil || permission == "" {
		return err
	}
	itself, err := directory.PrincipalByAppID(tx, tenant, w.door.Cloud.ServiceNamed(cloud.Graph).AppID)
	if err != nil {
		return err
	}
	id, ok := PermissionNamed(permission)
	if !ok {
		w.Fatalf("there is no permission %s", permission)
	}
	_, err = directory.AssignAppRole(tx, directory.AppRoleAssignment{Principal: w.callers[name].ID, Resource: itself.ID, Role: id})
	return err
}

func (w *world) update(f func(*store.Tx) error) {
	w.Helper()
	if err := w.door.DB.Update(w.Context(), f); err != nil {
		w.Fatal(err)
	}
}

// token is a caller's token for Graph.
func (w *world) token(name string) string {
	w.Helper()
	if raw, ok := w.tokens.Load(name); ok {
		return raw.(string)
	}
	raw := w.issue(w.door.Sts, name, "https://"+w.door.Cloud.GraphHost)
	w.tokens.Store(name, raw)
	return raw
}

func (w *world) issue(s *sts.Service, caller, audience string) string {
	w.Helper()
	p, ok := w.callers[caller]
	if !ok {
		w.Fatalf("nobody is called %q", caller)
	}
	token, err := s.Issue(w.Context(), sts.Grant{Principal: p, Client: p.AppID, ClientAuth: sts.ClientAuthSecret, Audience: audience, Version: 1, Lifetime: sts.LifetimeUser})
	if err != nil {
		w.Fatal(err)
	}
	return token.Raw
}

// send makes a request as a caller, "" for one without a token.
func (w *world) send(caller, method, path, body string, header ...string) *httptest.ResponseRecorder {
	w.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = host + path
	}
	r := httptest.NewRequest(method, strings.ReplaceAll(url, " ", "%20"), strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if caller != "" {
		r.Header.Set("Authorization", "Bearer "+w.token(caller))
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	return out
}

// answer is a body with the members that tests look at.
type answer struct {
	ID, AppID, DisplayName, SecretText, KeyID string
	Value                                     []answer
	Type                                      string `json:"@odata.type"`
	NextLink                                  string `json:"@odata.nextLink"`
	Count                                     *int   `json:"@odata.count"`
	Error                                     struct{ Code, Message string }
}

// must wants a status, and reads the answer.
func (w *world) must(status int, caller, method, path, body string, header ...string) (a answer) {
	w.Helper()
	r := w.send(caller, method, path, body, header...)
	if r.Code != status {
		w.Fatalf("%s %s as %q: %d, want %d\n%.600s", method, path, caller, r.Code, status, r.Body)
	}
	if w.last.Status != r.Code {
		w.Errorf("the event of %s %s is %+v", method, path, w.last)
	}
	if r.Body.Len() > 0 {
		if err := json.Unmarshal(r.Body.Bytes(), &a); err != nil {
			var plain struct {
				Error struct{ Code, Message string }
			}
			if json.Unmarshal(r.Body.Bytes(), &plain) != nil {
				w.Fatalf("%s: %v", r.Body, err)
			}
			a.Error = plain.Error
		}
	}
	return a
}

// refused wants a status and a code.
func (w *world) refused(status int, code, caller, method, path, body string, header ...string) answer {
	w.Helper()
	a := w.must(status, caller, method, path, body, header...)
	if a.Error.Code != code || w.last.Code != code {
		w.Errorf("%s %s as %q: %s, want %s\n%s", method, path, caller, a.Error.Code, code, a.Error.Message)
	}
	return a
}

// view reads from the store.
func (w *world) view(f func(*store.Tx) error) {
	w.Helper()
	if err := w.door.DB.View(w.Context(), f); err != nil {
		w.Fatal(err)
	}
}

var allKinds = []fault.Kind{fault.NotFound, fault.Gone, fault.Conflict, fault.Stale, fault.Invalid, fault.Unauthorized, fault.Forbidden, fault.Throttled, fault.Unsupported, fault.Unavailable}
