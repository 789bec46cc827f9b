package keyvault

import (
	"encoding/base64"
	"errors"
	"strings"

	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/vault"
)

func setSecret(tx *store.Tx, c *call) (any, error) {
	if c.body.value == nil {
		return nil, fault.New(fault.Invalid, "Property value has invalid value\r\n").Named(vault.CodeBadParameter).At("value")
	}
	s, err := vault.SetSecret(tx, c.Root, c.vault, c.name, *c.body.value, c.body.Change)
	if err != nil {
		return nil, err
	}
	return c.withValue(s), nil
}

func getSecret(tx *store.Tx, c *call) (any, error) {
	s, err := vault.GetSecret(tx, c.Root, c.vault, c.name, c.version)
	if err != nil {
		return nil, err
	}
	return c.withValue(s), nil
}

func updateSecret(tx *store.Tx, c *call) (any, error) {
	return c.one(vault.UpdateSecret(tx, c.vault, c.name, c.version, c.body.Change))
}

func deleteSecret(tx *store.Tx, c *call) (any, error) {
	return c.one(vault.DeleteSecret(tx, c.vault, c.name))
}

func getDeleted(tx *store.Tx, c *call) (any, error) {
	return c.one(vault.GetDeletedSecret(tx, c.vault, c.name))
}

func recoverSecret(tx *store.Tx, c *call) (any, error) {
	return c.one(vault.RecoverSecret(tx, c.vault, c.name))
}

func purgeSecret(tx *store.Tx, c *call) (any, error) {
	return nil, vault.PurgeSecret(tx, c.vault, c.name)
}

// backupSecret answers with the blob, in the alphabet of URLs and without the
// signs that fill it up.
func backupSecret(tx *store.Tx, c *call) (any, error) {
	blob, err := vault.BackupSecret(tx, c.Root, c.vault, c.name)
	if err != nil {
		return nil, err
	}
	return struct {
		Value string `json:"value"`
	}{base64.RawURLEncoding.EncodeToString(blob)}, nil
}

func restoreSecret(tx *store.Tx, c *call) (any, error) {
	if c.body.value == nil {
		return nil, badBody(nil, "Property value has invalid value\r\n")
	}
	blob, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(*c.body.value, "="))
	if err != nil {
		return nil, badBody(errors.New("not base64"), "Property value has invalid value\r\n")
	}
	return c.one(vault.RestoreSecret(tx, c.Root, c.vault, blob))
}

func listSecrets(tx *store.Tx, c *call) (any, error) {
	p, err := c.page()
	if err != nil {
		return nil, err
	}
	page, next, err := vault.ListSecrets(tx, c.vault, p)
	return c.list(page, next, p, "/secrets", c.nameID), err
}

func listVersions(tx *store.Tx, c *call) (any, error) {
	p, err := c.page()
	if err != nil {
		return nil, err
	}
	page, next, err := vault.ListSecretVersions(tx, c.vault, c.name, p)
	return c.list(page, next, p, "/secrets/"+c.name+"/versions", c.versionID), err
}

func listDeleted(tx *store.Tx, c *call) (any, error) {
	p, err := c.page()
	if err != nil {
		return nil, err
	}
	page, next, err := vault.ListDeletedSecrets(tx, c.vault, p)
	return c.list(page, next, p, "/deletedsecrets", c.nameID), err
}
