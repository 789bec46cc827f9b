package midas_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/internal/activity"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/store"
)

func config(dir string) midas.Config {
	return midas.Config{DataDir: dir, Listen: "127.0.0.1:0", Development: true, Log: slog.New(slog.DiscardHandler)}
}

// dataDir is a short path: sockets have short names.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "midas-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "data")
}

// start runs a server until the test or the returned function ends it.
func start(t *testing.T, c midas.Config) (*midas.Server, func()) {
	t.Helper()
	s, err := midas.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		t.Fatalf("the server ended: %v", err)
	}
	stop := func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		done <- nil // a second stop finds it ended
	}
	t.Cleanup(stop)
	return s, stop
}

func TestSecondStartContinues(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	first := s.Status()
	if first.Cloud != "AzureCloud" || first.Sample == nil || first.Sample.Vault != "kv-sample-"+first.SubscriptionID[:6] {
		t.Fatalf("the status is %+v", first)
	}
	stop()
	s, _ = start(t, c)
	second := s.Status()
	if second.TenantID != first.TenantID || second.SubscriptionID != first.SubscriptionID || *second.Sample != *first.Sample {
		t.Errorf("it began anew:\n%+v\n%+v", first, second)
	}
	ca, err := os.ReadFile(second.CAFile)
	if err != nil || !strings.Contains(string(ca), "CERTIFICATE") {
		t.Errorf("the CA file: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*midas.Config) // of a first start; nil for none
		change func(*testing.T, *midas.Config)
		says   string
	}{
		{"another cloud", func(*midas.Config) {}, func(_ *testing.T, c *midas.Config) { c.Cloud = "AzureChinaCloud" }, "was made for the cloud AzureCloud"},
		{"another tenant", func(*midas.Config) {}, func(_ *testing.T, c *midas.Config) { c.Tenant = "0b1f6471-1bf0-4dda-aec3-cb9272f09590" }, "was made for the tenant"},
		{"another root key", func(*midas.Config) {}, func(_ *testing.T, c *midas.Config) { c.RootKey = seal.Generate() }, "root key does not open this data"},
		{"a bad tenant", nil, func(_ *testing.T, c *midas.Config) { c.Tenant = "contoso" }, "not a GUID"},
		{"an unknown cloud", nil, func(_ *testing.T, c *midas.Config) { c.Cloud = "AzureMoon" }, "there is no cloud"},
		{"a directory open to others", nil, func(t *testing.T, c *midas.Config) {
			if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "open to other users"},
		{"a taken port", nil, func(t *testing.T, c *midas.Config) {
			other, _ := start(t, config(dataDir(t)))
			c.Listen = other.Status().Endpoint
		}, "cannot be opened"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := config(dataDir(t))
			if c.before != nil {
				_, stop := start(t, conf)
				stop()
			}
			c.change(t, &conf)
			s, err := midas.New(t.Context(), conf)
			if err == nil {
				s.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "hint:") {
				t.Errorf("it says %q", err)
			}
		})
	}
}

func TestLockedDirectorySaysWhoHoldsIt(t *testing.T) {
	c := config(dataDir(t))
	start(t, c)
	_, err := midas.New(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "is held by process") {
		t.Errorf("a second server says %v", err)
	}
}

func TestAttachFindsTheMachine(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, _ := start(t, c)
	client := control.Dial(s.Status().ControlSocket)
	lease, err := client.Attach(t.Context(), control.AttachRequest{VM: "UBUNTU"})
	if err != nil || !strings.HasSuffix(lease.VM, "/virtualMachines/ubuntu") || lease.Socket("169.254.169.254:80") == "" {
		t.Fatalf("attached %+v, %v", lease, err)
	}
	defer lease.Close()
	for name, kind := range map[string]fault.Kind{"nobody": fault.NotFound, lease.VM + "x": fault.NotFound, "/x": fault.Invalid, "/subscriptions/" + s.Status().SubscriptionID + "/resourceGroups/midas-sample": fault.Invalid} {
		if _, err := client.Attach(t.Context(), control.AttachRequest{VM: name}); !fault.Is(err, kind) {
			t.Errorf("attaching %q gives %v", name, err)
		}
	}
}

func TestWhy(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, _ := start(t, c)
	client := control.Dial(s.Status().ControlSocket)
	group := "/subscriptions/" + s.Status().SubscriptionID + "/resourceGroups/midas-sample"
	vm := group + "/providers/Microsoft.Compute/virtualMachines/ubuntu"
	vault := group + "/providers/Microsoft.KeyVault/vaults/" + s.Status().Sample.Vault
	const get = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
	for _, q := range []struct {
		principal, action, scope string
		allowed                  bool
		says                     string
	}{
		{vm, get, vault + "/secrets/portal-phrase", true, "Key Vault Secrets User"},
		{vm, "Microsoft.Resources/subscriptions/resourceGroups/read", group, false, "no role"},
		{"operator@midas.onmicrosoft.com", get, vault, false, "Owner"},
		{"operator@midas.onmicrosoft.com", "Microsoft.Compute/virtualMachines/write", vm, true, "Owner"},
	} {
		a, err := client.Why(t.Context(), control.WhyRequest{Principal: q.principal, Action: q.action, Scope: q.scope})
		if err != nil || a.Allowed != q.allowed || !strings.Contains(a.Reason, q.says) {
			t.Errorf("%s %s: %+v, %v", q.principal, q.action, a, err)
		}
	}
	if _, err := client.Why(t.Context(), control.WhyRequest{Principal: "nobody", Action: get, Scope: vault}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown principal gives %v", err)
	}
}

func TestServicePrincipalIsAllOrNothing(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	client := control.Dial(s.Status().ControlSocket)
	scope := "/subscriptions/" + s.Status().SubscriptionID
	made, err := client.CreateServicePrincipal(t.Context(), control.ServicePrincipalRequest{Name: "ci", Role: "reader", Scope: scope})
	if err != nil || made.Password == "" || made.AppID == "" || made.Tenant != s.Status().TenantID {
		t.Fatalf("made %+v, %v", made, err)
	}
	a, err := client.Why(t.Context(), control.WhyRequest{Principal: made.AppID, Action: "Microsoft.Compute/virtualMachines/read", Scope: scope})
	if err != nil || !a.Allowed || a.Role != "Reader" {
		t.Errorf("its role: %+v, %v", a, err)
	}
	for _, q := range []control.ServicePrincipalRequest{{Name: "x", Role: "Reader"}, {Name: "x", Role: "Nobody", Scope: scope}, {Name: "x", Role: "Reader", Scope: "nowhere"}, {Name: "x", Certificate: "pem"}} {
		if p, err := client.CreateServicePrincipal(t.Context(), q); err == nil {
			t.Errorf("%+v made %+v", q, p)
		}
	}
}

// TestActivityKeepsWhatWasDone holds that every call of a vault is kept with
// caller, operation, object and result, and no value.
func TestActivityKeepsWhatWasDone(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	o := operate(t, s)
	secret := s.Status().Sample.VaultURI + "secrets/portal-phrase"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, secret+"?api-version=7.4", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+o.token("https://vault.azure.net"))
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	stop()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(c.DataDir, "midas.db"), Now: time.Now, Log: c.Log})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := map[string]int{ // what the sample did, and what was done above
		"Microsoft.KeyVault/vaults/secrets/setSecret/action": http.StatusOK,
		"Microsoft.KeyVault/vaults/secrets/getSecret/action": http.StatusForbidden,
		"Microsoft.Compute/virtualMachines/write":            http.StatusCreated,
		"Microsoft.Authorization/roleAssignments/write":      http.StatusCreated,
	}
	err = db.View(t.Context(), func(tx *store.Tx) error {
		entries, err := activity.Recent(tx, 100)
		for _, e := range entries {
			if strings.Contains(fmt.Sprintf("%+v", e), "TheCakeIsALie") {
				t.Errorf("a value is in %+v", e)
			}
			if want[e.Operation] == e.Status && e.Caller != "" && e.Target != "" && e.RequestID != "" {
				delete(want, e.Operation)
			}
		}
		return err
	})
	if err != nil || len(want) > 0 {
		t.Errorf("these are not kept: %v, %v", want, err)
	}
}

func TestUnknownHostIsRefused(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	client := s.Client()
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Status().Endpoints.Login+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "example.org"
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a foreign host is answered with %s", resp.Status)
	}
}
