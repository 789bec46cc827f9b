package arm

import (
	"net/http"
	"slices"
	"strings"

	"midas/internal/fault"
	"midas/internal/lock"
	"midas/internal/resource"
	"midas/internal/wire"
)

// providers describes the providers, from the same values that serve them;
// with a namespace in the path, that one.
func (d *Door) providers(c *Call, r *http.Request) (*Answer, error) {
	if c.ID.Subscription() != "" {
		if err := c.sees("Microsoft.Resources/subscriptions/providers/read"); err != nil {
			return nil, err
		}
	}
	segs, err := wire.Segments(r)
	if err != nil {
		return nil, err
	}
	last := segs[len(segs)-1]
	if strings.EqualFold(last, "providers") {
		var all []any
		for i := range d.Providers {
			shown, err := d.describe(c, &d.Providers[i])
			if err != nil {
				return nil, err
			}
			all = append(all, shown)
		}
		return list(all...), nil
	}
	return d.provider(c, last)
}

// provider describes one.
func (d *Door) provider(c *Call, namespace string) (*Answer, error) {
	p, _ := d.find(namespace, "")
	if p == nil {
		return nil, unknownNamespace(namespace)
	}
	body, err := d.describe(c, p)
	return &Answer{Status: http.StatusOK, Body: body}, err
}

func unknownNamespace(namespace string) error {
	return fault.New(fault.NotFound, "The resource namespace '%.64s' is invalid.", namespace).Named(CodeInvalidNamespace)
}

// registrationFree are the providers that belong to Resource Manager itself.
var registrationFree = []string{"Microsoft.Authorization", "Microsoft.Resources"}

// register registers a subscription for a provider, or takes that back.
func (d *Door) register(c *Call, r *http.Request) (*Answer, error) {
	segs, err := wire.Segments(r)
	if err != nil {
		return nil, err
	}
	namespace, registers := segs[len(segs)-2], strings.EqualFold(segs[len(segs)-1], "register")
	if err := c.authorize(namespace+"/"+strings.ToLower(segs[len(segs)-1])+"/action", c.ID); err != nil {
		return nil, err
	}
	p, _ := d.find(namespace, "")
	if p == nil {
		return nil, unknownNamespace(namespace)
	}
	if err := c.unlocked(lock.Write); err != nil {
		return nil, err
	}
	if !registers {
		used, err := resource.AnyOf(c.Tx, c.ID.Subscription(), p.Namespace)
		if err != nil {
			return nil, err
		}
		if used || slices.Contains(registrationFree, p.Namespace) {
			return nil, fault.New(fault.Conflict, "The subscription '%s' cannot be unregistered from the resource provider '%s': it has resources of it, or needs it.", c.ID.Subscription(), p.Namespace)
		}
	}
	if err := resource.Register(c.Tx, c.ID.Subscription(), p.Namespace, registers); err != nil {
		return nil, err
	}
	return d.provider(c, p.Namespace)
}

// registered refuses to make or change what a subscription is not registered
// for. Clients register then, and try again (control-plane.md B2).
func (c *Call) registered(p *Provider, change lock.Change) error {
	if change != lock.Write || c.ID.Subscription() == "" {
		return nil
	}
	ok, err := resource.Registered(c.Tx, c.ID.Subscription(), p.Namespace)
	if err != nil || ok {
		return err
	}
	return fault.New(fault.Conflict, "The subscription is not registered to use namespace '%s'. See https://aka.ms/rps-not-found for how to register subscriptions.", p.Namespace).Named(CodeNotRegistered)
}

func (d *Door) describe(c *Call, p *Provider) (any, error) {
	var regions []string
	for _, l := range d.Cloud.Locations {
		regions = append(regions, l.DisplayName)
	}
	types := []any{}
	for _, t := range p.Types {
		where, capabilities := []string{}, "None"
		if t.Tracked {
			where, capabilities = regions, "SupportsTags, SupportsLocation"
		}
		types = append(types, object{{"resourceType", t.Name}, {"locations", where}, {"apiVersions", t.Versions}, {"defaultApiVersion", t.Versions[0]}, {"capabilities", capabilities}})
	}
	o := object{{"id", strings.TrimSuffix(c.ID.String(), "/") + "/providers/" + p.Namespace}, {"namespace", p.Namespace}, {"resourceTypes", types}}
	if c.ID.Subscription() == "" {
		return o, nil
	}
	policy, state := "RegistrationRequired", "Registered"
	if slices.Contains(registrationFree, p.Namespace) {
		policy = "RegistrationFree"
	}
	ok, err := resource.Registered(c.Tx, c.ID.Subscription(), p.Namespace)
	if !ok {
		state = "Unregistered"
	}
	return append(o, member{"registrationState", state}, member{"registrationPolicy", policy}), err
}
