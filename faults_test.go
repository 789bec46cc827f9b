package midas_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/control"
	"midas/internal/fault"
)

// machineStatus asks a machine's endpoint for a token of Key Vault.
func machineStatus(t *testing.T, socket string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+url.QueryEscape("https://vault.azure.net"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Metadata", "true")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestFaultsEndToEnd asks for faults by the names that an operator uses, and
// finds them at the machine's endpoint, in the list, and gone with the server.
func TestFaultsEndToEnd(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	ctx, client := t.Context(), control.Dial(s.Status().ControlSocket)
	machine, err := client.Attach(ctx, control.AttachRequest{VM: "ubuntu"})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	for _, q := range []control.FaultRequest{
		{VM: "ubuntu", Identity: machine.VM, Endpoint: "token", Status: 429, RetryAfter: 1, After: 1, Count: 2},
		{Status: 503, Delay: "1ms", Count: 0},
	} {
		if _, err := client.AddFault(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	socket := machine.Socket("169.254.169.254:80")
	for range 5 {
		got = append(got, machineStatus(t, socket))
	}
	if diff := cmp.Diff([]int{200, 429, 429, 503, 503}, got); diff != "" {
		t.Error(diff)
	}
	none := int64(0)
	want := control.Faults{Faults: []control.Fault{
		{ID: "1", Passed: 1, Hits: 2, Left: &none, What: "status 429, Retry-After 1",
			FaultRequest: control.FaultRequest{VM: machine.VM, Identity: machine.VM, Endpoint: "token", Status: 429, RetryAfter: 1, After: 1, Count: 2}},
		{ID: "2", Hits: 2, What: "delay 1ms, status 503", FaultRequest: control.FaultRequest{Endpoint: "any", Status: 503, Delay: "1ms"}},
	}}
	all, err := client.Faults(ctx)
	if diff := cmp.Diff(want, all); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if all, err = client.ClearFaults(ctx, "2"); err != nil || len(all.Faults) != 1 || machineStatus(t, socket) != 200 {
		t.Error(all, err)
	}
	stop()
	s, _ = start(t, c)
	if all, err = control.Dial(s.Status().ControlSocket).Faults(ctx); err != nil || len(all.Faults) != 0 {
		t.Error("faults survive a restart:", all, err)
	}
}

func TestFaultsRefused(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	client := control.Dial(s.Status().ControlSocket)
	const group = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/g/providers/"
	for name, c := range map[string]struct {
		q    control.FaultRequest
		kind fault.Kind
	}{
		"nothing":                {control.FaultRequest{}, fault.Invalid},
		"no such machine":        {control.FaultRequest{VM: "nobody", Drop: true}, fault.NotFound},
		"no such machine's id":   {control.FaultRequest{VM: group + "Microsoft.Compute/virtualMachines/nobody", Drop: true}, fault.NotFound},
		"no such identity":       {control.FaultRequest{Identity: "0b1f6471-1bf0-4dda-aec3-cb9272f09590", Drop: true}, fault.NotFound},
		"an identity's name":     {control.FaultRequest{Identity: "wanderer", Drop: true}, fault.NotFound},
		"no such identity's id":  {control.FaultRequest{Identity: group + "Microsoft.ManagedIdentity/userAssignedIdentities/nobody", Drop: true}, fault.NotFound},
		"half an id":             {control.FaultRequest{Identity: "/subscriptions", Drop: true}, fault.NotFound},
		"a delay without a unit": {control.FaultRequest{Delay: "2"}, fault.Invalid},
		"to retry in ages":       {control.FaultRequest{Status: 429, RetryAfter: 1 << 60}, fault.Invalid},
		"an unknown endpoint":    {control.FaultRequest{Endpoint: "secrets", Drop: true}, fault.Invalid},
	} {
		if _, err := client.AddFault(t.Context(), c.q); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.ClearFaults(t.Context(), "1"); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "hint:") {
		t.Error(err)
	}
}

// TestOnlyInDevelopment: a server that is not for trying things out moves no
// clock and injects no fault.
func TestOnlyInDevelopment(t *testing.T) {
	c := config(dataDir(t))
	c.Development = false
	s, _ := start(t, c)
	ctx, client := t.Context(), control.Dial(s.Status().ControlSocket)
	_, moved := client.AdvanceClock(ctx, "1h")
	_, added := client.AddFault(ctx, control.FaultRequest{Status: 500, Count: 1})
	_, listed := client.Faults(ctx)
	_, cleared := client.ClearFaults(ctx, "")
	for name, err := range map[string]error{"the clock": moved, "add": added, "list": listed, "clear": cleared} {
		if !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "hint: only a cloud that was started with `midas up`") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if shown, err := client.Clock(ctx); err != nil || shown.OffsetSeconds != 0 {
		t.Error(shown, err)
	}
}
