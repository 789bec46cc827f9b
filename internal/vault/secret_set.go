package vault

import (
	"crypto/rand"
	"errors"
	"fmt"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/store"
)

// SetSecret adds a version and makes it the current one, also of a secret that
// does not exist yet. The name of a deleted secret is taken until it is purged.
func SetSecret(tx *store.Tx, root *seal.Root, v *Vault, name, value string, c Change) (*Secret, error) {
	if err := CheckSecretName(name); err != nil {
		return nil, err
	}
	if len(value) > MaxValue {
		return nil, invalid("value", "Property value has a size of %d bytes; the limit is %d.", len(value), MaxValue)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	key := azure.Fold(name)
	s, err := successor(tx, v, name, key)
	if err != nil {
		return nil, err
	}
	s.Value = value
	c.apply(s)
	tx.Changed(store.Secrets)
	if _, err := tx.Exec(`INSERT INTO secrets (vault_id, name, name_key, current) VALUES ($1, $2, $3, $4)
		ON CONFLICT (vault_id, name_key) DO UPDATE SET current = excluded.current`, v.ID, s.Name, key, s.Version); err != nil {
		return nil, err
	}
	return s, insertVersion(tx, root, v, key, s)
}

// successor is the version that follows the current one: the first where
// there is none, or none any more because the retention is over.
func successor(tx *store.Tx, v *Vault, name, key string) (*Secret, error) {
	s := &Secret{Name: name, Version: newVersion(), Enabled: true, CreatedAt: tx.Now, UpdatedAt: tx.Now, seq: 1}
	current, err := scanSecret(tx.QueryRow(`SELECT `+metadata+` FROM secrets s `+joinCurrent+` WHERE s.vault_id = $1 AND s.name_key = $2`, v.ID, key).Scan)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return s, nil
	case err != nil:
		return nil, err
	case current.DeletedAt.IsZero():
		s.Name, s.seq = current.Name, current.seq+1
		return s, nil
	case current.PurgeAt.After(tx.Now):
		return nil, fault.New(fault.Conflict, "Secret %s is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.", current.Name).Named(CodeDeletedButRecoverable)
	}
	tx.Changed(store.Secrets)
	if _, err = tx.Exec(`DELETE FROM secrets WHERE vault_id = $1 AND name_key = $2`, v.ID, key); err != nil {
		return nil, err
	}
	return s, tx.Purged()
}

func insertVersion(tx *store.Tx, root *seal.Root, v *Vault, key string, s *Secret) error {
	values, err := v.values(root)
	if err != nil {
		return err
	}
	sealed, err := values.Seal([]byte(s.Value), valuePlace(v.ID, key, s.Version))
	if err != nil {
		return err
	}
	tags, err := encodeTags(s.Tags)
	if err != nil {
		return err
	}
	tx.Changed(store.Secrets)
	_, err = tx.Exec(`INSERT INTO secret_versions (vault_id, name_key, version, seq, value, content_type, enabled, not_before, expires, tags, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		v.ID, key, s.Version, s.seq, sealed, s.ContentType, s.Enabled, nullTime(s.NotBefore), nullTime(s.Expires), tags, store.Micros(s.CreatedAt), store.Micros(s.UpdatedAt))
	return err
}

func newVersion() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x", b)
}
