// Package sts is the token service below its doors: it owns the signing keys
// and their rotation, the claims, and issuing and verifying access tokens. It
// does not authenticate anybody and does not decide who may have a token for
// what: the doors do, and hand it a [Grant]. It may import the floors below:
// azure, fault, cloud, seal, pki, store and directory.
package sts

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/cloud"
	"midas/internal/seal"
	"midas/internal/store"
)

// Config is what the service is made of. All of it is needed.
type Config struct {
	DB    *store.DB
	Root  *seal.Root // seals the private keys
	Cloud cloud.Profile
	Now   func() time.Time
	Log   *slog.Logger
}

// Service issues and verifies tokens. Its methods may be called at the same time.
type Service struct {
	Config

	first     chan struct{} // closed once there is a signing key
	firstOnce sync.Once
	loading   sync.Mutex // held by the one request that reads the keys again
	snapshot  atomic.Pointer[keySet]
	verified  cache
}

// New returns a service. It signs once [Service.Run] has made a key, or at
// once where the store has one.
func New(c Config) *Service {
	return &Service{Config: c, first: make(chan struct{})}
}
