package imds

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
)

// state is what a machine was at one moment: its resource, its identities and
// the tokens that were issued to it since. It is never changed but for the
// tokens, and it is dropped whole as soon as any resource, principal or key
// changes: what is detached, deleted or disabled has no token left.
type state struct {
	at         epochs
	tenant     azure.TenantID
	document   object // what /metadata/instance shows; nil where the machine is gone
	port       int    // of the retired extension; 0 where the machine has none
	balancers  object // what /metadata/loadbalancer shows; nil where there is none
	identities []identity
	tokens     atomic.Pointer[tokens]
}

// epochs are the versions of the data that a state was made from.
type epochs struct{ resources, directory, keys uint64 }

// identity is one that the machine may use. It may be disabled.
type identity struct {
	directory.Principal
	system bool // the machine's own, not one that is attached
}

// present returns the machine's present state: without SQL or a lock while nothing
// has changed.
func (m *Machine) present(ctx context.Context) (*state, error) {
	// Read before the data: a change in between makes this state stale, never
	// a stale state current.
	at := epochs{m.DB.Epoch(store.Resources), m.DB.Epoch(store.Directory), m.DB.Epoch(store.Keys)}
	if s := m.current.Load(); s != nil && s.at == at {
		return s, nil
	}
	var s *state
	err := m.DB.View(ctx, func(tx *store.Tx) (err error) {
		s, err = m.load(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.at = at
	m.current.Store(s)
	return s, nil
}

// load reads the machine. One that is deleted has neither document nor identities.
func (m *Machine) load(tx *store.Tx) (*state, error) {
	vm, err := resource.Get(tx, m.vm)
	if fault.Is(err, fault.NotFound) {
		return &state{}, nil
	}
	if err != nil {
		return nil, err
	}
	sub, err := directory.SubscriptionByID(tx, vm.ID.Subscription())
	if err != nil {
		return nil, err
	}
	p := readProperties(vm)
	around, err := look(tx, p)
	if err != nil {
		return nil, err
	}
	s := &state{tenant: sub.Tenant, document: describe(vm, p, around, m.Cloud), balancers: describeBalancers(around)}
	if s.port, err = extensionPort(tx, vm.ID); err != nil {
		return nil, err
	}
	if vm.Identity == nil {
		return s, nil
	}
	if vm.Identity.Type.HasSystem() {
		if err := s.add(tx, vm.Identity.PrincipalID, vm.ID, true); err != nil {
			return nil, err
		}
	}
	if vm.Identity.Type.HasUser() {
		for _, key := range slices.Sorted(maps.Keys(vm.Identity.UserAssigned)) {
			id, err := azure.ParseResourceID(key)
			if err != nil {
				return nil, err
			}
			if err := s.add(tx, vm.Identity.UserAssigned[key].PrincipalID, id, false); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// add takes in a principal if it is there and is the managed identity of that
// resource. A deleted identity stays listed on its machine and is none of its
// identities (control-plane.md D2).
func (s *state) add(tx *store.Tx, principal azure.ObjectID, of azure.ResourceID, system bool) error {
	p, err := directory.PrincipalByID(tx, principal)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.Type == directory.TypeManagedIdentity && p.Resource.Equal(of) {
		s.identities = append(s.identities, identity{p, system})
	}
	return nil
}

// selector picks an identity by one of its names; the zero selector picks none.
type selector struct{ name, value string }

// selectors are the parameters that pick an identity. Documents know
// msi_res_id, and clients send mi_res_id as well (local-endpoints.md A.6).
var selectors = []string{"client_id", "object_id", "msi_res_id", "mi_res_id"}

// allSelectors are those of any endpoint: one that is passed over would give the
// caller a token of another identity than it asked for.
var allSelectors = append([]string{"clientid", "principal_id", "principalid"}, selectors...)

// readSelector takes the one selector of a request. An empty one is none:
// clients send the parameter without a value.
func readSelector(p params, names []string) (sel selector, err error) {
	for _, name := range names {
		value := p.get(name)
		if value == "" {
			continue
		}
		if sel.name != "" {
			return selector{}, errSelectors
		}
		sel = selector{name, value}
	}
	return sel, nil
}

// choose finds the identity that a request means. Without a selector that is
// the system-assigned one, else the only other one (local-endpoints.md A.6).
func (s *state) choose(sel selector) (*identity, error) {
	var found *identity
	several := false
	for i := range s.identities {
		id := &s.identities[i]
		switch {
		case sel.name == "" && id.system:
			return enabled(id)
		case sel.name == "" || sel.means(id):
			several = found != nil
			found = id
		}
	}
	if several {
		return nil, errMultiple
	}
	return enabled(found)
}

// hasSystem reports whether the machine has an identity of its own.
func (s *state) hasSystem() bool {
	return slices.ContainsFunc(s.identities, func(id identity) bool { return id.system })
}

func enabled(id *identity) (*identity, error) {
	if id == nil || !id.Enabled {
		return nil, errNoIdentity
	}
	return id, nil
}

func (sel selector) means(id *identity) bool {
	switch sel.name {
	case "client_id", "clientid":
		return strings.EqualFold(sel.value, string(id.AppID))
	case "object_id", "principal_id", "principalid":
		return strings.EqualFold(sel.value, string(id.ID))
	}
	r, err := azure.ParseResourceID(sel.value)
	return err == nil && r.Equal(id.Resource)
}
