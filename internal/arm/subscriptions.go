package arm

import (
	"net/http"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/resource"
)

// tenants lists the caller's own tenant.
func (d *Door) tenants(c *Call, r *http.Request) (*Answer, error) {
	t, err := directory.TenantByIDOrDomain(c.Tx, string(c.Caller.Tenant))
	if err != nil {
		return nil, err
	}
	return list(object{{"id", "/tenants/" + string(t.ID)}, {"tenantId", t.ID}, {"countryCode", "US"}, {"displayName", t.DisplayName},
		{"domains", []string{t.Domain}}, {"tenantCategory", "Home"}, {"defaultDomain", t.Domain}, {"tenantType", "AAD"}}), nil
}

func list(values ...any) *Answer {
	if values == nil {
		values = []any{}
	}
	return &Answer{Status: http.StatusOK, Body: object{{"value", values}}}
}

// visible reports whether the caller has any role at, above or below a
// subscription: enough to see that it is there, as on Azure.
func (c *Call) visible(scope azure.ResourceID) (bool, error) {
	held, err := rbac.Assignments(c.Tx, rbac.AssignmentFilter{Scope: scope, Principals: c.Caller.Principals, ManagementGroups: c.ManagementGroups})
	return len(held) > 0, err
}

func (d *Door) subscriptions(c *Call, r *http.Request) (*Answer, error) {
	all, err := directory.Subscriptions(c.Tx, c.Caller.Tenant)
	if err != nil {
		return nil, err
	}
	var seen []any
	for _, s := range all {
		ok, err := c.visible(azure.SubscriptionScope(s.ID))
		if err != nil {
			return nil, err
		}
		if ok {
			shown, err := showSubscription(c, s)
			if err != nil {
				return nil, err
			}
			seen = append(seen, shown)
		}
	}
	return &Answer{Status: http.StatusOK, Body: object{{"value", append([]any{}, seen...)}, {"count", object{{"type", "Total"}, {"value", len(seen)}}}}}, nil
}

func (d *Door) subscription(c *Call, r *http.Request) (*Answer, error) {
	if err := c.sees(azure.TypeSubscription + "/read"); err != nil {
		return nil, err
	}
	s, err := directory.SubscriptionByID(c.Tx, c.ID.Subscription())
	if err != nil {
		return nil, err
	}
	body, err := showSubscription(c, s)
	return &Answer{Status: http.StatusOK, Body: body}, err
}

func showSubscription(c *Call, s directory.Subscription) (any, error) {
	tags, err := resource.SubscriptionTags(c.Tx, s.ID)
	o := object{{"id", "/subscriptions/" + string(s.ID)}, {"authorizationSource", "RoleBased"}, {"managedByTenants", []any{}}, {"subscriptionId", s.ID},
		{"tenantId", s.Tenant}, {"displayName", s.DisplayName}, {"state", s.State},
		{"subscriptionPolicies", object{{"locationPlacementId", "Public_2014-09-01"}, {"quotaId", "PayAsYouGo_2014-09-01"}, {"spendingLimit", "Off"}}}}
	if len(tags) > 0 {
		o = append(o, member{"tags", tags})
	}
	return o, err
}

func (d *Door) locations(c *Call, r *http.Request) (*Answer, error) {
	if err := c.sees(azure.TypeSubscription + "/locations/read"); err != nil {
		return nil, err
	}
	var all []any
	for _, l := range d.Cloud.Locations {
		all = append(all, object{{"id", c.ID.String() + "/locations/" + l.Name}, {"name", l.Name}, {"type", "Region"}, {"displayName", l.DisplayName}, {"regionalDisplayName", l.DisplayName},
			{"metadata", object{{"regionType", "Physical"}, {"regionCategory", "Recommended"}}}})
	}
	return list(all...), nil
}

// sees lets a caller pass that has any role at, above or below what contains
// the call's item, or else the action.
func (c *Call) sees(action string) error {
	ok, err := c.visible(c.ID.Scope())
	if err != nil || ok {
		return err
	}
	return c.authorize(action, c.ID)
}

// versions are all those of a provider's types, newest first.
func (p *Provider) versions() []string {
	seen := map[string]bool{}
	var all []string
	for _, t := range p.Types {
		for _, v := range t.Versions {
			if !seen[v] {
				seen[v] = true
				all = append(all, v)
			}
		}
	}
	return all
}

// cutType splits "Namespace/type/child" after the namespace.
func cutType(typ string) (namespace, name string, ok bool) { return strings.Cut(typ, "/") }
