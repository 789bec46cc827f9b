package rbac

import (
	"slices"

	"midas/internal/azure"
)

// GUIDs of the built-in roles that the rest of the house assigns by itself.
const (
	Owner               = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	Contributor         = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	Reader              = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	KeyVaultSecretsUser = "4633458b-17de-408a-b874-0445c86b69e6"
)

// builtIn holds the roles of control-plane.md C1, in that table's order.
var builtIn = slices.Concat(generalRoles(), keyVaultRoles(), machineRoles())

var (
	builtInByID   = indexBuiltIn(func(d *Definition) string { return d.ID })
	builtInByName = indexBuiltIn(func(d *Definition) string { return azure.Fold(d.RoleName) })
)

func indexBuiltIn(key func(*Definition) string) map[string]*Definition {
	index := make(map[string]*Definition, len(builtIn))
	for _, d := range builtIn {
		index[key(d)] = d
	}
	return index
}

// BuiltIn returns the built-in role with a GUID (in any case), or nil.
func BuiltIn(id string) *Definition { return builtInByID[azure.Fold(id)] }

// BuiltInNamed returns the built-in role with a name (in any case), or nil.
func BuiltInNamed(name string) *Definition { return builtInByName[azure.Fold(name)] }

// role makes a built-in role of one permission block. Lists that are not set
// are empty rather than nil, as they are printed.
func role(id, name, description string, p Permission) *Definition {
	for _, list := range []*[]string{&p.Actions, &p.NotActions, &p.DataActions, &p.NotDataActions} {
		if *list == nil {
			*list = []string{}
		}
	}
	return &Definition{
		ID: id, RoleName: name, Description: description, Type: BuiltInRole,
		Permissions:      []Permission{p},
		AssignableScopes: []azure.ResourceID{azure.Root()},
	}
}

// under puts a prefix before each of several endings.
func under(prefix string, endings ...string) []string {
	all := make([]string, len(endings))
	for i, e := range endings {
		all[i] = prefix + e
	}
	return all
}

// standard is what most narrow roles share ("std" in control-plane.md C1).
func standard() []string {
	return []string{
		"Microsoft.Authorization/*/read",
		"Microsoft.Insights/alertRules/*",
		"Microsoft.Resources/deployments/*",
		"Microsoft.Resources/subscriptions/resourceGroups/read",
		"Microsoft.Support/*",
	}
}

func generalRoles() []*Definition {
	return []*Definition{
		role(Owner, "Owner",
			"Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
			Permission{Actions: []string{"*"}}),
		role(Contributor, "Contributor",
			"Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage assignments in Azure Blueprints, or share image galleries.",
			Permission{
				Actions: []string{"*"},
				NotActions: []string{
					"Microsoft.Authorization/*/Delete",
					"Microsoft.Authorization/*/Write",
					"Microsoft.Authorization/elevateAccess/Action",
					"Microsoft.Blueprint/blueprintAssignments/write",
					"Microsoft.Blueprint/blueprintAssignments/delete",
					"Microsoft.Compute/galleries/share/action",
					"Microsoft.Purview/consents/write",
					"Microsoft.Purview/consents/delete",
					"Microsoft.Resources/deploymentStacks/manageDenySetting/action",
					"Microsoft.Subscription/cancel/action",
					"Microsoft.Subscription/enable/action",
				},
			}),
		role(Reader, "Reader",
			"View all resources, but does not allow you to make any changes.",
			Permission{Actions: []string{"*/read"}}),
		role("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator",
			"Lets you manage user access to Azure resources.",
			Permission{Actions: []string{"*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"}}),
		role("f58310d9-a9f6-439a-9e8d-f62e7b41a168", "Role Based Access Control Administrator",
			"Manage access to Azure resources by assigning roles using Azure RBAC. This role does not allow you to manage access using other ways, such as Azure Policy.",
			Permission{Actions: []string{
				"Microsoft.Authorization/roleAssignments/write",
				"Microsoft.Authorization/roleAssignments/delete",
				"*/read",
				"Microsoft.Support/*",
			}}),
	}
}
