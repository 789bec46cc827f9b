package arm

import (
	"encoding/json"
	"net/http"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/resource"
)

const groupOperation = azure.TypeResourceGroup + "/"

// showGroup renders a resource group. Its answers name it
// Microsoft.Resources/resourceGroups, its permissions do not.
func showGroup(g *resource.Resource) any {
	o := object{{"id", g.ID.String()}, {"name", g.ID.Name()}, {"type", "Microsoft.Resources/resourceGroups"}, {"location", g.Location}}
	if g.Tags != nil {
		o = append(o, member{"tags", g.Tags})
	}
	o = append(o, envelope(g)...)
	return append(o, member{"properties", object{{"provisioningState", "Succeeded"}}})
}

func (d *Door) getGroup(c *Call, r *http.Request) (*Answer, error) {
	if err := c.authorize(groupOperation+"read", c.ID); err != nil {
		return nil, err
	}
	g, err := resource.Get(c.Tx, c.ID)
	if err != nil {
		return nil, err
	}
	return &Answer{Status: http.StatusOK, Body: showGroup(g)}, nil
}

func (d *Door) headGroup(c *Call, r *http.Request) (*Answer, error) {
	a, err := d.getGroup(c, r)
	if a != nil {
		a.Status = http.StatusNoContent
	}
	return a, err
}

func (d *Door) putGroup(c *Call, r *http.Request) (*Answer, error) {
	if err := c.authorize(groupOperation+"write", c.ID); err != nil {
		return nil, err
	}
	if err := c.unlocked(lock.Write); err != nil {
		return nil, err
	}
	body, old, err := incoming(c, r)
	if err != nil {
		return nil, err
	}
	if old == nil {
		if err := groupName(c.ID.Name()); err != nil {
			return nil, err
		}
	}
	given, ok := d.Cloud.Location(body.location)
	switch {
	case body.location == "":
		return nil, fault.New(fault.Invalid, "The location property is required for this definition.").Named(CodeLocationRequired).At("location")
	case !ok:
		return nil, fault.New(fault.Invalid, "The provided location '%.64s' is not available for resource group.", body.location).Named("LocationNotAvailableForResourceGroup").At("location")
	case old != nil && old.Location != given.Name:
		return nil, groupMoves(given.Name, old)
	}
	id := azure.SubscriptionScope(c.ID.Subscription()).Join("resourceGroups", c.ID.Name())
	g := &resource.Resource{ID: id, Location: given.Name, Tags: body.tags, Extra: body.extra, Properties: json.RawMessage("{}"), UpdatedBy: c.Caller.ID}
	status := http.StatusCreated
	if old != nil {
		status = http.StatusOK
		g.Version, g.CreatedAt, g.CreatedBy = old.Version, old.CreatedAt, old.CreatedBy
	}
	return &Answer{Status: status, Body: showGroup(g)}, resource.Put(c.Tx, g)
}

func groupMoves(to string, old *resource.Resource) error {
	return fault.New(fault.Conflict, "Invalid resource group location '%.64s'. The Resource group already exists in location '%s'.", to, old.Location).Named(CodeInvalidGroupLocation)
}

func (d *Door) patchGroup(c *Call, r *http.Request) (*Answer, error) {
	if err := c.authorize(groupOperation+"write", c.ID); err != nil {
		return nil, err
	}
	if err := c.unlocked(lock.Write); err != nil {
		return nil, err
	}
	body, old, err := incoming(c, r)
	if err != nil {
		return nil, err
	}
	if given, ok := d.Cloud.Location(body.location); body.location != "" && (!ok || given.Name != old.Location) {
		return nil, groupMoves(body.location, old)
	}
	g := body.onto(old)
	g.UpdatedBy = c.Caller.ID
	return &Answer{Status: http.StatusOK, Body: showGroup(g)}, resource.Put(c.Tx, g)
}

// deleteGroup takes a group away with all that is in it, before it answers:
// clients accept 200 as they do 202.
func (d *Door) deleteGroup(c *Call, r *http.Request) (*Answer, error) {
	if err := c.authorize(groupOperation+"delete", c.ID); err != nil {
		return nil, err
	}
	if err := c.unlocked(lock.Delete); err != nil {
		return nil, err
	}
	old, err := existing(c, r)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, resource.NotFound(c.ID)
	}
	return &Answer{Status: http.StatusOK}, d.remove(c, old)
}

// groups lists the groups that the caller may read.
func (d *Door) groups(c *Call, r *http.Request) (*Answer, error) {
	f, err := parseFilter(c.Param("$filter"))
	if err != nil {
		return nil, err
	}
	grants, err := rbac.GrantsFor(c.Tx, c.Caller.Principals, groupOperation+"read", false, c.ManagementGroups...)
	if err != nil {
		return nil, err
	}
	within := grants.Within(c.ID)
	if within == nil {
		within = []azure.ResourceID{}
	}
	q := resource.Query{Type: azure.TypeResourceGroup, Within: c.ID, Grants: within}
	keep := func(g *resource.Resource) bool { return f.matches(g) && !grants.Denied(g.ID) }
	return d.page(c, r, q, keep, func(g *resource.Resource) (any, error) { return showGroup(g), nil })
}

// resources lists resources of every type in a subscription or group: those
// that the caller may read and the filter lets through.
func (d *Door) resources(c *Call, r *http.Request) (*Answer, error) {
	f, err := parseFilter(c.Param("$filter"))
	if err != nil {
		return nil, err
	}
	if c.ID.ResourceGroup() != "" {
		// Who has no role at, above or below the group does not learn that it is there.
		if err := c.sees(groupOperation + "read"); err != nil {
			return nil, err
		}
		if ok, err := resource.Exists(c.Tx, c.ID); err != nil || !ok {
			return nil, firstError(err, resource.NotFound(c.ID))
		}
	}
	seen := map[string]rbac.Grants{} // by type: each has a permission of its own
	keep := func(res *resource.Resource) bool {
		typ := azure.Fold(res.ID.Type())
		g, ok := seen[typ]
		if !ok && err == nil {
			namespace, name, _ := cutType(res.ID.Type())
			if _, t := d.find(namespace, name); t != nil && !t.Tracked {
				seen[typ] = rbac.Grants{} // children are listed at their parents
				return false
			}
			g, err = rbac.GrantsFor(c.Tx, c.Caller.Principals, d.operation(namespace, name, "read"), false, c.ManagementGroups...)
			seen[typ] = g
		}
		return err == nil && f.matches(res) && g.Covers(res.ID)
	}
	answer, pageErr := d.page(c, r, resource.Query{Type: f.resourceType(), Within: c.ID}, keep, func(res *resource.Resource) (any, error) { return d.summary(c, res), nil })
	return answer, firstError(err, pageErr)
}
