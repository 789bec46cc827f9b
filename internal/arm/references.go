package arm

import (
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
)

// Codes of references between resources.
const (
	CodeInvalidReference  = "InvalidResourceReference"
	CodeInvalidPropertyID = "LinkedInvalidPropertyId"
)

// Refer reads the id of another resource, or of a part of one, that the body
// has at a path. It must be of the type, and the caller must have the action on
// it ("join/action") unless the resource names it already: the right comes
// before the existence, so that nobody learns of resources by trying. there
// says whether it exists.
func (c *Change) Refer(path, given, typ, action string, there func(azure.ResourceID) (bool, error)) (azure.ResourceID, error) {
	id, err := azure.ParseResourceID(given)
	if err != nil || !strings.EqualFold(id.Type(), typ) || id.ResourceGroup() == "" {
		return id, fault.New(fault.Invalid, "Property id '%.512s' at path '%s' is invalid. Expect fully qualified resource Id of type '%s' that start with '/subscriptions/{subscriptionId}'.", given, path, typ).Named(CodeInvalidPropertyID).At(path)
	}
	held, err := c.names(id)
	if err != nil {
		return id, err
	}
	if !held && !c.New.ID.Covers(id) {
		if err := c.AuthorizeLinked(c.write(), c.New.ID, typ+"/"+action, id); err != nil {
			return id, err
		}
	}
	ok, err := there(id)
	if err != nil {
		return id, err
	}
	if !ok {
		return id, fault.New(fault.Invalid, "Resource %s referenced by resource %s was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.", id, c.New.ID).Named(CodeInvalidReference).At(path)
	}
	return id, nil
}

// names reports whether the resource as it was before the change names another.
func (c *Change) names(id azure.ResourceID) (bool, error) {
	if c.Old == nil {
		return false, nil
	}
	had, err := resource.ReferencesOf(c.Tx, c.Old.ID)
	return slices.ContainsFunc(had, func(r resource.Reference) bool { return r.To.Equal(id) }), err
}

// InRegion reports whether a resource is there, in the region of the changed one.
func (c *Change) InRegion(id azure.ResourceID) (bool, error) {
	r, err := resource.Get(c.Tx, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && r.Location == c.New.Location, err
}

// User is who names a resource and stays when what is being deleted goes; the
// zero id where nobody does. A group's own resources do not hold each other.
func (c *Call) User(of azure.ResourceID) (azure.ResourceID, error) {
	all, err := resource.ReferencesTo(c.Tx, of)
	for _, r := range all {
		if !c.ID.Covers(r.From) {
			return r.From, err
		}
	}
	return azure.ResourceID{}, err
}
