package graph

import (
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/sts"
)

// actor is who calls, with what counts for its rights.
type actor struct {
	sts.Caller
	object      directory.Object
	roles       []directory.RoleID // in the directory
	permissions []string           // at Microsoft Graph: an app's own, or those that a user's token has
	whole       bool               // a user's token that speaks for all that the user may
}

func (a *actor) user() bool { return a.object.Kind == directory.User }

// load finds out who calls, and what it has been given.
func (c *call) load() (err error) {
	if c.caller.object, err = directory.ObjectByID(c.tx, c.Tenant, c.caller.ID); err != nil {
		return err
	}
	if c.caller.roles, err = directory.RolesOf(c.tx, c.caller.ID); err != nil {
		return err
	}
	c.caller.permissions = nil
	if c.caller.user() {
		c.caller.permissions = strings.Fields(c.caller.Claims.Scope)
		c.caller.whole = slices.ContainsFunc(c.caller.permissions, func(s string) bool { return s == "user_impersonation" || s == "Directory.AccessAsUser.All" })
		return nil
	}
	given, err := directory.AppRolesOf(c.tx, c.caller.ID)
	if err != nil || len(given) == 0 {
		return err
	}
	itself, err := directory.PrincipalByAppID(c.tx, c.Tenant, c.service.AppID)
	if err != nil {
		return err
	}
	for _, g := range given {
		if p, ok := permissionByID(g.Role); ok && g.Resource == itself.ID {
			c.caller.permissions = append(c.caller.permissions, p.value)
		}
	}
	return nil
}

// right is who may do something. Nobody else may.
type right struct {
	permissions []string           // of an app; a user's token needs one of them, too, unless it speaks for the user whole
	roles       []directory.RoleID // of the caller; a Global Administrator may everything
	members     bool               // users may, unless they are guests
	guests      bool               // users may, guests among them
	owner       bool               // users who own the object may
	owned       []string           // apps with one of these permissions may, if they own the object
	self        bool               // users may, with themselves
}

// depends reports whether the right depends on the object that is asked for.
// It is decided once that is known.
func (r right) depends() bool { return r.owner || r.self || len(r.owned) > 0 }

// may reports whether the caller has a right on an object, "" for none in particular.
func (c *call) may(r right, object azure.ObjectID) (bool, error) {
	c.authorized = true
	a := &c.caller
	given := func(wanted []string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(a.permissions, w) })
	}
	isRole := slices.Contains(a.roles, directory.GlobalAdministrator) ||
		slices.ContainsFunc(r.roles, func(role directory.RoleID) bool { return slices.Contains(a.roles, role) })
	owns := func() (bool, error) {
		if object == "" {
			return false, nil
		}
		return directory.Owns(c.tx, object, a.ID)
	}
	if !a.user() {
		if isRole || given(r.permissions) {
			return true, nil
		}
		if !given(r.owned) {
			return false, nil
		}
		return owns()
	}
	own := r.self && object == a.ID
	if !a.whole && !given(r.permissions) && !(own && slices.Contains(a.permissions, "User.Read")) {
		return false, nil
	}
	if isRole || own || r.guests || r.members && !isGuest(a.object) {
		return true, nil
	}
	if !r.owner {
		return false, nil
	}
	return owns()
}

// need refuses a caller without a right.
func (c *call) need(r right, object azure.ObjectID) error {
	ok, err := c.may(r, object)
	if err == nil && !ok {
		err = denied()
	}
	return err
}

func denied() error {
	return fault.New(fault.Forbidden, "Insufficient privileges to complete the operation.")
}

// found gives what was looked for, or says that it is not there, to those who
// may know.
func (c *call) found(r right, err error, id string) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	if denied := c.need(r, ""); denied != nil && c.need(readDirectory, "") != nil {
		return denied
	}
	return missing(id)
}

// Roles whose holders read the directory, whoever they are.
var readers = []directory.RoleID{
	directory.GlobalReader, directory.DirectoryReaders, directory.DirectoryWriters, directory.ApplicationAdministrator, directory.CloudApplicationAdministrator,
	directory.ApplicationDeveloper, directory.UserAdministrator, directory.GroupsAdministrator, directory.PrivilegedRoleAdministrator,
}

