package control

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/fault"
)

var testEvent = Event{ID: "E1", VM: "/vm", Type: "Reboot", Status: "Scheduled", NotBefore: time.Date(2026, 11, 20, 12, 15, 0, 0, time.UTC), DurationSeconds: -1}

func TestEvents(t *testing.T) {
	ctx, c := t.Context(), serve(t, testDoor())
	e, err := c.AddEvent(ctx, EventRequest{VM: "vm", Type: "Reboot", In: "15m"})
	if err != nil || !cmp.Equal(e, testEvent) {
		t.Error(e, err)
	}
	for _, q := range []EventRequest{{Type: "Reboot"}, {VM: "vm"}} {
		if _, err := c.AddEvent(ctx, q); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := c.AddEvent(ctx, EventRequest{VM: "none", Type: "Reboot"}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	all, err := c.ListEvents(ctx, EventQuery{VM: "vm"})
	if err != nil || !cmp.Equal(all, []Event{testEvent}) {
		t.Error(all, err)
	}
	if n, err := c.ClearEvents(ctx, EventQuery{ID: "E1"}); err != nil || n != 1 {
		t.Error(n, err)
	}
}
