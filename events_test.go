package midas_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas/internal/control"
	"midas/internal/fault"
)

// metadata asks a machine's metadata service, as a program on it would.
func (o *operator) metadata(socket, path string, into any) {
	o.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, "http://169.254.169.254/metadata/"+path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Metadata", "true")
	resp, err := client.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
		o.t.Fatalf("%s: %s %v", path, resp.Status, err)
	}
}

type eventDocument struct {
	DocumentIncarnation int
	Events              []struct {
		EventID                           string `json:"EventId"`
		EventStatus, EventType, NotBefore string
	}
}

// TestEvents announces to a machine, moves the clock, and finds nothing left of
// a machine that is deleted and made again.
func TestEvents(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	o := operate(t, s)
	machine, err := o.control.Attach(t.Context(), control.AttachRequest{VM: "ubuntu"})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	look := func() (d eventDocument) {
		t.Helper()
		o.metadata(machine.Socket("169.254.169.254:80"), "scheduledevents?api-version=2020-07-01", &d)
		return d
	}
	before, err := o.control.Clock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := o.control.AddEvent(t.Context(), control.EventRequest{VM: "ubuntu", Type: "reboot", Description: "Host update"})
	if err != nil || e.Type != "Reboot" || e.Status != "Scheduled" || e.DurationSeconds != -1 || e.Description != "Host update" || !strings.HasSuffix(e.VM, "/virtualMachines/ubuntu") || e.NotBefore.Before(before.Now.Add(14*time.Minute)) {
		t.Fatalf("%+v, %v", e, err)
	}
	if d := look(); len(d.Events) != 1 || d.Events[0].EventID != e.ID || d.Events[0].NotBefore != e.NotBefore.Format(http.TimeFormat) {
		t.Errorf("%+v", d)
	}
	o.advance("16m")
	if d := look(); len(d.Events) != 1 || d.Events[0].EventStatus != "Started" || d.DocumentIncarnation != 3 {
		t.Errorf("%+v", d)
	}
	if all, err := o.control.ListEvents(t.Context(), control.EventQuery{VM: "ubuntu"}); err != nil || len(all) != 1 || all[0].Status != "Started" || all[0].StartedAt == nil {
		t.Errorf("%+v, %v", all, err)
	}
	o.advance("5m")
	if d := look(); len(d.Events) != 0 || d.DocumentIncarnation != 4 {
		t.Errorf("%+v", d)
	}
	if f, err := o.control.AddEvent(t.Context(), control.EventRequest{VM: e.VM, Type: "Freeze", In: "1h"}); err != nil || f.DurationSeconds != 9 {
		t.Fatalf("%+v, %v", f, err)
	}
	machine.Close()
	stop()
	s, _ = start(t, c) // what is announced outlives a restart
	o = operate(t, s)
	if all, err := o.control.ListEvents(t.Context(), control.EventQuery{}); err != nil || len(all) != 1 || all[0].Type != "Freeze" {
		t.Fatalf("%+v, %v", all, err)
	}
	vm := s.Status().Endpoints.ResourceManager + e.VM + "?api-version=2024-11-01"
	o.must(http.MethodDelete, vm, nil, nil)
	if all, err := o.control.ListEvents(t.Context(), control.EventQuery{}); err != nil || len(all) != 0 {
		t.Errorf("the machine is gone, and there are %+v, %v", all, err)
	}
	o.must(http.MethodPut, vm, object{"location": "eastus"}, nil)
	if machine, err = o.control.Attach(t.Context(), control.AttachRequest{VM: "ubuntu"}); err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	if d := look(); len(d.Events) != 0 || d.DocumentIncarnation != 1 {
		t.Errorf("the new machine sees %+v", d)
	}
}

func TestEventsRefused(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, _ := start(t, c)
	client := control.Dial(s.Status().ControlSocket)
	for _, q := range []control.EventRequest{
		{VM: "ubuntu", Type: "Explode"}, {VM: "ubuntu", Type: "Reboot", In: "-1s"}, {VM: "ubuntu", Type: "Reboot", In: "soon"}, {VM: "ubuntu", Type: "Reboot", In: "1000h"},
		{VM: "ubuntu", Type: "Reboot", Duration: "0s"}, {VM: "ubuntu", Type: "Reboot", Duration: "1500ms"}, {VM: "ubuntu", Type: "Reboot", Description: "two\nlines"}, {VM: "ubuntu", Type: "Reboot", Description: strings.Repeat("x", 501)},
	} {
		if e, err := client.AddEvent(t.Context(), q); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%+v: %+v, %v", q, e, err)
		}
	}
	if e, err := client.AddEvent(t.Context(), control.EventRequest{VM: "none", Type: "Reboot"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("%+v, %v", e, err)
	}
	if n, err := client.ClearEvents(t.Context(), control.EventQuery{ID: "none"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := client.ClearEvents(t.Context(), control.EventQuery{VM: "ubuntu"}); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestSampleIsInANetwork: the sample's machine knows all about itself.
func TestSampleIsInANetwork(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, _ := start(t, c)
	o := operate(t, s)
	machine, err := o.control.Attach(t.Context(), control.AttachRequest{VM: "ubuntu"})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	var d struct {
		Compute struct {
			StorageProfile struct {
				OSDisk struct {
					DiskSizeGB  string
					ManagedDisk struct{ ID, StorageAccountType string }
				}
			}
		}
		Network struct {
			Interface []struct {
				IPv4 struct {
					IPAddress []struct{ PrivateIPAddress, PublicIPAddress string }
					Subnet    []struct{ Address, Prefix string }
				}
				MACAddress string
			}
		}
	}
	o.metadata(machine.Socket("169.254.169.254:80"), "instance?api-version=2021-02-01", &d)
	if os := d.Compute.StorageProfile.OSDisk; os.DiskSizeGB != "30" || os.ManagedDisk.StorageAccountType != "StandardSSD_LRS" || !strings.HasSuffix(os.ManagedDisk.ID, "/disks/ubuntu-os") {
		t.Errorf("%+v", os)
	}
	if n := d.Network.Interface; len(n) != 1 || len(n[0].MACAddress) != 12 || len(n[0].IPv4.IPAddress) != 1 || n[0].IPv4.IPAddress[0].PrivateIPAddress != "10.0.0.4" ||
		!strings.HasPrefix(n[0].IPv4.IPAddress[0].PublicIPAddress, "203.0.113.") || n[0].IPv4.Subnet[0].Address != "10.0.0.0" || n[0].IPv4.Subnet[0].Prefix != "24" {
		t.Errorf("%+v", n)
	}
}
