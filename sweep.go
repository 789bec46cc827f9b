package midas

import (
	"context"
	"time"

	"midas/internal/activity"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/vault"
)

// sweepEvery is how often what is past its time is removed for good. Nobody
// sees it any more before that.
const sweepEvery = time.Minute

// taskSweep is the task that one replica at a time does.
const taskSweep = 1

// sweep removes what is past its time: at the start, then again and again, and
// when it is asked to.
func (s *Server) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var done chan<- error // of who asked
	for {
		err := s.purge(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("what is past its time could not be removed", "err", err)
		}
		if done != nil {
			done <- err
		}
		select {
		case <-tick.C:
			done = nil
		case done = <-s.sweeps:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweepNow sweeps and returns when that is done.
func (s *Server) sweepNow(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case s.sweeps <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// purge removes what is past its time, and then its traces from the files.
func (s *Server) purge(ctx context.Context) error {
	var secrets, vaults int64
	err := s.db.Update(ctx, func(tx *store.Tx) (err error) {
		if alone, err := tx.Alone(taskSweep); err != nil || !alone {
			return err
		}
		if err := activity.Trim(tx); err != nil {
			return err
		}
		if _, err := directory.PurgeExpired(tx); err != nil {
			return err
		}
		if err := directory.SweepSignIns(tx); err != nil {
			return err
		}
		if secrets, err = vault.PurgeExpired(tx); err != nil {
			return err
		}
		if vaults, err = vault.PurgeExpiredVaults(tx); err != nil || secrets+vaults == 0 {
			return err
		}
		return tx.Purged()
	})
	if err != nil {
		return err
	}
	if secrets+vaults > 0 {
		s.log.Info("what was deleted long ago was purged", "secrets", secrets, "vaults", vaults)
	}
	return s.db.Scrub(ctx)
}
