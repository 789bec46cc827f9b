package keyvault

import (
	"context"
	"sync"
	"sync/atomic"

	"midas/internal/store"
	"midas/internal/vault"
)

// maxVaults bounds the vaults that are remembered.
const maxVaults = 4096

// vaults remembers vaults while neither a vault nor a resource changes.
type vaults struct {
	db      *store.DB
	current atomic.Pointer[generation]
}

// generation is what is known between two changes.
type generation struct {
	vaults, resources uint64 // the epochs
	byName            sync.Map
	size              atomic.Int64
}

// find returns the vault with a name in lower case, or a NotFound fault, which
// is not remembered: strangers choose the names.
func (c *vaults) find(ctx context.Context, name string) (*vault.Vault, error) {
	g := c.generation()
	if v, ok := g.byName.Load(name); ok {
		return v.(*vault.Vault), nil
	}
	var v *vault.Vault
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		v, err = vault.ByName(tx, name)
		return err
	})
	if err == nil && g.size.Add(1) <= maxVaults {
		g.byName.Store(name, v)
	}
	return v, err
}

// generation returns that of the present epochs. They are read before any row
// is, so that an entry is never newer than it claims.
func (c *vaults) generation() *generation {
	vaults, resources := c.db.Epoch(store.Vaults), c.db.Epoch(store.Resources)
	g := c.current.Load()
	if g != nil && g.vaults == vaults && g.resources == resources {
		return g
	}
	next := &generation{vaults: vaults, resources: resources}
	c.current.CompareAndSwap(g, next)
	return next
}
