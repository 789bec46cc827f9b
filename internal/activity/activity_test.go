package activity

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

func TestLogWritesWhatItTook(t *testing.T) {
	db := storetest.New(t)
	l := New(db, slog.New(slog.DiscardHandler))
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var want []Entry
	for i := range 1500 {
		e := Entry{Time: start.Add(time.Duration(i) * time.Second), Plane: "keyvault", Caller: "o", Operation: "get", Target: "/x", Status: 200, RequestID: "r", CorrelationID: "c", ClientAddress: "@"}
		l.Record(e)
		want = append([]Entry{e}, want...)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // Run writes what is queued before it ends
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	err := db.View(t.Context(), func(tx *store.Tx) error {
		got, err := Recent(tx, 2000)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the log differs (-want +got):\n%.2000s", diff)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecordNeverWaits(t *testing.T) {
	l := New(storetest.New(t), slog.New(slog.DiscardHandler))
	for range queued + 10 {
		l.Record(Entry{})
	}
	if n := l.dropped.Load(); n != 10 {
		t.Errorf("%d entries were dropped, want 10", n)
	}
}

func TestTrim(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	db := storetest.NewAt(t, func() time.Time { return now })
	l := New(db, slog.New(slog.DiscardHandler))
	l.Record(Entry{Time: now.Add(-kept - time.Second), Operation: "old"})
	l.Record(Entry{Time: now.Add(-kept + time.Second), Operation: "young"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		if err := Trim(tx); err != nil {
			return err
		}
		left, err := Recent(tx, 10)
		if len(left) != 1 || left[0].Operation != "young" {
			t.Errorf("left are %v", left)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
