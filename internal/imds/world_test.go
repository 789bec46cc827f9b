package imds

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/sts"
)

const (
	testTenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	testSub    = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	testGroup  = "/subscriptions/" + testSub + "/resourceGroups/Group1"
	vault      = "https://vault.azure.net"
)

// world is an installation with a tenant, a subscription and machines.
type world struct {
	*Door
	t     testing.TB
	clock atomic.Int64 // Unix nanoseconds
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	w.clock.Store(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixNano())
	profile, err := cloud.Lookup("AzureCloud")
	if err != nil {
		t.Fatal(err)
	}
	root, err := seal.OpenRoot(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.NewAt(t, w.now)
	log := slog.New(slog.DiscardHandler)
	service := sts.New(sts.Config{DB: db, Root: root, Cloud: profile, Now: w.now, Log: log})
	makeKeys(t, db, service)
	w.Door = &Door{DB: db, Sts: service, Cloud: profile, Now: w.now, Log: log}
	w.update(func(tx *store.Tx) error {
		if _, err := directory.CreateTenant(tx, directory.Tenant{ID: testTenant, DisplayName: "Contoso", Domain: "contoso.example"}); err != nil {
			return err
		}
		_, err := directory.CreateSubscription(tx, directory.Subscription{ID: testSub, Tenant: testTenant, DisplayName: "Sub"})
		return err
	})
	return w
}

// makeKeys lets the service make its first keys and stops it: a key made later
// would rightly empty the caches under a test.
func makeKeys(t testing.TB, db *store.DB, service *sts.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	for n := 0; n < 2; { // one that signs and one that is published ahead
		err := db.View(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(`SELECT COUNT(*) FROM signing_keys`).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func (w *world) now() time.Time            { return time.Unix(0, w.clock.Load()).UTC() }
func (w *world) advance(d time.Duration)   { w.clock.Add(int64(d)) }
func (w *world) vm(n string) *machineUnder { return &machineUnder{w, w.Machine(vmID(n)).VM()} }

func (w *world) update(f func(*store.Tx) error) {
	w.t.Helper()
	if err := w.DB.Update(context.Background(), f); err != nil {
		w.t.Fatal(err)
	}
}

func mustID(s string) azure.ResourceID {
	id, err := azure.ParseResourceID(s)
	if err != nil {
		panic(err)
	}
	return id
}

func vmID(name string) azure.ResourceID {
	return mustID(testGroup + "/providers/Microsoft.Compute/virtualMachines/" + name)
}

func identityID(name string) azure.ResourceID {
	return mustID(testGroup + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name)
}

// userIdentity makes a user-assigned identity.
func (w *world) userIdentity(name string) (p directory.Principal) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) {
		p, err = directory.CreateManagedIdentity(tx, testTenant, name, identityID(name))
		return err
	})
	return p
}

// putVM writes a machine with these identities, after change has had its way
// with it. It returns the system-assigned one.
func (w *world) putVM(name string, system bool, change func(*resource.Resource), users ...directory.Principal) (p directory.Principal) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) {
		vm := &resource.Resource{ID: vmID(name), Location: "eastus", Properties: json.RawMessage(`{}`), Identity: &resource.Identity{Type: resource.NoIdentity}}
		if old, err := resource.Get(tx, vm.ID); err == nil {
			vm.Version = old.Version
		}
		if system {
			if p, err = directory.CreateManagedIdentity(tx, testTenant, name, vm.ID); err != nil {
				return err
			}
			vm.Identity.Type, vm.Identity.PrincipalID = resource.SystemAssigned, p.ID
		}
		for _, u := range users {
			if vm.Identity.UserAssigned == nil {
				vm.Identity.UserAssigned = map[string]resource.UserIdentity{}
				vm.Identity.Type = resource.UserAssigned
				if system {
					vm.Identity.Type = resource.SystemAndUserAssigned
				}
			}
			vm.Identity.UserAssigned[u.Resource.String()] = resource.UserIdentity{PrincipalID: u.ID, ClientID: u.AppID}
		}
		if change != nil {
			change(vm)
		}
		return resource.Put(tx, vm)
	})
	return p
}

// extend installs an extension on a machine.
func (w *world) extend(vm, properties string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		id := vmID(vm).Join("extensions", "msi")
		r := &resource.Resource{ID: id, Location: "eastus", Properties: json.RawMessage(properties)}
		if old, err := resource.Get(tx, id); err == nil {
			r.Version = old.Version
		}
		return resource.Put(tx, r)
	})
}

// machineUnder is a machine under test.
type machineUnder struct {
	w *world
	h http.Handler
}

// answer is the token answer; every member is a string.
type answer map[string]string

func (m *machineUnder) get(path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://169.254.169.254/metadata/"+path, nil)
	r.Header.Set("Metadata", "true")
	rec := httptest.NewRecorder()
	m.h.ServeHTTP(rec, r)
	return rec
}

// ask asks for a token of the vault.
func (m *machineUnder) ask(more string) (answer, error) {
	rec := m.get("identity/oauth2/token?api-version=2018-02-01&resource=" + vault + more)
	if rec.Code != 200 {
		return nil, fmt.Errorf("%d %s", rec.Code, rec.Body)
	}
	var a answer
	err := json.Unmarshal(rec.Body.Bytes(), &a)
	return a, err
}

// token is ask where a token is expected.
func (m *machineUnder) token(more string) answer {
	m.w.t.Helper()
	a, err := m.ask(more)
	if err != nil {
		m.w.t.Fatal(err)
	}
	return a
}

// verify checks a token as Key Vault does.
func (w *world) verify(a answer) sts.Caller {
	w.t.Helper()
	caller, err := w.Sts.Verify(context.Background(), a["access_token"], w.Cloud.ServiceNamed(cloud.KeyVault))
	if err != nil {
		w.t.Fatal(err)
	}
	return caller
}
