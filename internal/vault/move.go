package vault

import (
	"midas/internal/azure"
	"midas/internal/store"
)

// Move tells a vault that its resource has another id now. What is in it stays
// as it is: values are bound to the vault, not to where it is.
func Move(tx *store.Tx, from, to azure.ResourceID) error {
	tx.Changed(store.Vaults)
	_, err := tx.Exec(`UPDATE vaults SET resource_id = $1, resource_key = $2, subscription_key = $3 WHERE resource_key = $4 AND deleted_at IS NULL`,
		to.String(), to.Key(), azure.Fold(string(to.Subscription())), from.Key())
	return err
}
