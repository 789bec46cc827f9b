package graph

import (
	"slices"

	"midas/internal/directory"
)

// The methods by short names: the table below is read often.
type by = map[string]endpoint

const (
	user  = directory.User
	group = directory.Group
	sp    = directory.ServicePrincipal
)

// read and write make endpoints.
func read(action string, r right, run func(*call) (reply, error)) endpoint {
	return endpoint{action: action, right: r, run: run}
}

func write(action string, r right, run func(*call) (reply, error)) endpoint {
	return endpoint{action: action, right: r, run: run, update: true}
}

// routes are all that the door serves.
var routes = slices.Concat(meRoutes, userRoutes, groupRoutes, applicationRoutes, principalRoutes, directoryRoutes, roleRoutes)

var meRoutes = []route{
	on("$batch", by{"POST": {action: "batch", batch: true}}),
	on("me", by{"GET": read("users/read", readUsers, me)}),
	on("me/memberOf", by{"GET": read("users/memberOf/read", readUsers, ofMe(related(directory.MemberOf, "directoryObjects", directoryObject, user)))}),
	on("me/transitiveMemberOf", by{"GET": read("users/memberOf/read", readUsers, ofMe(related(directory.TransitiveMemberOf, "directoryObjects", directoryObject, user)))}),
	on("me/ownedObjects", by{"GET": read("users/ownedObjects/read", readUsers, ofMe(ownedObjects))}),
	on("me/getMemberGroups", by{"POST": read("users/memberOf/read", readUsers, ofMe(memberGroups(user)))}),
	on("me/getMemberObjects", by{"POST": read("users/memberOf/read", readUsers, ofMe(memberGroups(user)))}),
	on("me/checkMemberGroups", by{"POST": read("users/memberOf/read", readUsers, ofMe(checkMemberGroups("groupIds", user)))}),
	on("me/checkMemberObjects", by{"POST": read("users/memberOf/read", readUsers, ofMe(checkMemberGroups("ids", user)))}),
}

var userRoutes = append(memberOf("users", readUsers, user),
	on("users", by{"GET": read("users/read", readUsersList, listOf(user)), "POST": write("users/create", writeUsers, createUser)}),
	on("users/{id}", by{"GET": read("users/read", readUsers, getObject(user)), "PATCH": write("users/update", writeUsers, updateUser), "DELETE": write("users/delete", writeUsers, deleteUser)}),
	on("users/{id}/ownedObjects", by{"GET": read("users/ownedObjects/read", readUsers, ownedObjects)}),
	on("users/{id}/appRoleAssignments", by{"GET": read("users/appRoleAssignments/read", readAppRoles, listAppRoles(false, user)), "POST": write("users/appRoleAssignments/create", writeAppRoles, assignAppRole(user))}),
	on("users/{id}/appRoleAssignments/{id}", by{"GET": read("users/appRoleAssignments/read", readAppRoles, getAppRole(false, user)), "DELETE": write("users/appRoleAssignments/delete", writeAppRoles, unassignAppRole(false, user))}),
)

var groupRoutes = append(memberOf("groups", readGroups, group),
	on("groups", by{"GET": read("groups/read", readGroupsList, listOf(group)), "POST": write("groups/create", createGroups, createGroup)}),
	on("groups/{id}", by{"GET": read("groups/read", readGroups, getObject(group)), "PATCH": write("groups/update", writeGroups, updateGroup), "DELETE": write("groups/delete", writeGroups, deleteGroup)}),
	on("groups/{id}/members", by{"GET": read("groups/members/read", readGroups, related(directory.MembersOf, "directoryObjects", directoryObject, group))}),
	on("groups/{id}/transitiveMembers", by{"GET": read("groups/members/read", readGroups, related(directory.TransitiveMembersOf, "directoryObjects", directoryObject, group))}),
	on("groups/{id}/members/$ref", by{"POST": write("groups/members/update", writeMembers, addMember)}),
	on("groups/{id}/members/{id}/$ref", by{"DELETE": write("groups/members/update", writeMembers, removeMember)}),
	on("groups/{id}/owners", by{"GET": read("groups/owners/read", readGroups, listOwners(ownedObject(group)))}),
	on("groups/{id}/owners/$ref", by{"POST": write("groups/owners/update", writeGroups, addOwner(ownedObject(group)))}),
	on("groups/{id}/owners/{id}/$ref", by{"DELETE": write("groups/owners/update", writeGroups, removeOwner(ownedObject(group)))}),
	on("groups/{id}/appRoleAssignments", by{"GET": read("groups/appRoleAssignments/read", readAppRoles, listAppRoles(false, group)), "POST": write("groups/appRoleAssignments/create", writeAppRoles, assignAppRole(group))}),
	on("groups/{id}/appRoleAssignments/{id}", by{"GET": read("groups/appRoleAssignments/read", readAppRoles, getAppRole(false, group)), "DELETE": write("groups/appRoleAssignments/delete", writeAppRoles, unassignAppRole(false, group))}),
)

