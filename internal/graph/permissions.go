package graph

import (
	"encoding/json"
	"strings"

	"midas/internal/azure"
	"midas/internal/cloud"
)

// permission is what an app may be given at Microsoft Graph; its ids are the
// same in every tenant.
type permission struct {
	id, value string
	delegated bool // in the name of a user
}

// permissions are those that mean something here.
var permissions = []permission{
	{"9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", "Application.Read.All", false},
	{"1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "Application.ReadWrite.All", false},
	{"18a4783c-866b-4cc7-a460-3d5e5662c884", ownedApplications, false},
	{"06b708a9-e830-4db3-a914-8e69da51d44f", "AppRoleAssignment.ReadWrite.All", false},
	{"8e8e4742-1d95-4f68-9d56-6ee75648c72a", "DelegatedPermissionGrant.ReadWrite.All", false},
	{"7ab1d382-f21e-4acd-a863-ba3e13f7da61", "Directory.Read.All", false},
	{"19dbc75e-c2e2-444c-a770-ec69d8559fc7", "Directory.ReadWrite.All", false},
	{"dbb9058a-0e50-45d7-ae91-66909b5d4664", "Domain.Read.All", false},
	{"bf7b1a76-6e77-406b-b258-bf5c7720e98f", "Group.Create", false},
	{"5b567255-7703-4780-807c-7be8301ae99b", "Group.Read.All", false},
	{"62a82d76-70ea-41e2-9197-370581804d09", "Group.ReadWrite.All", false},
	{"98830695-27a2-44f7-8c18-0c3ebc9698f6", "GroupMember.Read.All", false},
	{"dbaae8cf-10b5-4b86-a4a1-f871c94c6695", "GroupMember.ReadWrite.All", false},
	{"498476ce-e0fe-48b0-b801-37ba7e2685c6", "Organization.Read.All", false},
	{"483bed4a-2ad3-4361-a73b-c83ccdbdc53c", "RoleManagement.Read.Directory", false},
	{"9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", "RoleManagement.ReadWrite.Directory", false},
	{"df021288-bdef-4463-88db-98f22de89214", "User.Read.All", false},
	{"741f803b-c850-494e-b5df-cde7c675a1ca", "User.ReadWrite.All", false},

	{"c79f8feb-a9db-4090-85f9-90d820caa0eb", "Application.Read.All", true},
	{"bdfbf15f-ee85-4955-8675-146e8e5296b5", "Application.ReadWrite.All", true},
	{"0e263e50-5827-48a4-b97c-d940288653c7", "Directory.AccessAsUser.All", true},
	{"06da0dbc-49e2-44d2-8312-53f166ab848a", "Directory.Read.All", true},
	{"e1fe6dd8-ba31-4d61-89e7-88639da4683d", "User.Read", true},
	{"a154be20-db9c-4678-8ab7-66f6cc099a59", "User.Read.All", true},
	{"64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0", "email", true},
	{"7427e0e9-2fba-42fe-b0c0-848c9e6a8182", "offline_access", true},
	{"37f7f235-527c-4136-accd-4a02d197296e", "openid", true},
	{"14dad69e-099b-42c9-810b-d002981feec1", "profile", true},
}

// permissionByID finds what an app may be given for itself.
func permissionByID(id string) (permission, bool) {
	for _, p := range permissions {
		if p.id == azure.Fold(id) && !p.delegated {
			return p, true
		}
	}
	return permission{}, false
}

// PermissionNamed is the id of what an app may be given for itself.
func PermissionNamed(name string) (id string, ok bool) {
	for _, p := range permissions {
		if strings.EqualFold(p.value, name) && !p.delegated {
			return p.id, true
		}
	}
	return "", false
}

// impersonation is the scope of the services that act for users in one way only.
var impersonation = map[string]string{
	cloud.ResourceManager: "41094075-9dad-400e-a0bd-54e686782033",
	cloud.KeyVault:        "f53da476-18e3-4152-8e01-aec403e6edc0",
}

// named is the name of one of the cloud's own services.
func (h *handler) named(app azure.AppID) string {
	s, _ := h.Cloud.Service(string(app))
	return s.Name
}

// serviceRoles are the app roles and scopes of one of the cloud's own services.
func (h *handler) serviceRoles(app azure.AppID) (roles, scopes json.RawMessage) {
	roles, scopes = json.RawMessage(`[]`), json.RawMessage(`[]`)
	if app != h.service.AppID {
		if id, ok := impersonation[h.named(app)]; ok {
			scopes = encode([]any{scope(id, "user_impersonation")})
		}
		return roles, scopes
	}
	var r, s []any
	for _, p := range permissions {
		if p.delegated {
			s = append(s, scope(p.id, p.value))
			continue
		}
		r = append(r, map[string]any{"allowedMemberTypes": []string{"Application"}, "description": p.value, "displayName": p.value, "id": p.id, "isEnabled": true, "origin": "Application", "value": p.value})
	}
	return encode(r), encode(s)
}

func scope(id, value string) map[string]any {
	return map[string]any{"adminConsentDescription": value, "adminConsentDisplayName": value, "id": id, "isEnabled": true, "type": "User", "userConsentDescription": value, "userConsentDisplayName": value, "value": value}
}
