package midas

import (
	"context"

	"midas/internal/control"
)

// Reseal is what the control socket calls: a test ends it at a step of its own choice.
func (s *Server) Reseal(ctx context.Context, progress func(control.Resealed)) (control.Resealed, error) {
	return s.reseal(ctx, progress)
}

// MaxStanding is how many leases there may be that nobody holds.
const MaxStanding = maxStanding
