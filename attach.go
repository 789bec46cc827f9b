package midas

import (
	"context"
	"net/http"
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

// addrIMDS is where a virtual machine has its metadata service.
const addrIMDS = "169.254.169.254:80"

// lease is what one attachment has open. All of it ends with the context.
type lease struct {
	*Server
	ctx context.Context
	vm  azure.ResourceID
	control.Attachment
}

// attach opens the endpoints of one machine until ctx ends.
func (s *Server) attach(ctx context.Context, q control.AttachRequest) (control.Attachment, error) {
	if q.Via != "" && q.Via != control.ViaNamespace {
		return control.Attachment{}, fault.New(fault.Invalid, "there is no way %q to a machine", q.Via).At("via")
	}
	if q.VM == "" && q.Source != "" {
		return control.Attachment{}, fault.New(fault.Invalid, "a source of identities is a machine's\nhint: name the machine with --vm").At("source")
	}
	if q.VM == "" {
		return control.Attachment{}, nil
	}
	vm, err := s.machine(ctx, q.VM)
	if err != nil {
		return control.Attachment{}, err
	}
	if q.ClientID != "" && q.Source != "workload" {
		return control.Attachment{}, fault.New(fault.Invalid, "a client id chooses among identities of the source \"workload\" only").At("clientId")
	}
	l := &lease{Server: s, ctx: ctx, vm: vm, Attachment: control.Attachment{VM: vm.String()}}
	switch q.Source {
	case "", "imds":
		err = l.open(addrIMDS, s.imds.Machine(vm))
	case "workload":
		err = l.workload(q.ClientID)
	default:
		err = fault.New(fault.Invalid, "there is no source %q of identities", q.Source).At("source")
	}
	return l.Attachment, err
}

// open serves an address on the machine by a unix socket of its own. Whoever
// connects to it is that machine: the listener is the identity.
func (l *lease) open(addr string, h http.Handler) error {
	path := filepath.Join(l.sockets, azure.NewGUID()+".sock")
	listener, err := control.Listen(path)
	if err != nil {
		return err
	}
	endpoint := serve(wire.Server(h, l.log), listener)
	l.machines.Go(func() {
		if err := endpoint(l.ctx); err != nil {
			l.log.Error("a machine's endpoint ended", "machine", l.vm.String(), "address", addr, "err", err)
		}
	})
	l.Endpoints = append(l.Endpoints, control.LocalEndpoint{Addr: addr, Socket: path})
	return nil
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
