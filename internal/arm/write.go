package arm

import (
	"encoding/json"
	"net/http"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/resource"
)

// existing reads what is there and holds the caller's preconditions against it.
func existing(c *Call, r *http.Request) (*resource.Resource, error) {
	old, err := resource.Get(c.Tx, c.ID)
	if fault.Is(err, fault.NotFound) {
		old, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	return old, precondition(r, old)
}

// incoming reads the body of a PUT or PATCH and what it is for. A patch of what
// is not there is NotFound.
func incoming(c *Call, r *http.Request) (*content, *resource.Resource, error) {
	body, err := parseContent(c.Body)
	if err != nil {
		return nil, nil, err
	}
	old, err := existing(c, r)
	if err == nil && old == nil && r.Method == http.MethodPatch {
		err = resource.NotFound(c.ID)
	}
	return body, old, err
}

// precondition is the table of control-plane.md B4. A change or deletion of
// what is not there is answered with that, whatever its conditions.
func precondition(r *http.Request, old *resource.Resource) error {
	if old == nil && r.Method != http.MethodPut {
		return nil
	}
	holds := func(header string) bool {
		want := r.Header.Get(header)
		return want == "*" && old != nil || old != nil && want == etag(old)
	}
	if r.Header.Get("If-Match") != "" && !holds("If-Match") || r.Header.Get("If-None-Match") != "" && holds("If-None-Match") {
		return fault.New(fault.Stale, "The condition specified using HTTP conditional header(s) is not met.").Named(CodePreconditionFailed)
	}
	return nil
}

// put creates a resource, or replaces what may be replaced of it.
func (d *Door) put(c *Call, r *http.Request, p *Provider, t *Type) (*Answer, error) {
	body, old, err := incoming(c, r)
	if err != nil {
		return nil, err
	}
	res := &resource.Resource{Tags: body.tags, Extra: body.extra}
	// As a patch of nothing: a null means absent (control-plane.md D3).
	if res.Properties, err = mergePatch(json.RawMessage("{}"), orObject(body.properties)); err != nil {
		return nil, err
	}
	if old == nil {
		if err := t.Names.check(p.Namespace+"/"+t.Name, c.ID.Name()); err != nil {
			return nil, err
		}
	} else {
		res.Identity, res.Version, res.CreatedAt, res.CreatedBy = old.Identity, old.Version, old.CreatedAt, old.CreatedBy
	}
	if c.ID, err = d.canonical(c, p, t); err != nil {
		return nil, err
	}
	res.ID = c.ID
	if err := d.place(c, p, t, old, res, body.location); err != nil {
		return nil, err
	}
	return d.commit(c, p, t, old, res, body, true)
}

func orObject(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("{}")
	}
	return raw
}

// patch merges into what is there: properties by RFC 7396, tags as a whole,
// the identity block by its own rules.
func (d *Door) patch(c *Call, r *http.Request, p *Provider, t *Type) (*Answer, error) {
	body, old, err := incoming(c, r)
	if err != nil {
		return nil, err
	}
	res := body.onto(old)
	c.ID = old.ID
	if body.properties != nil {
		if res.Properties, err = mergePatch(old.Properties, body.properties); err != nil {
			return nil, err
		}
	}
	if err := d.place(c, p, t, old, res, body.location); err != nil {
		return nil, err
	}
	return d.commit(c, p, t, old, res, body, false)
}

// commit runs what a create and a change have in common, and answers. With
// replace the body is the whole resource, without it a patch.
func (d *Door) commit(c *Call, p *Provider, t *Type, old, res *resource.Resource, body *content, replace bool) (*Answer, error) {
	if body.identity != nil && !t.Identity {
		return nil, fault.New(fault.Invalid, "The resource type '%s/%s' does not support an identity.", p.Namespace, t.Name).Named("ResourceIdentityNotSupported").At("identity")
	}
	change := &Change{Call: c, Old: old, New: res}
	if t.Prepare != nil {
		if err := t.Prepare(change); err != nil {
			return nil, err
		}
	}
	if body.identity != nil {
		if err := change.setIdentity(body.identity, replace); err != nil {
			return nil, err
		}
	}
	res.UpdatedBy = c.Caller.ID
	if err := resource.Put(c.Tx, res); err != nil {
		return nil, err
	}
	status := http.StatusOK
	if old == nil {
		status = http.StatusCreated
		if t.Created != 0 {
			status = t.Created
		}
	}
	return d.answer(c, status, p, t, res)
}

// canonical spells an id as Resource Manager keeps it: the fixed words and
// the type in their own casing, the group as it was made, the name as given
// last (control-plane.md B1).
func (d *Door) canonical(c *Call, p *Provider, t *Type) (azure.ResourceID, error) {
	parent := c.ID.Parent()
	if parent.Equal(groupOf(c.ID)) {
		group, err := resource.Get(c.Tx, parent)
		if err != nil {
			return c.ID, err
		}
		return group.ID.Join("providers", p.Namespace, t.Name, c.ID.Name()), nil
	}
	owner, err := resource.Get(c.Tx, parent)
	if err != nil {
		return c.ID, err
	}
	return owner.ID.Join(t.Name[strings.LastIndexByte(t.Name, '/')+1:], c.ID.Name()), nil
}

