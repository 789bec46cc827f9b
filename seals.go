package midas

import (
	"context"
	"encoding/base64"

	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/vault"
)

// sealedColumn is where values lie that are under the root key.
type sealedColumn struct {
	what    string // in words
	page    func(tx *store.Tx, after string, limit int) ([]seal.Sealed, error)
	replace func(tx *store.Tx, old seal.Sealed, ciphertext []byte) (bool, error) // false where old is not there any more
}

// sealedColumns is the list of all that is under the root key. The values of
// secrets are under the keys of their vaults, and are not sealed anew with them.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{"the seal's canary", canaries, replaceCanary},
		{"signing keys", sts.SealedKeys, sts.ReplaceSealedKey},
		{"data keys of vaults", vault.SealedKeys, vault.ReplaceSealedKey},
	}
}

// canaries lists the one known text.
func canaries(tx *store.Tx, after string, _ int) ([]seal.Sealed, error) {
	if after != "" {
		return nil, nil
	}
	text, err := tx.Setting(settingCanary)
	if err != nil {
		return nil, err
	}
	ciphertext, err := base64.StdEncoding.DecodeString(text)
	return []seal.Sealed{{At: canary, Ciphertext: ciphertext}}, err
}

func replaceCanary(tx *store.Tx, old seal.Sealed, ciphertext []byte) (bool, error) {
	text, err := tx.Setting(settingCanary)
	if err != nil || text != base64.StdEncoding.EncodeToString(old.Ciphertext) {
		return false, err
	}
	return true, tx.SetSetting(settingCanary, base64.StdEncoding.EncodeToString(ciphertext))
}

// pageSize is how many rows are read at once by what walks over all of them.
const pageSize = 500

// each hands every value of the column to f, a page at a time.
func (c sealedColumn) each(ctx context.Context, db *store.DB, f func(page []seal.Sealed) error) error {
	after := ""
	for {
		var page []seal.Sealed
		err := db.View(ctx, func(tx *store.Tx) (err error) { page, err = c.page(tx, after, pageSize); return err })
		if err != nil || len(page) == 0 {
			return err
		}
		if err := f(page); err != nil {
			return err
		}
		after = page[len(page)-1].At.Row
	}
}
