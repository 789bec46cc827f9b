package rbac

import "midas/internal/azure"

// RootManagementGroup returns the scope of the management group that contains
// every subscription of a tenant: its name is the tenant's id.
func RootManagementGroup(t azure.TenantID) azure.ResourceID {
	return azure.Root().Join("providers", "Microsoft.Management", "managementGroups", string(t))
}

// Ancestors returns id and every scope whose assignments reach it, nearest
// first, the tenant root last (control-plane.md C2). A path does not tell the
// management groups over a subscription, so the caller names them, nearest
// first. The zero id has no ancestors: nothing reaches it.
func Ancestors(id azure.ResourceID, managementGroups ...azure.ResourceID) []azure.ResourceID {
	if id.IsZero() {
		return nil
	}
	chain := make([]azure.ResourceID, 0, 8)
	root := azure.Root()
	for at := id; !at.Equal(root); at = at.Parent() {
		chain = append(chain, at)
	}
	if id.Subscription() != "" {
		chain = append(chain, managementGroups...)
	}
	return append(chain, root)
}

// reaches reports whether an assignment at scope covers id.
func reaches(scope, id azure.ResourceID, managementGroups []azure.ResourceID) bool {
	return scope.Covers(id) || id.Subscription() != "" && contains(managementGroups, scope)
}

func contains(scopes []azure.ResourceID, id azure.ResourceID) bool {
	for _, s := range scopes {
		if s.Equal(id) {
			return true
		}
	}
	return false
}
