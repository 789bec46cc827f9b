package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/fault"
)

func TestMaintenance(t *testing.T) {
	ctx, c := t.Context(), serve(t, testDoor())
	clock, err := c.Clock(ctx)
	if err != nil || clock != testClock {
		t.Error(clock, err)
	}
	if clock, err = c.AdvanceClock(ctx, "8d"); err != nil || clock.Offset != "8d" {
		t.Error(clock, err)
	}
	if _, err = c.AdvanceClock(ctx, "-1h"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	report, err := c.Verify(ctx)
	if want := (Report{Checks: []Check{{"things", 3, 1}}, Faults: []string{"thing 2 is bad"}}); err != nil || !cmp.Equal(report, want) || report.OK() {
		t.Error(report, err)
	}
	body, err := c.Backup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if b, err := io.ReadAll(body); err != nil || string(b) != "all of it" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestBackupThatCannotBegin(t *testing.T) {
	d := testDoor()
	d.Backup = func(context.Context, io.Writer) error { return fault.New(fault.Unsupported, "not here\nhint: there") }
	c := serve(t, d)
	if _, err := c.Backup(t.Context()); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
	resp, err := c.http.Post("http://midas/backup", "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
		t.Errorf("an error is %q", ct)
	}
}

// TestRotateSealTells pins that progress arrives as it is made, and how each
// way to fail arrives.
func TestRotateSealTells(t *testing.T) {
	inner := errors.New("s3cret inner state")
	told := fault.New(fault.Conflict, "no\nhint: do").Named("Named")
	for name, c := range map[string]struct {
		progress int
		err      error
		want     func(error) bool
	}{
		"done":        {3, nil, func(err error) bool { return err == nil }},
		"at once":     {0, told, func(err error) bool { f, _ := errors.AsType[*fault.Error](err); return cmp.Equal(f, told) }},
		"on the way":  {2, told, func(err error) bool { f, _ := errors.AsType[*fault.Error](err); return cmp.Equal(f, told) }},
		"a bug of us": {2, inner, func(err error) bool { return fault.Is(err, fault.Unavailable) && !errors.Is(err, inner) }},
	} {
		t.Run(name, func(t *testing.T) {
			d := testDoor()
			heard := make(chan struct{})
			d.Reseal = func(_ context.Context, progress func(Resealed)) (Resealed, error) {
				for i := range c.progress {
					progress(Resealed{Resealed: int64(i), Total: 9})
					<-heard // before the next: it does not wait for the end
				}
				return Resealed{Resealed: 9, Total: 9}, c.err
			}
			n := int64(0)
			all, err := serve(t, d).RotateSeal(t.Context(), func(p Resealed) {
				if p.Resealed != n {
					t.Errorf("step %d is %+v", n, p)
				}
				n++
				heard <- struct{}{}
			})
			if !c.want(err) || n != int64(c.progress) || err == nil && all.Resealed != 9 {
				t.Errorf("%d steps, %+v, %v", n, all, err)
			}
		})
	}
}

// TestRotateSealCutShort is a server that goes away half-way.
func TestRotateSealCutShort(t *testing.T) {
	d := testDoor()
	d.Reseal = func(_ context.Context, progress func(Resealed)) (Resealed, error) {
		progress(Resealed{})
		panic(http.ErrAbortHandler)
	}
	if _, err := serve(t, d).RotateSeal(t.Context(), func(Resealed) {}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
