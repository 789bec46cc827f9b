package sts

import (
	"midas/internal/seal"
	"midas/internal/store"
)

// SealedKeys lists the private keys as they are stored, in the order of their
// rows: at most limit, after a row, or from the first where after is "".
func SealedKeys(tx *store.Tx, after string, limit int) ([]seal.Sealed, error) {
	return store.Collect(tx, func(scan func(...any) error) (s seal.Sealed, err error) {
		var kid string
		err = scan(&kid, &s.Ciphertext)
		s.At = binding(kid)
		return s, err
	}, `SELECT kid, private_key FROM signing_keys WHERE kid > $1 ORDER BY kid LIMIT $2`, after, limit)
}

// ReplaceSealedKey stores the same private key sealed anew. It reports whether
// old was still what is stored, and leaves it alone otherwise.
func ReplaceSealedKey(tx *store.Tx, old seal.Sealed, ciphertext []byte) (bool, error) {
	r, err := tx.Exec(`UPDATE signing_keys SET private_key = $1 WHERE kid = $2 AND private_key = $3`, ciphertext, old.At.Row, old.Ciphertext)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
