package control

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"midas/internal/fault"
)

func TestLeases(t *testing.T) {
	var log bytes.Buffer
	d := testDoor()
	d.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := serve(t, d)
	a, err := c.Lease(t.Context(), AttachRequest{VM: "m", Via: ViaProxy})
	if err != nil || a.VM != "m" || a.Proxy == "" {
		t.Fatalf("%+v, %v", a, err)
	}
	for address, want := range map[string]bool{a.Proxy: true, "http://m:other@127.0.0.1:7443": false} {
		if ended, err := c.EndLease(t.Context(), address); err != nil || ended != want {
			t.Errorf("the end of %q: %v, %v", address, ended, err)
		}
	}
	if _, err := c.Lease(t.Context(), AttachRequest{VM: "m"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a lease of a namespace gives %v", err)
	}
	if strings.Contains(log.String(), "s3cret") || !strings.Contains(log.String(), "/leases") {
		t.Errorf("the log says %s", &log)
	}
}
