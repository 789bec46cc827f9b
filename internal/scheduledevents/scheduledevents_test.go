package scheduledevents

import (
	"context"
	"strings"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

func machine(t testing.TB, name string) azure.ResourceID {
	t.Helper()
	id, err := azure.ParseResourceID("/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestEvents lives through events on both engines: of two machines, of one that
// is deleted, and of times that have passed.
func TestEvents(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) { events(t, fresh(t)) })
}

func events(t *testing.T, db *store.DB) {
	one, two := machine(t, "one"), machine(t, "two")
	update := func(f func(*store.Tx) error) error { return db.Update(context.Background(), f) }
	add := func(vm azure.ResourceID, in, lasts time.Duration) (e Event) {
		t.Helper()
		err := update(func(tx *store.Tx) (err error) {
			e, err = Add(tx, Event{Resource: vm, Type: Reboot, Duration: lasts, NotBefore: tx.Now.Add(in)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	want := func(vm azure.ResourceID, incarnation int64, status ...bool) []Event {
		t.Helper()
		d, err := Read(context.Background(), db, vm)
		if err != nil || d.Incarnation != incarnation || len(d.Events) != len(status) {
			t.Fatalf("%+v, %v", d, err)
		}
		for i, started := range status {
			if d.Events[i].Started() != started {
				t.Errorf("%+v", d.Events[i])
			}
		}
		return d.Events
	}
	want(one, 1)
	first := add(one, time.Hour, Unknown)
	add(one, -time.Minute, time.Hour) // has begun
	add(one, -time.Hour, time.Minute) // is over
	add(one, -4*time.Minute, Unknown) // goes on
	add(one, -6*time.Minute, Unknown) // is taken for over
	other := add(two, time.Hour, Unknown)
	// Five were added; four began by the time of it, and two ended.
	got := want(one, 1+5+4+2, false, true, true)
	if got[0].ID != first.ID || got[0].Duration != Unknown || got[0].ID != strings.ToUpper(first.ID) {
		t.Errorf("%+v", got[0])
	}
	want(one, 12, false, true, true)
	if err := update(func(tx *store.Tx) error { return Start(tx, one, []string{other.ID}) }); !fault.Is(err, fault.NotFound) {
		t.Errorf("another machine's event: %v", err)
	}
	if err := update(func(tx *store.Tx) error { return Start(tx, one, []string{first.ID, strings.ToLower(first.ID)}) }); err != nil {
		t.Fatal(err)
	}
	want(one, 13, true, true, true)
	clear := func(vm azure.ResourceID, id string) (n int64, err error) {
		err = update(func(tx *store.Tx) (err error) { n, err = Clear(tx, vm, id); return err })
		return n, err
	}
	if n, err := clear(two, first.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("%d %v", n, err)
	}
	if n, err := clear(azure.ResourceID{}, first.ID); err != nil || n != 1 {
		t.Errorf("%d %v", n, err)
	}
	want(one, 14, true, true)
	if n, err := clear(one, ""); err != nil || n != 2 {
		t.Errorf("%d %v", n, err)
	}
	want(one, 16)
	want(two, 2, false)
	if err := update(func(tx *store.Tx) error { return Forget(tx, two) }); err != nil {
		t.Fatal(err)
	}
	want(two, 1)
	for range maxEvents {
		add(two, time.Hour, Unknown)
	}
	err := update(func(tx *store.Tx) error {
		_, err := Add(tx, Event{Resource: two, Type: Freeze, NotBefore: tx.Now})
		return err
	})
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("one event too many: %v", err)
	}
}

func TestParseType(t *testing.T) {
	for in, want := range map[string]Type{"reboot": Reboot, "REDEPLOY": Redeploy, "Freeze": Freeze, "preempt": Preempt, "Terminate": Terminate} {
		if got, err := ParseType(in); got != want || err != nil || got.Notice() < 30*time.Second {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "Explode", "Reboot "} {
		if got, err := ParseType(in); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
}