var applicationAdministrators = []directory.RoleID{directory.ApplicationAdministrator, directory.CloudApplicationAdministrator}

const ownedApplications = "Application.ReadWrite.OwnedBy"

// The rights. What Azure documents for each endpoint is the source of the
// permissions, and its default permissions of members and guests of the rest.
var (
	anybody       = right{guests: true, permissions: []string{"User.Read"}}
	readDirectory = right{permissions: []string{"Directory.Read.All", "Directory.ReadWrite.All"}, roles: readers, members: true}
	readUsers     = right{permissions: []string{"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}, roles: readers, members: true, self: true}
	writeUsers    = right{permissions: []string{"User.ReadWrite.All", "Directory.ReadWrite.All"}, roles: []directory.RoleID{directory.UserAdministrator}}

	readGroups   = right{permissions: []string{"Group.Read.All", "Group.ReadWrite.All", "GroupMember.Read.All", "GroupMember.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}, roles: readers, members: true, owner: true}
	createGroups = right{permissions: []string{"Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All"}, roles: []directory.RoleID{directory.GroupsAdministrator, directory.UserAdministrator, directory.DirectoryWriters}, members: true}
	writeGroups  = right{permissions: []string{"Group.ReadWrite.All", "Directory.ReadWrite.All"}, roles: []directory.RoleID{directory.GroupsAdministrator, directory.UserAdministrator}, owner: true}
	writeMembers = right{permissions: []string{"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"}, roles: []directory.RoleID{directory.GroupsAdministrator, directory.UserAdministrator, directory.DirectoryWriters}, owner: true}

	readApplications   = right{permissions: []string{"Application.Read.All", "Application.ReadWrite.All", ownedApplications, "Directory.Read.All", "Directory.ReadWrite.All"}, roles: readers, members: true}
	createApplications = right{permissions: []string{"Application.ReadWrite.All", ownedApplications}, roles: append([]directory.RoleID{directory.ApplicationDeveloper}, applicationAdministrators...), members: true}
	writeApplications  = right{permissions: []string{"Application.ReadWrite.All"}, roles: applicationAdministrators, owner: true, owned: []string{ownedApplications}}

	readAppRoles   = right{permissions: []string{"Application.Read.All", "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}, roles: readers, members: true}
	writeAppRoles  = right{permissions: []string{"AppRoleAssignment.ReadWrite.All"}, roles: append([]directory.RoleID{directory.PrivilegedRoleAdministrator}, applicationAdministrators...)}
	writeGraphRole = right{permissions: []string{"AppRoleAssignment.ReadWrite.All"}, roles: []directory.RoleID{directory.PrivilegedRoleAdministrator}}
	readGrants     = right{permissions: []string{"DelegatedPermissionGrant.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}, roles: readers, members: true}
	writeGrants    = right{permissions: []string{"DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All"}, roles: append([]directory.RoleID{directory.PrivilegedRoleAdministrator}, applicationAdministrators...)}

	readRoles  = right{permissions: []string{"RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", "Directory.Read.All", "Directory.ReadWrite.All"}, roles: readers, members: true}
	writeRoles = right{permissions: []string{"RoleManagement.ReadWrite.Directory"}, roles: []directory.RoleID{directory.PrivilegedRoleAdministrator}}

	// In lists there is no object that could be the caller's own.
	readUsersList  = right{permissions: readUsers.permissions, roles: readers, members: true}
	readGroupsList = right{permissions: readGroups.permissions, roles: readers, members: true}
	// Which right is needed depends on what is found.
	dependent = right{self: true}

	readOrganization = right{permissions: []string{"Organization.Read.All", "Domain.Read.All", "Directory.Read.All", "Directory.ReadWrite.All", "User.Read"}, roles: readers, guests: true}
)

// protect keeps those who hold roles in the directory out of the reach of all
// but a Global Administrator: who could change them could become them.
func (c *call) protect(p directory.Principal) error {
	held, err := directory.RolesOf(c.tx, p.ID)
	if err != nil || len(held) == 0 || slices.Contains(c.caller.roles, directory.GlobalAdministrator) {
		return err
	}
	return denied()
}
