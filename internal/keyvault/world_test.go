package keyvault

import (
	"bytes"
	"context"
	"encoding/base64"
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
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/sts"
	"midas/internal/vault"
	"midas/internal/wire"
)

const (
	tenant  = azure.TenantID("72f988bf-86f1-41af-91ab-2d7cd011db47")
	another = azure.TenantID("99999999-86f1-41af-91ab-2d7cd011db47")
	group   = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/Rg1"

	// The vaults: with access policies, with roles, one that nothing can be
	// purged from, one that only 192.0.2.1 reaches, and one that nobody reaches.
	policyVault, roleVault, keptVault = "Kv-Policy", "Kv-Roles", "Kv-Kept"
	closedVault, privateVault         = "Kv-Closed", "Kv-Private"
	policyHost, roleHost              = "kv-policy.vault.azure.net", "kv-roles.vault.azure.net"
	closedHost, privateHost           = "kv-closed.vault.azure.net", "kv-private.vault.azure.net"
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
	callers map[string]directory.Principal // "admin" may do all, "reader" reads values, "nobody" has no right, "stranger" is of another tenant
	tokens  sync.Map                       // by name
	last    wire.Event                     // of the last request
}

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
	w.door = Door{DB: db, Root: root, Cloud: profile, Now: w.clock.Now, Log: log, Record: func(e wire.Event) { w.last = e }, Sts: startSts(t, db, root, profile, w.clock.Now)}
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
	if _, err := directory.CreateTenant(tx, directory.Tenant{ID: another, DisplayName: "Fabrikam", Domain: "fabrikam.example"}); err != nil {
		return err
	}
	for name, of := range map[string]azure.TenantID{"admin": home.ID, "reader": home.ID, "nobody": home.ID, "gone": home.ID, "stranger": another} {
		machine, err := azure.ParseResourceID(group + "/providers/Microsoft.Compute/virtualMachines/" + name)
		if err != nil {
			return err
		}
		if w.callers[name], err = directory.CreateManagedIdentity(tx, of, name, machine); err != nil {
			return err
		}
	}
	yes, week := true, 7
	policies := []vault.AccessPolicy{
		{TenantID: tenant, ObjectID: w.callers["admin"].ID, Permissions: vault.Permissions{Secrets: []string{"all", "purge"}}},
		{TenantID: tenant, ObjectID: w.callers["reader"].ID, Permissions: vault.Permissions{Secrets: []string{"Get"}}},
	}
	for name, p := range map[string]vault.Properties{
		policyVault:  {AccessPolicies: policies, SoftDeleteRetentionInDays: &week},
		roleVault:    {EnableRBACAuthorization: &yes},
		keptVault:    {AccessPolicies: policies, EnablePurgeProtection: &yes},
		closedVault:  {AccessPolicies: policies, NetworkACLs: &vault.NetworkACLs{DefaultAction: "Deny", Bypass: "AzureServices", IPRules: []vault.IPRule{{Value: "198.51.100.0/24"}, {Value: "192.0.2.1"}}}},
		privateVault: {AccessPolicies: policies, PublicNetworkAccess: "Disabled"},
	} {
		if err := w.putVault(tx, name, p); err != nil {
			return err
		}
	}
	for caller, role := range map[string]string{"admin": "Key Vault Administrator", "reader": "Key Vault Secrets User"} {
		a := rbac.Assignment{ID: azure.NewGUID(), Scope: vaultID(roleVault), RoleID: rbac.BuiltInNamed(role).ID, PrincipalID: w.callers[caller].ID, PrincipalType: rbac.PrincipalServicePrincipal}
		if _, _, err := rbac.PutAssignment(tx, a, ""); err != nil {
			return err
		}
	}
	return nil
}

// putVault writes a vault as Resource Manager does.
func (w *world) putVault(tx *store.Tx, name string, p vault.Properties) error {
	p.TenantID = tenant
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := resource.Put(tx, &resource.Resource{ID: vaultID(name), Location: "eastus", Properties: body}); err != nil {
		return err
	}
	return vault.Create(tx, w.door.Root, vaultID(name), name)
}

func vaultID(name string) azure.ResourceID {
	id, err := azure.ParseResourceID(group + "/providers/Microsoft.KeyVault/vaults/" + name)
	if err != nil {
		panic(err)
	}
	return id
}

