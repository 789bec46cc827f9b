package graph

import (
	"cmp"
	"encoding/json"
	"slices"

	"midas/internal/azure"
	"midas/internal/directory"
)

func (c *call) tenants() ([]directory.Tenant, error) {
	t, err := directory.TenantByIDOrDomain(c.tx, string(c.Tenant))
	return []directory.Tenant{t}, err
}

func organization(t directory.Tenant) (entity, error) {
	return entity{of: organizations, key: azure.ObjectID(t.ID), members: map[string]json.RawMessage{
		"id": encode(t.ID), "displayName": encode(t.DisplayName), "createdDateTime": moment(t.CreatedAt), "tenantType": encode("AAD"),
		"verifiedDomains": encode([]any{map[string]any{"capabilities": "", "isDefault": true, "isInitial": true, "name": t.Domain, "type": "Managed"}}),
	}}, nil
}

func domain(t directory.Tenant) (entity, error) {
	yes := encode(true)
	return entity{of: domains, key: azure.ObjectID(t.ID), members: map[string]json.RawMessage{
		"id": encode(t.Domain), "authenticationType": encode("Managed"), "isAdminManaged": yes, "isDefault": yes, "isInitial": yes, "isRoot": yes, "isVerified": yes,
	}}, nil
}

// listTenant lists the one tenant in one of the forms that show it.
func listTenant(of *resource, make func(directory.Tenant) (entity, error)) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		all, err := c.tenants()
		if err != nil {
			return reply{}, err
		}
		return c.list(whole(of.set, of, all, make))
	}
}

func getTenant(make func(directory.Tenant) (entity, error)) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		all, err := c.tenants()
		if err != nil {
			return reply{}, err
		}
		e, err := make(all[0])
		if err != nil {
			return reply{}, err
		}
		if id := c.params[0].value; string(e.members["id"]) != string(encode(azure.Fold(id))) {
			return reply{}, missing(id)
		}
		return c.single(&e, nil)
	}
}

func sortedRoles() []directory.Role {
	return slices.SortedFunc(slices.Values(directory.Roles()), func(a, b directory.Role) int { return cmp.Compare(a.ID, b.ID) })
}

func byID(all []directory.Object) []directory.Object {
	return slices.SortedFunc(slices.Values(all), func(a, b directory.Object) int { return cmp.Compare(a.ID, b.ID) })
}
