package vault

import (
	"errors"
	"fmt"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// DeleteSecret puts a secret with all its versions aside, for the vault's
// retention. It returns the current version.
func DeleteSecret(tx *store.Tx, v *Vault, name string) (*Secret, error) {
	purge := tx.Now.Add(time.Duration(v.Properties.RetentionDays()) * 24 * time.Hour)
	s, err := move(tx, v, name, `UPDATE secrets SET deleted_at = $3, purge_at = $4 WHERE vault_id = $1 AND name_key = $2 AND deleted_at IS NULL`,
		store.Micros(tx.Now), store.Micros(purge))
	if err == nil && s == nil {
		return nil, notFound(name, "")
	}
	return s, err
}

// RecoverSecret takes back a deletion. It returns the current version.
func RecoverSecret(tx *store.Tx, v *Vault, name string) (*Secret, error) {
	s, err := move(tx, v, name, `UPDATE secrets SET deleted_at = NULL, purge_at = NULL WHERE vault_id = $1 AND name_key = $2 AND deleted_at IS NOT NULL AND purge_at > $3`,
		store.Micros(tx.Now))
	if err == nil && s == nil {
		return nil, deletedNotFound(name)
	}
	return s, err
}

// move runs an update of one row of secrets and reads the secret as it is
// then; nil where the update found no row.
func move(tx *store.Tx, v *Vault, name, update string, args ...any) (*Secret, error) {
	key := azure.Fold(name)
	tx.Changed(store.Secrets)
	r, err := tx.Exec(update, append([]any{v.ID, key}, args...)...)
	if err != nil {
		return nil, err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return nil, err
	}
	return scanSecret(tx.QueryRow(`SELECT `+metadata+` FROM secrets s `+joinCurrent+` WHERE s.vault_id = $1 AND s.name_key = $2`, v.ID, key).Scan)
}

// GetDeletedSecret reads a deleted secret, without its value. One that is
// disabled is Forbidden here, too (control-plane.md E3).
func GetDeletedSecret(tx *store.Tx, v *Vault, name string) (*Secret, error) {
	s, err := scanSecret(tx.QueryRow(`SELECT `+metadata+` FROM secrets s `+joinCurrent+`
		WHERE s.vault_id = $1 AND s.name_key = $2 AND s.deleted_at IS NOT NULL AND s.purge_at > $3`, v.ID, azure.Fold(name), store.Micros(tx.Now)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return nil, deletedNotFound(name)
	}
	if err == nil && !s.Enabled {
		return nil, disabled()
	}
	return s, err
}

// PurgeSecret removes a deleted secret for good. Its traces leave the files
// with the next [store.DB.Scrub].
func PurgeSecret(tx *store.Tx, v *Vault, name string) error {
	tx.Changed(store.Secrets)
	r, err := tx.Exec(`DELETE FROM secrets WHERE vault_id = $1 AND name_key = $2 AND deleted_at IS NOT NULL AND purge_at > $3`, v.ID, azure.Fold(name), store.Micros(tx.Now))
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	switch {
	case err != nil:
		return err
	case n == 0:
		return deletedNotFound(name)
	case v.Properties.PurgeProtected(): // the transaction ends with this fault and takes the deletion back
		return fault.New(fault.Forbidden, "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.")
	}
	return tx.Purged()
}

// PurgeExpired removes every deleted secret whose retention is over, and says
// how many. Such a secret is not seen any more before that either.
func PurgeExpired(tx *store.Tx) (int64, error) {
	tx.Changed(store.Secrets)
	r, err := tx.Exec(`DELETE FROM secrets WHERE deleted_at IS NOT NULL AND purge_at <= $1`, store.Micros(tx.Now))
	if err != nil {
		return 0, fmt.Errorf("purge of expired secrets: %w", err)
	}
	n, err := r.RowsAffected()
	if err != nil || n == 0 {
		return 0, err
	}
	return n, tx.Purged()
}