func (w *world) update(f func(*store.Tx) error) {
	w.Helper()
	if err := w.door.DB.Update(w.Context(), f); err != nil {
		w.Fatal(err)
	}
}

// token is a caller's token for Key Vault, or one of the bad ones of [world.badToken].
func (w *world) token(name string) string {
	w.Helper()
	if raw, ok := w.tokens.Load(name); ok {
		return raw.(string)
	}
	raw := w.badToken(name)
	if raw == "" {
		raw = w.issue(w.door.Sts, name, w.door.Cloud.VaultResource())
	}
	w.tokens.Store(name, raw)
	return raw
}

func (w *world) issue(s *sts.Service, caller, audience string) string {
	w.Helper()
	p, ok := w.callers[caller]
	if !ok {
		w.Fatalf("nobody is called %q", caller)
	}
	token, err := s.Issue(w.Context(), sts.Grant{Principal: p, Client: p.AppID, ClientAuth: sts.ClientAuthCertificate, Audience: audience, Version: 1, Lifetime: sts.LifetimeManagedIdentity, IdentityResource: p.Resource})
	if err != nil {
		w.Fatal(err)
	}
	return token.Raw
}

// badTokens are refused, each for its own reason.
var badTokens = []string{"garbage", "empty", "alg-none", "other-installation", "bad-signature", "expired", "early", "stranger", "arm-audience", "gone"}

func (w *world) badToken(name string) string {
	w.Helper()
	at := func(d time.Duration) *sts.Service {
		w.token("admin") // there is a key now: the service below makes none
		c := w.door.Sts.Config
		c.Now = func() time.Time { return w.clock.Now().Add(d) }
		return sts.New(c)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	switch name {
	case "garbage":
		return "garbage"
	case "empty":
		return ".."
	case "alg-none":
		payload := strings.Split(w.token("admin"), ".")[1]
		return b64([]byte(`{"typ":"JWT","alg":"none"}`)) + "." + payload + "."
	case "other-installation":
		root, err := seal.RootFromEnv(seal.Generate())
		if err != nil {
			w.Fatal(err)
		}
		return w.issue(startSts(w, storetest.NewAt(w, w.clock.Now), root, w.door.Cloud, w.clock.Now), "admin", w.door.Cloud.VaultResource())
	case "bad-signature":
		parts := strings.Split(w.token("admin"), ".")
		other := strings.Split(w.token("reader"), ".")
		return parts[0] + "." + parts[1] + "." + other[2]
	case "expired":
		return w.issue(at(-48*time.Hour), "admin", w.door.Cloud.VaultResource())
	case "early":
		return w.issue(at(time.Hour), "admin", w.door.Cloud.VaultResource())
	case "arm-audience":
		return w.issue(w.door.Sts, "admin", "https://management.azure.com/")
	case "gone":
		raw := w.issue(w.door.Sts, "gone", w.door.Cloud.VaultResource())
		w.update(func(tx *store.Tx) error { return directory.DeletePrincipal(tx, w.callers["gone"].ID) })
		return raw
	}
	return ""
}

// send makes a request as a caller, "" for one without a token.
func (w *world) send(caller, method, url, body string, header ...string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
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
	Value      json.RawMessage
	ID         string
	RecoveryID string
	Attributes map[string]any
	Tags       map[string]string
	NextLink   *string
	Error      struct {
		Code, Message string
		InnerError    struct{ Code string }
	}
}

func read(t testing.TB, r *httptest.ResponseRecorder) (a answer) {
	t.Helper()
	if err := json.Unmarshal(r.Body.Bytes(), &a); err != nil {
		t.Fatalf("%d %q: %v", r.Code, r.Body, err)
	}
	return a
}

// want sends a request and checks status and code, the inner code where there is one.
func (w *world) want(status int, code, caller, method, url, body string, header ...string) *httptest.ResponseRecorder {
	w.Helper()
	r := w.send(caller, method, url, body, header...)
	got := ""
	if r.Code >= 400 {
		a := read(w, r)
		if got = a.Error.InnerError.Code; got == "" {
			got = a.Error.Code
		}
	}
	if r.Code != status || got != code || w.last.Code != code || w.last.Status != status {
		w.Errorf("%s %.120s as %q: %d %s, want %d %s\n%.300s\nevent %+v", method, url, caller, r.Code, got, status, code, r.Body, w.last)
	}
	return r
}
