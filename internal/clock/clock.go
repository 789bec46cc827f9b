// Package clock is the one clock of a cloud: the machine's, moved forward as
// far as a user asked, so that what takes days can be watched in seconds. It
// also reads how far that is. It does not decide who may move it and keeps
// nothing: whoever makes a clock says how far it is already. It imports the
// standard library only.
package clock

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Max is how far a clock can be ahead: far beyond everything that expires, and
// near enough that every date has four digits in its year.
const Max = 100 * 365 * Day

// Day is what a "d" in a duration stands for.
const Day = 24 * time.Hour

// Clock is a clock that only moves forward. Its methods may be called at the
// same time.
type Clock struct {
	base   func() time.Time
	offset atomic.Int64
}

// New returns a clock that is ahead of base by offset.
func New(base func() time.Time, offset time.Duration) *Clock {
	c := &Clock{base: base}
	c.offset.Store(int64(offset))
	return c
}

// Now is the time on the clock.
func (c *Clock) Now() time.Time { return c.base().Add(c.Offset()) }

// Offset is how far the clock is ahead of its base.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Advance moves the clock forward. Two moves at once add up. It is for the
// caller to see that d is not negative and that the sum stays within [Max].
func (c *Clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

// ParseDuration reads how far to move a clock: a duration as Go writes it, with
// whole days before it where wanted, such as "25h", "8d" or "1d12h30m". It is
// more than nothing and at most [Max].
func ParseDuration(s string) (time.Duration, error) {
	days, rest, hasDays := strings.Cut(s, "d")
	if !hasDays {
		days, rest = "0", s
	}
	n, err := strconv.ParseInt(days, 10, 32)
	if err != nil {
		return 0, notDuration(s)
	}
	var d time.Duration
	if rest != "" || !hasDays {
		if d, err = time.ParseDuration(rest); err != nil || hasDays && (rest[0] == '-' || rest[0] == '+') {
			return 0, notDuration(s)
		}
	}
	switch {
	case n < 0 || d < 0 || n == 0 && d == 0:
		return 0, fmt.Errorf("%q does not move the clock forward, and it moves no other way: what it has made expire stays expired", s)
	case n > int64(Max/Day) || d > Max-time.Duration(n)*Day:
		return 0, fmt.Errorf("%q is too far: the clock can be %d days ahead at most", s, Max/Day)
	}
	return time.Duration(n)*Day + d, nil
}

func notDuration(s string) error {
	return fmt.Errorf("%.64q is not a duration such as 90s, 25h, 8d or 1d12h", s)
}

// Format writes a duration in the form that [ParseDuration] reads, with days
// where there are any.
func Format(d time.Duration) string {
	if d < Day {
		return d.String()
	}
	days := strconv.FormatInt(int64(d/Day), 10) + "d"
	if d %= Day; d == 0 {
		return days
	}
	return days + d.String()
}
