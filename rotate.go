package midas

import (
	"context"
	"fmt"

	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/store"
)

// resealBatch is how many values are sealed anew in one transaction. Others
// write in between.
const resealBatch = 50

// reseal adds a root key and puts everything that is sealed under it, while
// the server serves: what is not under it yet still opens. Where something is
// left under an older key, an earlier run was cut short: it is continued, and
// no key is added. The older keys stay in the keyset.
func (s *Server) reseal(ctx context.Context, progress func(control.Resealed)) (control.Resealed, error) {
	var r control.Resealed
	if s.config.RootKey != "" {
		return r, fault.New(fault.Unsupported, "the root key comes from MIDAS_ROOT_KEY and cannot be rotated there\nhint: put it into %s/%s with the mode 0600, and start again without MIDAS_ROOT_KEY", s.config.DataDir, rootKeyFile)
	}
	if !s.rotating.TryLock() {
		return r, fault.New(fault.Conflict, "the seal is being rotated already\nhint: wait for the other command to end")
	}
	defer s.rotating.Unlock()
	left := int64(0)
	for _, column := range sealedColumns() {
		err := column.each(ctx, s.db, func(page []seal.Sealed) error {
			r.Total += int64(len(page))
			left += int64(len(s.outdated(page)))
			return nil
		})
		if err != nil {
			return r, err
		}
	}
	if r.NewKey = left == 0; r.NewKey {
		if err := s.root.Rotate(); err != nil {
			return r, fault.Wrap(err, fault.Conflict, "%v", err)
		}
		s.log.Info("a root key was added")
	}
	if err := s.resealAll(ctx, &r, progress); err != nil {
		return r, err
	}
	s.log.Info("everything is under the newest root key", "resealed", r.Resealed)
	return r, s.db.Scrub(ctx) // of what was under the older ones
}

// outdated are the values that are not under the newest root key.
func (s *Server) outdated(page []seal.Sealed) (old []seal.Sealed) {
	for _, v := range page {
		if !s.root.Primary(v.Ciphertext) {
			old = append(old, v)
		}
	}
	return old
}

// resealAll goes over everything until there is nothing left to do: what was
// being written when the key was added may come after its place was passed.
func (s *Server) resealAll(ctx context.Context, r *control.Resealed, progress func(control.Resealed)) error {
	for found := true; found; {
		found = false
		for _, column := range sealedColumns() {
			err := column.each(ctx, s.db, func(page []seal.Sealed) error {
				old := s.outdated(page)
				for len(old) > 0 {
					n := min(len(old), resealBatch)
					done, err := s.resealBatch(ctx, column, old[:n])
					if err != nil {
						return err
					}
					found, old = true, old[n:]
					r.Resealed += done
					progress(*r)
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", column.what, err)
			}
		}
	}
	return nil
}

// resealBatch seals values anew and says how many. One that has changed
// meanwhile is left alone: what changed it has sealed it.
func (s *Server) resealBatch(ctx context.Context, column sealedColumn, old []seal.Sealed) (done int64, err error) {
	fresh := make([][]byte, len(old))
	for i, v := range old {
		plaintext, err := s.root.Open(v.Ciphertext, v.At)
		if err != nil {
			return 0, fault.Wrap(err, fault.Unavailable, "%s.%s of %s does not open\nhint: `midas verify` tells everything that does not; what was done so far stays", v.At.Table, v.At.Column, v.At.Row)
		}
		if fresh[i], err = s.root.Seal(plaintext, v.At); err != nil {
			return 0, err
		}
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		done = 0
		for i, v := range old {
			replaced, err := column.replace(tx, v, fresh[i])
			if err != nil {
				return err
			}
			if replaced {
				done++
			}
		}
		return tx.Purged() // of what was there
	})
	return done, err
}
