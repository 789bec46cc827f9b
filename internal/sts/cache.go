package sts

import (
	"sync"
	"time"

	"midas/internal/azure"
)

// The cache of verified tokens: bounded, and in shards so that requests rarely
// meet at a lock. 64 × 256 tokens are about 25 MB at the worst.
const (
	cacheShards   = 64
	cacheShardMax = 256
)

type cache struct {
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu      sync.RWMutex
	entries map[cacheKey]cacheEntry
}

// cacheKey is a token by its hash, so that no token is kept, and the service
// that it was verified for.
type cacheKey struct {
	token   [32]byte
	service azure.AppID
}

// epochs are those of the directory and the keys, read before the entry was made.
type epochs struct{ directory, keys uint64 }

type cacheEntry struct {
	epochs epochs
	caller *Caller
}

// holds reports whether what was verified then is true now.
func (e cacheEntry) holds(at epochs, now time.Time) bool {
	c := &e.caller.Claims
	unix := now.Unix()
	return e.epochs == at && c.NotBefore <= unix && unix < c.ExpiresAt
}

func (c *cache) get(k cacheKey, at epochs, now time.Time) (Caller, bool) {
	shard := &c.shards[k.token[0]%cacheShards]
	shard.mu.RLock()
	e, ok := shard.entries[k]
	shard.mu.RUnlock()
	if !ok || !e.holds(at, now) {
		return Caller{}, false
	}
	return *e.caller, true
}

// put keeps a caller. A full shard loses what no longer holds, and one that
// does where all hold.
func (c *cache) put(k cacheKey, at epochs, now time.Time, caller Caller) {
	shard := &c.shards[k.token[0]%cacheShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.entries == nil {
		shard.entries = make(map[cacheKey]cacheEntry)
	}
	if len(shard.entries) >= cacheShardMax {
		for old, e := range shard.entries {
			if !e.holds(at, now) {
				delete(shard.entries, old)
			}
		}
		for old := range shard.entries {
			if len(shard.entries) < cacheShardMax {
				break
			}
			delete(shard.entries, old)
		}
	}
	shard.entries[k] = cacheEntry{at, &caller}
}
