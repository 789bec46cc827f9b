package directory

import (
	"midas/internal/azure"
	"midas/internal/store"
)

// ManagedIdentities lists the service principals of resources in the order of
// their ids: at most limit, after an id, or from the first where after is "".
func ManagedIdentities(tx *store.Tx, after azure.ObjectID, limit int) ([]Principal, error) {
	return store.Collect(tx, scanPrincipal, `SELECT `+principalColumns+` FROM principals p
		WHERE p.resource_key IS NOT NULL AND p.object_id > $1 ORDER BY p.object_id LIMIT $2`, string(after), limit)
}

// MoveIdentity tells the principal of a resource, where it has one, that the
// resource has another id now. It stays the same principal.
func MoveIdentity(tx *store.Tx, from, to azure.ResourceID) error {
	tx.Changed(store.Directory)
	_, err := tx.Exec(`UPDATE principals SET resource_id = $1, resource_key = $2 WHERE resource_key = $3`, to.String(), to.Key(), from.Key())
	return err
}
