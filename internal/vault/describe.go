package vault

import (
	"errors"

	"midas/internal/azure"
	"midas/internal/store"
)

// DescribeSecret reads what is said about the current version of a secret,
// without its value; a disabled one is described, too.
func DescribeSecret(tx *store.Tx, v *Vault, name string) (*Secret, error) {
	s, err := scanSecret(tx.QueryRow(`SELECT `+metadata+` FROM secrets s `+joinCurrent+`
		WHERE s.vault_id = $1 AND s.name_key = $2 AND s.deleted_at IS NULL`, v.ID, azure.Fold(name)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return nil, notFound(name, "")
	}
	return s, err
}
