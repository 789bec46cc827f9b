package sts

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// clock is a time that the test moves.
type clock struct{ us atomic.Int64 }

func (c *clock) Now() time.Time          { return store.Time(c.us.Load()) }
func (c *clock) Advance(d time.Duration) { c.us.Add(d.Microseconds()) }

// world is a tenant with a machine's identity, an application, a user and a service.
type world struct {
	*Service
	clock   *clock
	tenant  directory.Tenant
	machine directory.Principal
	app     directory.Principal
	user    directory.Principal
	arm, kv cloud.Service
}

var machineID, _ = azure.ParseResourceID("/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/RG1/providers/Microsoft.Compute/virtualMachines/vm1")

// newWorld is a world whose service has no key yet.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: &clock{}}
	w.clock.us.Store(time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC).UnixMicro())
	root, err := seal.RootFromEnv(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	profile, _ := cloud.Lookup("AzureCloud")
	w.Service = New(Config{DB: storetest.NewAt(t, w.clock.Now), Root: root, Cloud: profile, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler)})
	w.arm, w.kv = profile.ServiceNamed(cloud.ResourceManager), profile.ServiceNamed(cloud.KeyVault)
	w.update(t, func(tx *store.Tx) (err error) {
		if w.tenant, err = directory.CreateTenant(tx, directory.Tenant{DisplayName: "Contoso", Domain: "contoso.example"}); err != nil {
			return err
		}
		if w.machine, err = directory.CreateManagedIdentity(tx, w.tenant.ID, "vm1", machineID); err != nil {
			return err
		}
		a, err := directory.CreateApplication(tx, directory.Application{Tenant: w.tenant.ID, DisplayName: "app"})
		if err != nil {
			return err
		}
		if w.app, err = directory.CreateServicePrincipal(tx, a); err != nil {
			return err
		}
		w.user, err = directory.CreateUser(tx, w.tenant, "ada@contoso.example", "Ada")
		return err
	})
	return w
}

// withKeys is a world whose keys are there.
func withKeys(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.turn(t)
	return w
}

// turn does what Run does at each of its looks.
func (w *world) turn(t testing.TB) {
	t.Helper()
	if err := w.rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) update(t testing.TB, f func(*store.Tx) error) {
	t.Helper()
	if err := w.DB.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// grant is a managed identity's token for Resource Manager.
func (w *world) grant() Grant {
	return Grant{Principal: w.machine, Client: w.machine.AppID, ClientAuth: ClientAuthCertificate, Audience: "https://management.azure.com/",
		Version: 1, Lifetime: LifetimeManagedIdentity, IdentityResource: machineID}
}

func (w *world) issue(t testing.TB, g Grant) Token {
	t.Helper()
	token, err := w.Issue(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// part decodes one part of a token.
func part(t testing.TB, raw string, n int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestIssueWaitsForTheFirstKey(t *testing.T) {
	w := newWorld(t)
	soon, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Issue(soon, w.grant()); err == nil {
		t.Fatal("a token was issued without a key")
	}
	issued := make(chan error, 1)
	go func() {
		token, err := w.Issue(t.Context(), w.grant())
		if err == nil {
			_, err = w.Verify(t.Context(), token.Raw, w.arm)
		}
		issued <- err
	}()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	if err := <-issued; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
}

func TestRunReportsAStoreThatDoesNotOpen(t *testing.T) {
	w := withKeys(t)
	other, err := seal.RootFromEnv(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	c := w.Config
	c.Root = other
	if err := New(c).Run(t.Context()); err == nil {
		t.Error("Run goes on with keys that it cannot open")
	}
}

func TestIssueRefusesWhatNoTokenHas(t *testing.T) {
	w := withKeys(t)
	for name, change := range map[string]func(*Grant){
		"version":       func(g *Grant) { g.Version = 3 },
		"no lifetime":   func(g *Grant) { g.Lifetime = 0 },
		"long lifetime": func(g *Grant) { g.Lifetime = maxLifetime + 1 },
	} {
		g := w.grant()
		change(&g)
		if _, err := w.Issue(t.Context(), g); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}
