package imds

import (
	"net/http"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/store"
	"midas/internal/wire"
)

// sinceBalancer is the first version of /metadata/loadbalancer.
const sinceBalancer = "2020-10-01"

// balancer is what is needed of a load balancer that a machine is behind.
type balancer struct {
	id                       azure.ResourceID
	FrontendIPConfigurations []frontend
	LoadBalancingRules       []rule
	InboundNatRules          []rule
	OutboundRules            []rule
}

type frontend struct {
	ID         scalar
	Properties struct {
		PrivateIPAddress scalar
		PublicIPAddress  reference
	}
	address string
}

type rule struct {
	ID         scalar
	Properties struct {
		FrontendIPConfiguration, BackendAddressPool   reference
		FrontendIPConfigurations, BackendAddressPools []reference
		Protocol                                      scalar
		FrontendPort, BackendPort                     int64
	}
}

// lookForBalancers reads the load balancers whose pools or rules a machine's
// configurations are in.
func lookForBalancers(tx *store.Tx, interfaces []networkInterface) (all []balancer, err error) {
	for _, n := range interfaces {
		for _, c := range n.IPConfigurations {
			for _, part := range slices.Concat(c.Properties.LoadBalancerBackendAddressPools, c.Properties.LoadBalancerInboundNatRules) {
				id, err := azure.ParseResourceID(string(part.ID))
				if err != nil || slices.ContainsFunc(all, func(b balancer) bool { return b.id.Equal(id.Parent()) }) {
					continue
				}
				b := balancer{id: id.Parent()}
				found, err := fetch(tx, scalar(b.id.String()), &b)
				if err != nil {
					return nil, err
				}
				if found == nil {
					continue
				}
				if err := b.resolve(tx); err != nil {
					return nil, err
				}
				all = append(all, b)
			}
		}
	}
	return all, nil
}

// resolve reads the addresses of the frontends.
func (b *balancer) resolve(tx *store.Tx) error {
	for i := range b.FrontendIPConfigurations {
		f := &b.FrontendIPConfigurations[i]
		var public struct{ IPAddress scalar }
		if _, err := fetch(tx, f.Properties.PublicIPAddress.ID, &public); err != nil {
			return err
		}
		f.address = string(or(public.IPAddress, f.Properties.PrivateIPAddress))
	}
	return nil
}

// frontends are the addresses of those that a rule names.
func (b *balancer) frontends(r rule) (all []string) {
	for _, ref := range append(r.Properties.FrontendIPConfigurations, r.Properties.FrontendIPConfiguration) {
		for _, f := range b.FrontendIPConfigurations {
			if ref.ID != "" && strings.EqualFold(string(f.ID), string(ref.ID)) {
				all = append(all, f.address)
			}
		}
	}
	return all
}

// names reports whether one of the references is to a part.
func names(all []reference, id scalar) bool {
	return id != "" && slices.ContainsFunc(all, func(r reference) bool { return strings.EqualFold(string(r.ID), string(id)) })
}

// reaches reports whether a rule's traffic comes to a configuration.
func (r rule) reaches(c ipConfiguration) bool {
	return slices.ContainsFunc(append(r.Properties.BackendAddressPools, r.Properties.BackendAddressPool), func(pool reference) bool {
		return names(c.Properties.LoadBalancerBackendAddressPools, pool.ID)
	})
}

// describeBalancers makes the document of local-endpoints.md A.11, nil where
// the machine is behind no load balancer. Its members are in that order.
func describeBalancers(s surroundings) object {
	if len(s.balancers) == 0 {
		return nil
	}
	public, inbound, outbound := list{}, list{}, list{}
	for _, n := range s.interfaces {
		for _, c := range n.IPConfigurations {
			private := member{"privateIpAddress", sinceBalancer, leaf(c.Properties.PrivateIPAddress)}
			if c.public != "" {
				public = append(public, object{{"frontendIpAddress", sinceBalancer, leaf(c.public)}, private})
			}
			for _, b := range s.balancers {
				inbound = append(inbound, b.inbound(c, private)...)
				outbound = append(outbound, b.outbound(c, private)...)
			}
		}
	}
	return object{{"loadbalancer", sinceBalancer, object{
		{"publicIpAddresses", sinceBalancer, public},
		{"inboundRules", sinceBalancer, inbound},
		{"outboundRules", sinceBalancer, outbound},
	}}}
}

func (b *balancer) inbound(c ipConfiguration, private member) (all list) {
	add := func(r rule) {
		for _, address := range b.frontends(r) {
			all = append(all, object{
				{"frontendIpAddress", sinceBalancer, leaf(address)},
				{"protocol", sinceBalancer, leaf(strings.ToLower(string(r.Properties.Protocol)))},
				{"frontendPort", sinceBalancer, number(r.Properties.FrontendPort)},
				{"backendPort", sinceBalancer, number(r.Properties.BackendPort)},
				private,
			})
		}
	}
	for _, r := range b.LoadBalancingRules {
		if r.reaches(c) {
			add(r)
		}
	}
	for _, r := range b.InboundNatRules {
		if names(c.Properties.LoadBalancerInboundNatRules, r.ID) {
			add(r)
		}
	}
	return all
}

func (b *balancer) outbound(c ipConfiguration, private member) (all list) {
	for _, r := range b.OutboundRules {
		if !r.reaches(c) {
			continue
		}
		for _, address := range b.frontends(r) {
			all = append(all, object{{"frontendIpAddress", sinceBalancer, leaf(address)}, private})
		}
	}
	return all
}

// loadBalancer serves /metadata/loadbalancer. A machine that is behind none has
// no such element.
func (m *Machine) loadBalancer(w http.ResponseWriter, r *http.Request, path []string) error {
	p, version, err := admitVersion(w, r, sinceBalancer)
	if err != nil {
		return err
	}
	s, err := m.present(r.Context())
	if err != nil {
		return err
	}
	wire.EventOf(r.Context()).Target = m.vm.String()
	if s.balancers == nil {
		return errNotFound
	}
	n, ok := find(s.balancers, path, version)
	if !ok {
		return errNotFound
	}
	return show(w, n, version, p.get("format"))
}