// place checks the location: required for a tracked type, a region of the
// cloud, and never changed.
func (d *Door) place(c *Call, p *Provider, t *Type, old, res *resource.Resource, given string) error {
	typ := p.Namespace + "/" + t.Name
	if old != nil {
		res.Location = old.Location
		if l, ok := d.Cloud.Location(given); given != "" && (!ok || l.Name != old.Location) {
			return fault.New(fault.Conflict, "The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be created in location '%s'. Please select a new resource name.",
				c.ID.Name(), old.Location, c.ID.ResourceGroup(), given).Named(CodeInvalidLocation)
		}
		return nil
	}
	if given == "" {
		if !t.Tracked {
			return nil
		}
		return fault.New(fault.Invalid, "The location property is required for this definition.").Named(CodeLocationRequired).At("location")
	}
	l, ok := d.Cloud.Location(given)
	if !ok {
		return fault.New(fault.Invalid, "The provided location '%.64s' is not available for resource type '%s'. List of available regions for the resource type is '%s'.", given, typ, strings.Join(d.locationNames(), ",")).Named(CodeLocationNotAvailable).At("location")
	}
	res.Location = l.Name
	return nil
}

// delete removes a resource with all that hangs off it; one that is not there is 204.
func (d *Door) delete(c *Call, r *http.Request, t *Type) (*Answer, error) {
	old, err := existing(c, r)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return &Answer{Status: http.StatusNoContent}, nil
	}
	return &Answer{Status: http.StatusOK}, d.remove(c, old)
}

// remove takes a resource away: its children first, then its own rules'
// leftovers, its system-assigned identity, and the role assignments on it. The
// assignments of its identity elsewhere stay and dangle (design.md section 3).
func (d *Door) remove(c *Call, old *resource.Resource) error {
	for {
		children, _, err := resource.List(c.Tx, resource.Query{Within: old.ID, Limit: 2})
		if err != nil {
			return err
		}
		if len(children) > 0 && children[0].ID.Equal(old.ID) {
			children = children[1:]
		}
		if len(children) == 0 {
			break
		}
		if err := d.remove(c, children[0]); err != nil {
			return err
		}
	}
	namespace, typ, _ := strings.Cut(old.ID.Type(), "/")
	if _, t := d.find(namespace, typ); t != nil && t.Remove != nil {
		if err := t.Remove(&Change{Call: c, Old: old}); err != nil {
			return err
		}
	}
	if old.Identity != nil && old.Identity.Type.HasSystem() {
		if err := directory.DeletePrincipal(c.Tx, old.Identity.PrincipalID); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	if _, err := rbac.DeleteAssignmentsUnder(c.Tx, old.ID); err != nil {
		return err
	}
	_, err := resource.Delete(c.Tx, old.ID)
	return err
}

// itemAction runs a POST on a resource.
func (d *Door) itemAction(c *Call, namespace, name string) (*Answer, error) {
	_, typ, _ := strings.Cut(c.ID.Type(), "/")
	if err := c.authorize(d.operation(namespace, typ, name+"/action"), c.ID); err != nil {
		return nil, err
	}
	_, t, err := d.lookUp(c, namespace, typ)
	if err != nil {
		return nil, err
	}
	if err := c.unlocked(lock.Write); err != nil {
		return nil, err
	}
	if err := d.containers(c, t, "action"); err != nil {
		return nil, err
	}
	return run(c, t.Actions, name)
}

// subscriptionAction runs a POST directly under a namespace.
func (d *Door) subscriptionAction(c *Call, namespace, name string) (*Answer, error) {
	p, _ := d.find(namespace, "")
	var actions []Action
	if p != nil {
		actions, namespace = p.Actions, p.Namespace
	}
	operation, open := namespace+"/"+name+"/action", false
	for _, a := range actions {
		if strings.EqualFold(a.Name, name) && a.Open {
			operation, open = namespace+"/"+a.Name+"/read", true
		}
	}
	if err := c.authorize(operation, c.ID); err != nil {
		return nil, err
	}
	if !open {
		if err := c.unlocked(lock.Write); err != nil {
			return nil, err
		}
	}
	return run(c, actions, name)
}

func run(c *Call, actions []Action, name string) (*Answer, error) {
	for _, a := range actions {
		if strings.EqualFold(a.Name, name) {
			return a.Run(c)
		}
	}
	return nil, fault.New(fault.NotFound, "The action '%.64s' is not one of '%s'.", name, c.ID).Named(CodeNotFound)
}

// Decode reads the call's body into a shape: for types and actions
// whose body is not a resource.
func (c *Call) Decode(into any) error {
	if err := json.Unmarshal(c.Body, into); err != nil {
		return invalidJSON(err, "")
	}
	return nil
}
