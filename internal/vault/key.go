package vault

import (
	"sync/atomic"

	"midas/internal/seal"
	"midas/internal/store"
)

// dataKey is the key that the values of a vault are sealed with. It is opened
// when it is first needed and lives as long as the [Vault] that holds it: who
// remembers vaults remembers their keys, and forgets both when one is purged.
type dataKey struct {
	sealed []byte
	opened atomic.Pointer[seal.Key]
}

func keyPlace(vault string) seal.Binding {
	return seal.Binding{Table: "vaults", Column: "data_key", Row: vault}
}

// values returns the key of the vault's values.
func (v *Vault) values(root *seal.Root) (*seal.Key, error) {
	if key := v.key.opened.Load(); key != nil {
		return key, nil
	}
	key, err := root.OpenDataKey(v.key.sealed, keyPlace(v.ID))
	if err == nil {
		v.key.opened.Store(key)
	}
	return key, err
}

// SealedKeys lists the data keys as they are stored, those of deleted vaults
// included, in the order of their rows: at most limit, after a row, or from the
// first where after is "".
func SealedKeys(tx *store.Tx, after string, limit int) ([]seal.Sealed, error) {
	return store.Collect(tx, func(scan func(...any) error) (s seal.Sealed, err error) {
		var vault string
		err = scan(&vault, &s.Ciphertext)
		s.At = keyPlace(vault)
		return s, err
	}, `SELECT id, data_key FROM vaults WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// ReplaceSealedKey stores the same data key sealed anew. It reports whether old
// was still what is stored, and leaves it alone otherwise.
func ReplaceSealedKey(tx *store.Tx, old seal.Sealed, ciphertext []byte) (bool, error) {
	r, err := tx.Exec(`UPDATE vaults SET data_key = $1 WHERE id = $2 AND data_key = $3`, ciphertext, old.At.Row, old.Ciphertext)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// SealedValues lists the values of a vault as they are stored, in the order of
// their rows, at most limit, after the secret and the version of a row, or from
// the first where both are "". They open with the vault's data key.
func SealedValues(tx *store.Tx, vault, afterName, afterVersion string, limit int) (values []SealedValue, err error) {
	return store.Collect(tx, func(scan func(...any) error) (s SealedValue, err error) {
		err = scan(&s.Name, &s.Version, &s.Ciphertext)
		s.At = valuePlace(vault, s.Name, s.Version)
		return s, err
	}, `SELECT name_key, version, value FROM secret_versions
		WHERE vault_id = $1 AND (name_key > $2 OR name_key = $2 AND version > $3) ORDER BY name_key, version LIMIT $4`, vault, afterName, afterVersion, limit)
}

// SealedValue is a value as it is stored, with the folded name of its secret.
type SealedValue struct {
	seal.Sealed
	Name, Version string
}
