package midas

import (
	"context"

	"midas/internal/control"
)

// Reseal is what the control socket calls: a test ends it at a step of its own choice.
func (s *Server) Reseal(ctx context.Context, progress func(control.Resealed)) (control.Resealed, error) {
	return s.reseal(ctx, progress)
}

// ByProxy is how a machine's variables are changed for clients behind the proxy.
var ByProxy = byProxy

// MaxStanding is how many leases there may be that nobody holds.
const MaxStanding = maxStanding
