package midas

import (
	"context"
	"path/filepath"
	"strings"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/provider/compute"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/wire"
)

// attach opens the endpoint of one machine on a socket of its own until ctx
// ends. Whoever connects to it is that machine: the listener is the identity.
func (s *Server) attach(ctx context.Context, machine string) (control.Attachment, error) {
	if machine == "" {
		return control.Attachment{}, nil
	}
	vm, err := s.machine(ctx, machine)
	if err != nil {
		return control.Attachment{}, err
	}
	path := filepath.Join(s.sockets, azure.NewGUID()+".sock")
	l, err := control.Listen(path)
	if err != nil {
		return control.Attachment{}, err
	}
	endpoint := serve(wire.Server(s.imds.Machine(vm), s.log), l)
	s.machines.Go(func() {
		if err := endpoint(ctx); err != nil {
			s.log.Error("a machine's endpoint ended", "machine", vm.String(), "err", err)
		}
	})
	return control.Attachment{VM: vm.String(), IMDSSocket: path}, nil
}

// machine finds a virtual machine by id, or by a name that only one has.
func (s *Server) machine(ctx context.Context, name string) (azure.ResourceID, error) {
	var found []*resource.Resource
	err := s.db.View(ctx, func(tx *store.Tx) error {
		if strings.HasPrefix(name, "/") {
			id, err := azure.ParseResourceID(name)
			if err != nil {
				return fault.New(fault.Invalid, "%q is not a resource id", name)
			}
			r, err := resource.Get(tx, id)
			found = []*resource.Resource{r}
			return err
		}
		found = nil
		q := resource.Query{Type: compute.TypeVirtualMachine, Within: azure.SubscriptionScope(s.ids.subscription), Limit: 1000}
		for {
			page, next, err := resource.List(tx, q)
			if err != nil {
				return err
			}
			for _, r := range page {
				if strings.EqualFold(r.ID.Name(), name) {
					found = append(found, r)
				}
			}
			if q.After = next; next == "" {
				return nil
			}
		}
	})
	switch {
	case err != nil:
		return azure.ResourceID{}, err
	case len(found) == 0:
		return azure.ResourceID{}, fault.New(fault.NotFound, "there is no virtual machine %q\nhint: `midas up --sample` makes one named %q; others come from Resource Manager", name, sampleVM)
	case len(found) > 1:
		return azure.ResourceID{}, fault.New(fault.Conflict, "there are %d virtual machines %q\nhint: name one by its id, such as %s", len(found), name, found[0].ID)
	case !strings.EqualFold(found[0].ID.Type(), compute.TypeVirtualMachine):
		return azure.ResourceID{}, fault.New(fault.Invalid, "%s is not a virtual machine", found[0].ID)
	}
	return found[0].ID, nil
}
