package graph

import (
	"encoding/json"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

// noRole is the app role of an application that has none.
const noRole = "00000000-0000-0000-0000-000000000000"

// appRoles lists app role assignments: those that a principal has, or those at
// a resource.
func listAppRoles(at bool, kinds ...directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		o, err := c.object(0, kinds...)
		if err != nil {
			return reply{}, err
		}
		find := directory.AppRolesOf
		if at {
			find = directory.AppRolesAt
		}
		all, err := find(c.tx, o.ID)
		if err != nil {
			return reply{}, err
		}
		return c.list(whole("appRoleAssignments", appRoleAssignments, all, func(a directory.AppRoleAssignment) (entity, error) { return c.appRole(a) }))
	}
}

// whole is a collection of things that are few and at hand, in the order of their ids.
func whole[T any](context string, of *resource, all []T, make func(T) (entity, error)) collection {
	return collection{context: context, of: []*resource{of}, fetch: func(after azure.ObjectID, limit int) (page []entity, err error) {
		for _, one := range all {
			e, err := make(one)
			if err != nil {
				return nil, err
			}
			if e.key > after && len(page) < limit {
				page = append(page, e)
			}
		}
		return page, nil
	}}
}

func (c *call) appRole(a directory.AppRoleAssignment) (entity, error) {
	p, err := directory.PrincipalByID(c.tx, a.Principal)
	if err != nil {
		return entity{}, err
	}
	r, err := directory.PrincipalByID(c.tx, a.Resource)
	if err != nil {
		return entity{}, err
	}
	return entity{of: appRoleAssignments, key: azure.ObjectID(a.ID), members: map[string]json.RawMessage{
		"id": encode(a.ID), "appRoleId": encode(a.Role), "createdDateTime": moment(a.CreatedAt), "principalDisplayName": encode(p.DisplayName), "principalId": encode(p.ID),
		"principalType": encode(p.Kind), "resourceDisplayName": encode(r.DisplayName), "resourceId": encode(r.ID),
	}}, nil
}

// assignAppRole gives a role of a resource to a principal. The body names all
// three, and one of the two must be the one of the path.
func assignAppRole(kinds ...directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		o, err := c.object(0, kinds...)
		if err != nil {
			return reply{}, err
		}
		ch, err := c.changes(appRoleAssignments, true)
		if err == nil {
			err = ch.need("AppRoleAssignment", "principalId", "resourceId", "appRoleId")
		}
		if err != nil {
			return reply{}, err
		}
		a := directory.AppRoleAssignment{Principal: azure.ObjectID(ch["principalId"].(string)), Resource: azure.ObjectID(ch["resourceId"].(string)), Role: ch["appRoleId"].(string)}
		if azure.Fold(string(a.Principal)) != string(o.ID) && azure.Fold(string(a.Resource)) != string(o.ID) {
			return reply{}, fault.New(fault.Invalid, "The principal or the resource of the assignment must be the object of the request.")
		}
		if err := c.checkAppRole(a); err != nil {
			return reply{}, err
		}
		a, err = directory.AssignAppRole(c.tx, a)
		if fault.Is(err, fault.Conflict) {
			return reply{}, fault.Wrap(err, fault.Invalid, "Permission being assigned already exists on the object")
		}
		if err != nil {
			return reply{}, orMissing(err, string(a.Principal))
		}
		e, err := c.appRole(a)
		return c.created(&e, err)
	}
}

// checkAppRole sees that the resource has the role, and that the caller may
// give it: a role at Microsoft Graph is a right in the directory.
func (c *call) checkAppRole(a directory.AppRoleAssignment) error {
	r, err := directory.ObjectByID(c.tx, c.Tenant, a.Resource)
	if err != nil {
		return orMissing(err, string(a.Resource))
	}
	if r.AppID == c.service.AppID {
		if err := c.need(writeGraphRole, ""); err != nil {
			return err
		}
	}
	e, err := c.principal(r)
	if err != nil {
		return err
	}
	v, err := e.value([]string{"appRoles"})
	if err != nil {
		return err
	}
	roles, _ := v.([]any)
	if len(roles) == 0 && a.Role == noRole {
		return nil
	}
	for _, role := range roles {
		m, _ := role.(map[string]any)
		if id, _ := m["id"].(string); azure.Fold(id) == azure.Fold(a.Role) {
			return nil
		}
	}
	return fault.New(fault.Invalid, "Permission being assigned was not found on application '%s'.", r.AppID).At("appRoleId")
}

// unassignAppRole takes an assignment of the object away.
func unassignAppRole(at bool, kinds ...directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		o, err := c.object(0, kinds...)
		if err != nil {
			return reply{}, err
		}
		a, err := c.appRoleOf(o, at)
		if err != nil {
			return reply{}, err
		}
		r, err := directory.PrincipalByID(c.tx, a.Resource)
		if err == nil && r.AppID == c.service.AppID {
			err = c.need(writeGraphRole, "")
		}
		if err != nil {
			return reply{}, err
		}
		return reply{}, directory.UnassignAppRole(c.tx, a.ID)
	}
}

// appRoleOf finds the assignment that the path names among those of the object.
func (c *call) appRoleOf(o directory.Object, at bool) (directory.AppRoleAssignment, error) {
	find := directory.AppRolesOf
	if at {
		find = directory.AppRolesAt
	}
	all, err := find(c.tx, o.ID)
	if err != nil {
		return directory.AppRoleAssignment{}, err
	}
	for _, a := range all {
		if a.ID == azure.Fold(c.params[1].value) {
			return a, nil
		}
	}
	return directory.AppRoleAssignment{}, missing(c.params[1].value)
}

func getAppRole(at bool, kinds ...directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		o, err := c.object(0, kinds...)
		if err != nil {
			return reply{}, err
		}
		a, err := c.appRoleOf(o, at)
		if err != nil {
			return reply{}, err
		}
		e, err := c.appRole(a)
		return c.single(&e, err)
	}
}
