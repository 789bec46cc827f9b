package midas

import (
	"context"
	"fmt"
	"time"

	"midas/internal/clock"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/store"
)

// settingClock is how far the clock is ahead of the machine's.
const settingClock = "clock-offset"

// machineClock is what the cloud's clock is ahead of.
func machineClock(c Config) func() time.Time {
	if c.Now != nil {
		return c.Now
	}
	return time.Now
}

// restoreClock moves a new clock to where the data has it: what was made in
// the future has to stay in the past.
func (s *Server) restoreClock(ctx context.Context) error {
	var ahead time.Duration
	err := s.db.View(ctx, func(tx *store.Tx) (err error) { ahead, err = clockSetting(tx); return err })
	s.clock.Advance(ahead)
	return err
}

func clockSetting(tx *store.Tx) (time.Duration, error) {
	text, err := tx.Setting(settingClock)
	if err != nil || text == "" {
		return 0, err
	}
	ahead, err := clock.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("the setting %s: %w", settingClock, err)
	}
	return ahead, nil
}

// showClock reads the clock.
func (s *Server) showClock() control.Clock {
	ahead := s.clock.Offset()
	return control.Clock{Now: s.now().UTC(), Offset: clock.Format(ahead), OffsetSeconds: ahead.Seconds()}
}

// advanceClock moves the clock forward, and returns once what has come to its
// end by that is gone, and the token files are renewed.
func (s *Server) advanceClock(ctx context.Context, by string) (control.Clock, error) {
	d, err := clock.ParseDuration(by)
	if err != nil {
		return control.Clock{}, fault.New(fault.Invalid, "%v\nhint: say how far, such as 90m, 25h or 8d", err).At("by")
	}
	// The setting comes first: a crash in between leaves a clock that was moved.
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		ahead, err := clockSetting(tx)
		if err != nil {
			return err
		}
		if ahead > clock.Max-d {
			return fault.New(fault.Invalid, "the clock is %s ahead and can be %s ahead at most\nhint: begin again with another data directory", clock.Format(ahead), clock.Format(clock.Max)).At("by")
		}
		return tx.SetSetting(settingClock, clock.Format(ahead+d))
	})
	if err != nil {
		return control.Clock{}, err
	}
	s.clock.Advance(d)
	s.log.Info("the clock was moved", "by", clock.Format(d), "ahead", clock.Format(s.clock.Offset()))
	s.renewTokens(ctx)
	return s.showClock(), s.sweepNow(ctx)
}