var applicationRoutes = []route{
	on("applications", by{"GET": read("applications/read", readApplications, listApplications), "POST": write("applications/create", createApplications, createApplication)}),
	on("applications/{id}", by{"GET": read("applications/read", readApplications, getApplication), "PATCH": write("applications/update", writeApplications, updateApplication), "DELETE": write("applications/delete", writeApplications, deleteApplication)}),
	on("applications/{id}/addPassword", by{"POST": write("applications/credentials/update", writeApplications, addPassword(applicationHolder))}),
	on("applications/{id}/removePassword", by{"POST": write("applications/credentials/update", writeApplications, remove(applicationHolder, directory.Password))}),
	on("applications/{id}/federatedIdentityCredentials", by{"GET": read("applications/federatedIdentityCredentials/read", readApplications, listFederated), "POST": write("applications/federatedIdentityCredentials/create", writeApplications, createFederated)}),
	on("applications/{id}/federatedIdentityCredentials/{id}", by{"GET": read("applications/federatedIdentityCredentials/read", readApplications, getFederated), "PATCH": write("applications/federatedIdentityCredentials/update", writeApplications, updateFederated), "DELETE": write("applications/federatedIdentityCredentials/delete", writeApplications, deleteFederated)}),
	on("applications/{id}/owners", by{"GET": read("applications/owners/read", readApplications, listOwners(ownedApplication))}),
	on("applications/{id}/owners/$ref", by{"POST": write("applications/owners/update", writeApplications, addOwner(ownedApplication))}),
	on("applications/{id}/owners/{id}/$ref", by{"DELETE": write("applications/owners/update", writeApplications, removeOwner(ownedApplication))}),
}

var principalRoutes = append(memberOf("servicePrincipals", readApplications, sp),
	on("servicePrincipals", by{"GET": read("servicePrincipals/read", readApplications, listOf(sp)), "POST": write("servicePrincipals/create", createApplications, createServicePrincipal)}),
	on("servicePrincipals/{id}", by{"GET": read("servicePrincipals/read", readApplications, getObject(sp)), "PATCH": write("servicePrincipals/update", writeApplications, updateServicePrincipal), "DELETE": write("servicePrincipals/delete", writeApplications, deleteServicePrincipal)}),
	on("servicePrincipals/{id}/addPassword", by{"POST": write("servicePrincipals/credentials/update", writeApplications, addPassword(principalHolder))}),
	on("servicePrincipals/{id}/removePassword", by{"POST": write("servicePrincipals/credentials/update", writeApplications, remove(principalHolder, directory.Password))}),
	on("servicePrincipals/{id}/owners", by{"GET": read("servicePrincipals/owners/read", readApplications, listOwners(ownedObject(sp)))}),
	on("servicePrincipals/{id}/owners/$ref", by{"POST": write("servicePrincipals/owners/update", writeApplications, addOwner(ownedObject(sp)))}),
	on("servicePrincipals/{id}/owners/{id}/$ref", by{"DELETE": write("servicePrincipals/owners/update", writeApplications, removeOwner(ownedObject(sp)))}),
	on("servicePrincipals/{id}/appRoleAssignments", by{"GET": read("servicePrincipals/appRoleAssignments/read", readAppRoles, listAppRoles(false, sp)), "POST": write("servicePrincipals/appRoleAssignments/create", writeAppRoles, assignAppRole(sp))}),
	on("servicePrincipals/{id}/appRoleAssignments/{id}", by{"GET": read("servicePrincipals/appRoleAssignments/read", readAppRoles, getAppRole(false, sp)), "DELETE": write("servicePrincipals/appRoleAssignments/delete", writeAppRoles, unassignAppRole(false, sp))}),
	on("servicePrincipals/{id}/appRoleAssignedTo", by{"GET": read("servicePrincipals/appRoleAssignedTo/read", readAppRoles, listAppRoles(true, sp)), "POST": write("servicePrincipals/appRoleAssignedTo/create", writeAppRoles, assignAppRole(sp))}),
	on("servicePrincipals/{id}/appRoleAssignedTo/{id}", by{"GET": read("servicePrincipals/appRoleAssignedTo/read", readAppRoles, getAppRole(true, sp)), "DELETE": write("servicePrincipals/appRoleAssignedTo/delete", writeAppRoles, unassignAppRole(true, sp))}),
)

