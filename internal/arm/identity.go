package arm

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/resource"
)

// TypeUserAssignedIdentity is the type of the identities that can be attached.
const TypeUserAssignedIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"

const assignIdentity = TypeUserAssignedIdentity + "/assign/action"

// maxUserIdentities bounds the identities of one machine, as Azure does.
const maxUserIdentities = 1000

// identityRequest is the identity block of a body.
type identityRequest struct {
	Type         string                     `json:"type"`
	UserAssigned map[string]json.RawMessage `json:"userAssignedIdentities"`
}

// setIdentity applies an identity block (control-plane.md D2). On a create or
// replace its map is the whole set; on a patch an entry is added, or removed
// where it is null. A type without user-assigned identities drops them, a type
// without the system-assigned one deletes its principal, and enabling it again
// makes a new one.
func (c *Change) setIdentity(raw json.RawMessage, replace bool) error {
	var req identityRequest
	if err := decode(raw, &req, "identity"); err != nil {
		return err
	}
	old := c.New.Identity
	if old == nil {
		old = &resource.Identity{Type: resource.NoIdentity}
	}
	typ, err := identityType(req.Type, old.Type, replace)
	if err != nil {
		return err
	}
	next := &resource.Identity{Type: typ, UserAssigned: map[string]resource.UserIdentity{}}
	if typ.HasUser() {
		if err := c.attach(next, old, req.UserAssigned, replace); err != nil {
			return err
		}
		if len(next.UserAssigned) == 0 {
			return badIdentity("The identity type '%s' needs at least one user-assigned identity.", typ)
		}
	} else if attaches(req.UserAssigned) {
		return badIdentity("The identity type '%s' cannot have user-assigned identities.", typ)
	}
	if err := c.setSystem(next, old); err != nil {
		return err
	}
	c.New.Identity = next
	if typ == resource.NoIdentity {
		c.New.Identity = nil
	}
	return nil
}

func badIdentity(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Named(CodeInvalidIdentity).At("identity")
}

func attaches(entries map[string]json.RawMessage) bool {
	for _, v := range entries {
		if string(v) != "null" {
			return true
		}
	}
	return false
}

// identityType reads the type in any case, with or without the blank after
// the comma. A patch without one keeps what is there.
func identityType(given string, old resource.IdentityType, replace bool) (resource.IdentityType, error) {
	if given == "" && !replace {
		return old, nil
	}
	switch strings.ToLower(strings.ReplaceAll(given, " ", "")) {
	case "none":
		return resource.NoIdentity, nil
	case "systemassigned":
		return resource.SystemAssigned, nil
	case "userassigned":
		return resource.UserAssigned, nil
	case "systemassigned,userassigned", "userassigned,systemassigned":
		return resource.SystemAndUserAssigned, nil
	}
	return "", badIdentity("The identity type '%.64s' is not valid. The types are 'None', 'SystemAssigned', 'UserAssigned' and 'SystemAssigned, UserAssigned'.", given)
}

// attach fills the set of user-assigned identities. A new one must exist, and
// the caller must have the right to assign it.
func (c *Change) attach(next, old *resource.Identity, entries map[string]json.RawMessage, replace bool) error {
	if len(entries) > maxUserIdentities {
		return badIdentity("A resource can have at most %d user-assigned identities.", maxUserIdentities)
	}
	have := map[string]string{} // key of an id to its spelling
	for id := range old.UserAssigned {
		have[azure.Fold(id)] = id
		if !replace || entries == nil {
			next.UserAssigned[id] = old.UserAssigned[id]
		}
	}
	for _, given := range slices.Sorted(maps.Keys(entries)) {
		id, err := azure.ParseResourceID(given)
		if err != nil || !strings.EqualFold(id.Type(), TypeUserAssignedIdentity) {
			return badIdentity("'%.512s' is not the id of a user-assigned identity.", given)
		}
		was, attached := have[id.Key()]
		switch {
		case string(entries[given]) == "null":
			delete(next.UserAssigned, was)
		case !isObject(entries[given]):
			return badIdentity("The value of the user-assigned identity '%.512s' is not an object.", given)
		case attached:
			if u, ok := old.UserAssigned[was]; ok {
				next.UserAssigned[was] = u
			}
		default:
			have[id.Key()] = id.String()
			if next.UserAssigned[id.String()], err = c.assignable(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// assignable checks the right before the existence, so that nobody learns of
// identities by trying.
func (c *Change) assignable(id azure.ResourceID) (resource.UserIdentity, error) {
	if err := c.AuthorizeLinked(c.write(), c.New.ID, assignIdentity, id); err != nil {
		return resource.UserIdentity{}, err
	}
	p, err := directory.PrincipalByResource(c.Tx, id)
	if fault.Is(err, fault.NotFound) {
		return resource.UserIdentity{}, fault.New(fault.Invalid, "Identity operation for resource '%s' failed with error 'The user-assigned identity '%s' was not found.'.", c.New.ID, id).Named(CodeFailedIdentityOperation).At("identity")
	}
	return resource.UserIdentity{PrincipalID: p.ID, ClientID: p.AppID}, err
}

// write is the action of a write to the changed resource.
func (c *Change) write() string { return c.New.ID.Type() + "/write" }

// setSystem makes, keeps or deletes the system-assigned identity.
func (c *Change) setSystem(next, old *resource.Identity) error {
	switch {
	case next.Type.HasSystem() && old.Type.HasSystem():
		next.PrincipalID, next.TenantID = old.PrincipalID, old.TenantID
	case next.Type.HasSystem():
		p, err := directory.CreateManagedIdentity(c.Tx, c.Caller.Tenant, c.New.ID.Name(), c.New.ID)
		if err != nil {
			return err
		}
		next.PrincipalID, next.TenantID = p.ID, p.Tenant
	case old.Type.HasSystem():
		if err := directory.DeletePrincipal(c.Tx, old.PrincipalID); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}
