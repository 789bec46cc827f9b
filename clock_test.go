package midas_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas/internal/control"
	"midas/internal/fault"
)

// TestClockMovesEveryPlane asks for tokens as a machine, moves the clock past
// their life, and finds the machine with new ones and the old ones refused.
func TestClockMovesEveryPlane(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, _ := start(t, c)
	o := operate(t, s)
	machine, err := o.control.Attach(t.Context(), control.AttachRequest{VM: "ubuntu"})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	manager := s.Status().Endpoints.ResourceManager + "/"
	const vault = "https://vault.azure.net"
	get := func(audience string) string { return o.machineToken(machine.Socket("169.254.169.254:80"), audience) }
	list := manager + "subscriptions?api-version=2022-12-01"
	secret := s.Status().Sample.VaultURI + "secrets/portal-phrase?api-version=7.4"

	// The second signing key, which is made beside the start, ends what is kept.
	oldManager, oldVault := get(manager), get(vault)
	for oldManager != get(manager) || oldVault != get(vault) {
		oldManager, oldVault = get(manager), get(vault)
	}
	o.status(list, oldManager, http.StatusOK)
	o.status(secret, oldVault, http.StatusOK)

	before := time.Now()
	moved, err := o.control.AdvanceClock(t.Context(), "25h")
	if err != nil || moved.Offset != "1d1h0m0s" || moved.OffsetSeconds != 90000 || moved.Now.Before(before.Add(25*time.Hour)) {
		t.Fatalf("moved to %+v, %v", moved, err)
	}
	newManager, newVault := get(manager), get(vault)
	if newManager == oldManager || newVault == oldVault {
		t.Error("an expired token is still given out")
	}
	o.status(list, newManager, http.StatusOK)
	o.status(secret, newVault, http.StatusOK)
	o.status(list, oldManager, http.StatusUnauthorized)
	o.status(secret, oldVault, http.StatusUnauthorized)

	// Far enough that the signing keys have changed, too.
	if _, err := o.control.AdvanceClock(t.Context(), "400d"); err != nil {
		t.Fatal(err)
	}
	o.status(list, get(manager), http.StatusOK)
	o.status(secret, get(vault), http.StatusOK)
	o.status(list, newManager, http.StatusUnauthorized)
}

// TestClockPurges moves the clock past a retention: the secret is gone when
// the command returns, and its name is free.
func TestClockPurges(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	o := operate(t, s)
	vault := o.makeVault("kv-clock", 7)
	o.must(http.MethodPut, vault+"secrets/s?api-version=7.4", object{"value": "first"}, nil)
	o.must(http.MethodDelete, vault+"secrets/s?api-version=7.4", nil, nil)
	o.advance("6d23h")
	o.status(vault+"deletedsecrets/s?api-version=7.4", o.vaultToken(), http.StatusOK)
	o.advance("2h")
	o.status(vault+"deletedsecrets/s?api-version=7.4", o.vaultToken(), http.StatusNotFound)
	o.must(http.MethodPut, vault+"secrets/s?api-version=7.4", object{"value": "second"}, nil)
	var versions struct{ Value []json.RawMessage }
	o.must(http.MethodGet, vault+"secrets/s/versions?api-version=7.4", nil, &versions)
	if len(versions.Value) != 1 {
		t.Errorf("the new secret has %d versions", len(versions.Value))
	}
}

func TestClockSurvivesARestart(t *testing.T) {
	c := config(dataDir(t))
	base := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	c.Now = func() time.Time { return base }
	s, stop := start(t, c)
	client := control.Dial(s.Status().ControlSocket)
	if got, err := client.Clock(t.Context()); err != nil || got != (control.Clock{Now: base, Offset: "0s"}) {
		t.Fatalf("it begins at %+v, %v", got, err)
	}
	for _, by := range []string{"36h", "12h0.5s"} {
		if _, err := client.AdvanceClock(t.Context(), by); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	s, _ = start(t, c)
	client = control.Dial(s.Status().ControlSocket)
	want := control.Clock{Now: base.Add(48*time.Hour + 500*time.Millisecond), Offset: "2d500ms", OffsetSeconds: 172800.5}
	if got, err := client.Clock(t.Context()); err != nil || got != want {
		t.Errorf("after a restart it is at %+v, %v", got, err)
	}
}

func TestClockRefuses(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	client := control.Dial(s.Status().ControlSocket)
	if _, err := client.AdvanceClock(t.Context(), "36500d"); err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{"-1h", "0s", "yesterday", "40000d", "1h"} {
		if c, err := client.AdvanceClock(t.Context(), by); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%s: %+v, %v", by, c, err)
		}
	}
}
