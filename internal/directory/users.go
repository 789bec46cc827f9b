package directory

import (
	"midas/internal/azure"
	"midas/internal/store"
)

// Users lists the users of a tenant in the order of their names.
func Users(tx *store.Tx, tenant azure.TenantID) ([]Principal, error) {
	return store.Collect(tx, scanPrincipal, `SELECT `+principalColumns+` FROM principals p WHERE p.tenant_id = $1 AND p.kind = $2 ORDER BY p.upn_key`, string(tenant), string(User))
}
