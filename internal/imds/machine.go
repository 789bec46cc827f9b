package imds

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"midas/internal/azure"
	"midas/internal/wire"
)

// Machine is one machine with its identities. Its methods are the endpoints
// that can be on it, each in the words of its own. Whoever reaches one of them
// is that machine. Once the machine is deleted, it has no identity and no
// element; a new machine of the same name is a new one here, too.
type Machine struct {
	*Door
	vm      azure.ResourceID
	current atomic.Pointer[state]
}

// machines are those that are in use, by key: all endpoints of a machine share
// its state and its tokens.
type machines struct {
	sync.Mutex
	used map[string]weak.Pointer[Machine]
}

// Machine returns a machine, the same one while any endpoint of it is in use.
func (d *Door) Machine(vm azure.ResourceID) *Machine {
	all, key := &d.machines, vm.Key()
	all.Lock()
	defer all.Unlock()
	if m := all.used[key].Value(); m != nil {
		return m
	}
	m := &Machine{Door: d, vm: vm}
	if all.used == nil {
		all.used = map[string]weak.Pointer[Machine]{}
	}
	all.used[key] = weak.Make(m)
	runtime.AddCleanup(m, all.forget, key)
	return m
}

// forget drops a machine that nobody uses, unless it has come back meanwhile.
func (all *machines) forget(key string) {
	all.Lock()
	defer all.Unlock()
	if all.used[key].Value() == nil {
		delete(all.used, key)
	}
}

// handler makes an endpoint of its parts.
func (m *Machine) handler(fail func(http.ResponseWriter, *http.Request, error) string, serve wire.Handler) http.Handler {
	return wire.Door{Name: "imds", Now: m.Now, Log: m.Log, Record: m.Record, Fail: fail}.Handle(serve)
}

// ask is a request for a token, whatever words it came in.
type ask struct {
	selector     selector
	resource     string
	capabilities string // xms_cc
	fresh        bool   // not from the cache
	refused      string // hash of the token that a resource did not take
}

// readAsk reads a request by its parameters; names are those that may pick an identity.
func readAsk(p params, names []string) (a ask, err error) {
	if a.selector, err = readSelector(p, names); err != nil {
		return a, err
	}
	a.resource, a.capabilities = p.get("resource"), p.get("xms_cc")
	a.fresh, a.refused = isTrue(p.get("bypass_cache")), p.get("token_sha256_to_refresh")
	if a.resource == "" {
		return a, errResource
	}
	return a, nil
}

// obtain is the one way to a token: of an identity that the machine has now.
func (m *Machine) obtain(ctx context.Context, a ask) (*issued, error) {
	s, err := m.present(ctx)
	if err != nil {
		return nil, err
	}
	id, err := s.choose(a.selector)
	if err != nil {
		return nil, err
	}
	e := wire.EventOf(ctx)
	e.Caller = string(id.ID)
	key := tokenKey{principal: id.ID, resource: a.resource, capabilities: a.capabilities}
	now := m.Now()
	t := s.cached(key, now)
	if t != nil && !a.fresh && !t.refused(a.refused) {
		return t, nil
	}
	e.Operation, e.Target = operationToken, key.resource // the sign-in; what comes from the cache is none
	if t, err = m.issue(ctx, s, id, key, now); err != nil {
		return nil, err
	}
	s.keep(key, t)
	return t, nil
}
