package clock

import (
	"strings"
	"sync"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	base := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	c := New(func() time.Time { return base }, time.Hour)
	if got := c.Now(); !got.Equal(base.Add(time.Hour)) {
		t.Errorf("it begins at %s", got)
	}
	c.Advance(25 * time.Hour)
	if got := c.Now(); !got.Equal(base.Add(26*time.Hour)) || c.Offset() != 26*time.Hour {
		t.Errorf("it moved to %s, %s ahead", got, c.Offset())
	}
	base = base.Add(time.Minute)
	if got := c.Now(); !got.Equal(base.Add(26 * time.Hour)) {
		t.Errorf("it stands still at %s", got)
	}
}

func TestMovesAddUp(t *testing.T) {
	c := New(time.Now, 0)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { c.Advance(time.Minute) })
	}
	wg.Wait()
	if c.Offset() != 100*time.Minute {
		t.Errorf("100 minutes came to %s", c.Offset())
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"25h": 25 * time.Hour, "8d": 8 * Day, "1d12h30m": 36*time.Hour + 30*time.Minute, "1d1ns": Day + 1, "1.5h": 90 * time.Minute,
		"0d1s": time.Second, "36500d": Max, "36499d24h": Max, "500ms": 500 * time.Millisecond,
	} {
		if d, err := ParseDuration(s); err != nil || d != want {
			t.Errorf("%q is %s, %v", s, d, err)
		}
	}
	for s, says := range map[string]string{
		"": "not a duration", "8": "not a duration", "d": "not a duration", "1.5d": "not a duration", "d8": "not a duration", "8dd": "not a duration",
		"8d-1h": "not a duration", "8d+1h": "not a duration", "8days": "not a duration", " 8d": "not a duration", "99999999999999999999d": "not a duration",
		"-1h": "forward", "-8d": "forward", "0": "forward", "0s": "forward", "0d": "forward",
		"36501d": "too far", "36500d1ns": "too far", "2147483647d": "too far", "876001h": "too far",
	} {
		if d, err := ParseDuration(s); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %s, %v", s, d, err)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"25h", "8d", "1d12h30m", "-1h", "1.5d", "9223372036s", "36500d", "d", "0d0s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			if d != 0 {
				t.Errorf("%q is %s and %v", s, d, err)
			}
			return
		}
		if d <= 0 || d > Max {
			t.Errorf("%q is %d", s, d)
		}
		if again, err := ParseDuration(Format(d)); err != nil || again != d {
			t.Errorf("%q is written %q, which is %s, %v", s, Format(d), again, err)
		}
	})
}