var directoryRoutes = append(memberOf("directoryObjects", readUsers, user, group, sp),
	on("directoryObjects/{id}", by{"GET": read("directoryObjects/read", dependent, getDirectoryObject)}),
	on("directoryObjects/getByIds", by{"POST": read("directoryObjects/read", dependent, getByIDs)}),
	on("directory/deletedItems/{id}", by{"GET": read("deletedItems/read", dependent, itemOrList), "DELETE": write("deletedItems/delete", dependent, purge)}),
	on("directory/deletedItems/{id}/restore", by{"POST": write("deletedItems/restore", dependent, restore)}),
	on("organization", by{"GET": read("organization/read", readOrganization, listTenant(organizations, organization))}),
	on("organization/{id}", by{"GET": read("organization/read", readOrganization, getTenant(organization))}),
	on("domains", by{"GET": read("domains/read", readOrganization, listTenant(domains, domain))}),
	on("domains/{id}", by{"GET": read("domains/read", readOrganization, getTenant(domain))}),
	on("oauth2PermissionGrants", by{"GET": read("oAuth2PermissionGrants/read", readGrants, listGrants), "POST": write("oAuth2PermissionGrants/create", writeGrants, createGrant)}),
	on("oauth2PermissionGrants/{id}", by{"GET": read("oAuth2PermissionGrants/read", readGrants, getGrant), "PATCH": write("oAuth2PermissionGrants/update", writeGrants, updateGrant), "DELETE": write("oAuth2PermissionGrants/delete", writeGrants, deleteGrant)}),
)

var roleRoutes = []route{
	on("directoryRoles", by{"GET": read("directoryRoles/read", readRoles, listRoles(directoryRoles))}),
	on("directoryRoles/{id}", by{"GET": read("directoryRoles/read", readRoles, getRole(directoryRoles))}),
	on("directoryRoles/{id}/members", by{"GET": read("directoryRoles/members/read", readRoles, listRoleMembers)}),
	on("directoryRoles/{id}/members/$ref", by{"POST": write("directoryRoles/members/update", writeRoles, addRoleMember)}),
	on("directoryRoles/{id}/members/{id}/$ref", by{"DELETE": write("directoryRoles/members/update", writeRoles, removeRoleMember)}),
	on("directoryRoleTemplates", by{"GET": read("directoryRoles/read", readRoles, listRoles(roleTemplates))}),
	on("directoryRoleTemplates/{id}", by{"GET": read("directoryRoles/read", readRoles, getRole(roleTemplates))}),
	on("roleManagement/directory/roleDefinitions", by{"GET": read("roleDefinitions/read", readRoles, listRoles(roleDefinitions))}),
	on("roleManagement/directory/roleDefinitions/{id}", by{"GET": read("roleDefinitions/read", readRoles, getRole(roleDefinitions))}),
	on("roleManagement/directory/roleAssignments", by{"GET": read("roleAssignments/read", readRoles, listRoleAssignments), "POST": write("roleAssignments/create", writeRoles, createRoleAssignment)}),
	on("roleManagement/directory/roleAssignments/{id}", by{"GET": read("roleAssignments/read", readRoles, getRoleAssignment), "DELETE": write("roleAssignments/delete", writeRoles, deleteRoleAssignment)}),
}

// memberOf are the routes by which an object of a set finds the groups that it is in.
func memberOf(set string, r right, kinds ...directory.Kind) []route {
	action := set + "/memberOf/read"
	return []route{
		on(set+"/{id}/memberOf", by{"GET": read(action, r, related(directory.MemberOf, "directoryObjects", directoryObject, kinds...))}),
		on(set+"/{id}/transitiveMemberOf", by{"GET": read(action, r, related(directory.TransitiveMemberOf, "directoryObjects", directoryObject, kinds...))}),
		on(set+"/{id}/getMemberGroups", by{"POST": read(action, r, memberGroups(kinds...))}),
		on(set+"/{id}/getMemberObjects", by{"POST": read(action, r, memberGroups(kinds...))}),
		on(set+"/{id}/checkMemberGroups", by{"POST": read(action, r, checkMemberGroups("groupIds", kinds...))}),
		on(set+"/{id}/checkMemberObjects", by{"POST": read(action, r, checkMemberGroups("ids", kinds...))}),
	}
}
