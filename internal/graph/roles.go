package graph

import (
	"encoding/json"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

// role makes an entity of a role in one of the forms that show it. The id of a
// role is that of its template.
func role(of *resource) func(directory.Role) (entity, error) {
	return func(r directory.Role) (entity, error) {
		m := map[string]json.RawMessage{"id": encode(r.ID), "displayName": encode(r.Name), "description": encode(r.Description)}
		for _, name := range []string{"roleTemplateId", "templateId"} {
			m[name] = encode(r.ID)
		}
		m["isBuiltIn"], m["isEnabled"], m["resourceScopes"], m["version"] = encode(true), encode(true), encode([]string{"/"}), encode("1")
		return entity{of: of, key: azure.ObjectID(r.ID), members: m}, nil
	}
}

func listRoles(of *resource) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		return c.list(whole(of.set, of, sortedRoles(), role(of)))
	}
}

// role finds the role that the path names.
func (c *call) role() (directory.Role, error) {
	p := c.params[0]
	if p.key != "" && !strings.EqualFold(p.key, "roleTemplateId") {
		return directory.Role{}, badQuery("Resource not found for the segment '%.100s'.", p.key)
	}
	_, isID := azure.ParseGUID(p.value)
	r, ok := directory.RoleNamed(p.value)
	if !ok || !isID {
		return r, missing(p.value)
	}
	return r, nil
}

func getRole(of *resource) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		r, err := c.role()
		if err != nil {
			return reply{}, err
		}
		e, err := role(of)(r)
		return c.single(&e, err)
	}
}

func listRoleMembers(c *call) (reply, error) {
	r, err := c.role()
	if err != nil {
		return reply{}, err
	}
	all, err := directory.RoleAssignments(c.tx, c.Tenant)
	if err != nil {
		return reply{}, err
	}
	var members []directory.Object
	for _, a := range all {
		if a.Role == r.ID {
			o, err := directory.ObjectByID(c.tx, c.Tenant, a.Principal)
			if err != nil {
				return reply{}, err
			}
			members = append(members, o)
		}
	}
	from := whole("directoryObjects", users, byID(members), c.principal)
	from.of = directoryObject
	return c.list(from)
}

func addRoleMember(c *call) (reply, error) {
	r, err := c.role()
	if err != nil {
		return reply{}, err
	}
	id, err := c.reference()
	if err != nil {
		return reply{}, err
	}
	_, err = c.assign(r.ID, id)
	return reply{}, alreadyThere(err, "members")
}

// assign gives a role to a principal of this tenant.
func (c *call) assign(role directory.RoleID, id azure.ObjectID) (directory.RoleAssignment, error) {
	o, err := directory.ObjectByID(c.tx, c.Tenant, id)
	if err != nil {
		return directory.RoleAssignment{}, orMissing(err, string(id))
	}
	return directory.AssignRole(c.tx, role, o.ID)
}

func removeRoleMember(c *call) (reply, error) {
	r, err := c.role()
	if err != nil {
		return reply{}, err
	}
	all, err := directory.RoleAssignments(c.tx, c.Tenant)
	if err != nil {
		return reply{}, err
	}
	for _, a := range all {
		if a.Role == r.ID && string(a.Principal) == azure.Fold(c.params[1].value) {
			return reply{}, directory.UnassignRole(c.tx, c.Tenant, a.ID)
		}
	}
	return reply{}, missing(c.params[1].value)
}

func roleAssignment(a directory.RoleAssignment) (entity, error) {
	return entity{of: roleAssignments, key: azure.ObjectID(a.ID), members: map[string]json.RawMessage{
		"id": encode(a.ID), "principalId": encode(a.Principal), "roleDefinitionId": encode(a.Role), "directoryScopeId": encode("/"),
	}}, nil
}

func listRoleAssignments(c *call) (reply, error) {
	all, err := directory.RoleAssignments(c.tx, c.Tenant)
	if err != nil {
		return reply{}, err
	}
	return c.list(whole(roleAssignments.set, roleAssignments, all, roleAssignment))
}

func getRoleAssignment(c *call) (reply, error) {
	all, err := directory.RoleAssignments(c.tx, c.Tenant)
	if err != nil {
		return reply{}, err
	}
	for _, a := range all {
		if a.ID == azure.Fold(c.params[0].value) {
			e, err := roleAssignment(a)
			return c.single(&e, err)
		}
	}
	return reply{}, missing(c.params[0].value)
}

func createRoleAssignment(c *call) (reply, error) {
	ch, err := c.changes(roleAssignments, true)
	if err == nil {
		err = ch.need("unifiedRoleAssignment", "principalId", "roleDefinitionId")
	}
	if err != nil {
		return reply{}, err
	}
	if scope := ch["directoryScopeId"]; scope != nil && scope != "/" {
		return reply{}, fault.New(fault.Invalid, "A role is assigned at the scope of the whole directory only, '/'.").At("directoryScopeId")
	}
	id := ch["roleDefinitionId"].(string)
	r, ok := directory.RoleNamed(id)
	if _, isID := azure.ParseGUID(id); !ok || !isID {
		return reply{}, fault.New(fault.Invalid, "The role definition '%.64s' does not exist.", id).At("roleDefinitionId")
	}
	a, err := c.assign(r.ID, azure.ObjectID(ch["principalId"].(string)))
	if fault.Is(err, fault.Conflict) {
		return reply{}, fault.Wrap(err, fault.Invalid, "A conflicting object with one or more of the specified property values is present in the directory.")
	}
	if err != nil {
		return reply{}, err
	}
	e, err := roleAssignment(a)
	return c.created(&e, err)
}

func deleteRoleAssignment(c *call) (reply, error) {
	id := c.params[0].value
	return reply{}, orMissing(directory.UnassignRole(c.tx, c.Tenant, id), id)
}
