package store

import (
	"hash/maphash"
	"sync"
)

// memory is what was worked out from the data, each with the epochs that it
// was read under. Shards keep requests out of each other's way.
type memory struct {
	seed   maphash.Seed
	shards [16]struct {
		sync.Mutex
		entries map[any]remembered
	}
}

type remembered struct {
	epochs [topics]uint64
	value  any
}

// maxRemembered bounds a shard; a full one begins anew. What is remembered is
// small: a kilobyte or so.
const maxRemembered = 1024

// Memo returns what f works out, and remembers it under key until one of the
// topics changes. f may read only what those topics cover, and what it returns
// is shared: nobody changes it. A transaction that changed one of the topics
// itself works things out anew. The key's type is the caller's own.
func Memo[K comparable, V any](tx *Tx, key K, f func() (V, error), on ...Topic) (V, error) {
	for _, t := range on {
		if tx.changed[t] {
			return f()
		}
		tx.trusted[t] = true
	}
	m := &tx.db.memory
	shard := &m.shards[maphash.Comparable(m.seed, key)%uint64(len(m.shards))]
	shard.Lock()
	r, ok := shard.entries[key]
	shard.Unlock()
	if ok && tx.covers(r.epochs, on) {
		return r.value.(V), nil
	}
	v, err := f()
	if err != nil {
		return v, err
	}
	shard.Lock()
	if shard.entries == nil || len(shard.entries) >= maxRemembered {
		shard.entries = make(map[any]remembered)
	}
	shard.entries[key] = remembered{tx.epochs, v}
	shard.Unlock()
	return v, nil
}

// covers reports whether nothing of the topics changed between two readings.
func (tx *Tx) covers(epochs [topics]uint64, on []Topic) bool {
	for _, t := range on {
		if epochs[t] != tx.epochs[t] {
			return false
		}
	}
	return true
}

// overtaken reports whether what the transaction remembered may be older than
// what it read.
func (tx *Tx) overtaken() bool {
	for t, trusted := range tx.trusted {
		if trusted && tx.db.Epoch(Topic(t)) != tx.epochs[t] {
			return true
		}
	}
	return false
}
