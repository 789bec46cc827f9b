package midas

import (
	"context"
	"net/http"
	"strings"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/imds"
	"midas/internal/provider/compute"
	"midas/internal/proxy"
	"midas/internal/resource"
	"midas/internal/store"
)

// lease is what one attachment has open. All of it ends with the context.
type lease struct {
	*Server
	ctx     context.Context
	vm      azure.ResourceID
	machine *imds.Machine
	grant   *proxy.Grant // what the proxy gives way to; nil where the machine has a namespace
	control.Attachment
}

// attach opens the endpoints of one machine until ctx ends.
func (s *Server) attach(ctx context.Context, q control.AttachRequest) (control.Attachment, error) {
	l := &lease{Server: s, ctx: ctx, Attachment: control.Attachment{Env: map[string]string{}}}
	switch {
	case q.Via == control.ViaProxy:
		l.grant = &proxy.Grant{Endpoints: map[string]http.Handler{}, Egress: q.Egress}
	case q.Via != "" && q.Via != control.ViaNamespace:
		return control.Attachment{}, fault.New(fault.Invalid, "there is no way %q to a machine", q.Via).At("via")
	case q.Egress:
		return control.Attachment{}, fault.New(fault.Invalid, "a way to other hosts leads through the proxy only").At("egress")
	}
	if q.VM == "" && q.Source != "" {
		return control.Attachment{}, fault.New(fault.Invalid, "a source of identities is a machine's\nhint: name the machine with --vm").At("source")
	}
	if q.VM == "" {
		if q.Source != "" {
			return control.Attachment{}, fault.New(fault.Invalid, "a source of identities belongs to a machine\nhint: say which with --vm").At("source")
		}
		return l.ready()
	}
	vm, err := s.machine(ctx, q.VM)
	if err != nil {
		return control.Attachment{}, err
	}
	if q.ClientID != "" && q.Source != "workload" {
		return control.Attachment{}, fault.New(fault.Invalid, "a client id chooses among identities of the source \"workload\" only").At("clientId")
	}
	l.vm, l.VM, l.machine = vm, vm.String(), s.imds.Machine(vm)
	if err := l.open(q.Source, q.ClientID); err != nil {
		return control.Attachment{}, err
	}
	return l.ready()
}

// open opens what a source of identities has on a machine: that source only.
func (l *lease) open(source, clientID string) error {
	switch source {
	case "", "imds":
		return l.openIMDS()
	case "extension":
		return l.openExtension()
	case "appservice":
		return l.openAppService()
	case "appservice2017":
		return l.openAppService2017()
	case "azureml":
		return l.openMachineLearning()
	case "cloudshell":
		return l.openCloudShell()
	case "servicefabric":
		return l.openServiceFabric()
	case "workload":
		return l.workload(clientID)
	case "arc":
		return fault.New(fault.Invalid, "the source arc comes with Arc machines, which are not here yet\nhint: choose another source").At("source")
	}
	return fault.New(fault.Invalid, "there is no source %q of identities\nhint: the sources are imds, extension, appservice, appservice2017, azureml, cloudshell, servicefabric and workload", source).At("source")
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
