package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/store"
)

// Limits of a backup.
const (
	MaxBackupVersions = 501      // the current one and 500 past ones (control-plane.md E5)
	MaxBackup         = 24 << 20 // bytes of a blob: so many versions, each as large as can be
)

// backupHeader begins every blob and says how the rest is written.
const backupHeader = "midas.secret.1\n"

// savedSecret is the content of a blob, below the seal.
type savedSecret struct {
	Name     string         `json:"name"`
	Versions []savedVersion `json:"versions"` // oldest first, the last is the current one
}

type savedVersion struct {
	Version     string            `json:"version"`
	Value       []byte            `json:"value"`
	ContentType *string           `json:"contentType,omitempty"`
	Enabled     bool              `json:"enabled"`
	NotBefore   time.Time         `json:"nbf,omitzero"`
	Expires     time.Time         `json:"exp,omitzero"`
	Tags        map[string]string `json:"tags,omitzero"`
	CreatedAt   time.Time         `json:"created"`
	UpdatedAt   time.Time         `json:"updated"`
}

// backupPlace binds a blob to whom it may be given back: any vault of the same
// tenant and subscription in this installation.
func backupPlace(v *Vault) seal.Binding {
	return seal.Binding{Table: "backup", Column: "secret", Row: azure.Fold(string(v.Properties.TenantID)) + "/" + azure.Fold(string(v.Resource.Subscription()))}
}

// BackupSecret returns a secret with all its versions, disabled ones included,
// as a blob that only [RestoreSecret] can read.
func BackupSecret(tx *store.Tx, root *seal.Root, v *Vault, name string) ([]byte, error) {
	key := azure.Fold(name)
	values, err := v.values(root)
	if err != nil {
		return nil, err
	}
	saved := savedSecret{}
	saved.Versions, err = store.Collect(tx, func(scan func(...any) error) (savedVersion, error) {
		var sealed []byte
		s, err := scanSecret(scan, &sealed)
		if err != nil {
			return savedVersion{}, err
		}
		saved.Name = s.Name
		value, err := values.Open(sealed, valuePlace(v.ID, key, s.Version))
		return savedVersion{s.Version, value, s.ContentType, s.Enabled, s.NotBefore, s.Expires, s.Tags, s.CreatedAt, s.UpdatedAt}, err
	}, `SELECT `+metadata+`, v.value FROM secrets s JOIN secret_versions v ON v.vault_id = s.vault_id AND v.name_key = s.name_key
		WHERE s.vault_id = $1 AND s.name_key = $2 AND s.deleted_at IS NULL ORDER BY v.seq LIMIT $3`, v.ID, key, MaxBackupVersions+1)
	switch {
	case err != nil:
		return nil, err
	case len(saved.Versions) == 0:
		return nil, notFound(name, "")
	case len(saved.Versions) > MaxBackupVersions:
		return nil, invalid("secret-name", "Secret %s has more than %d past versions and cannot be backed up.", saved.Name, MaxBackupVersions-1)
	}
	plain, err := json.Marshal(saved)
	if err != nil {
		return nil, err
	}
	sealed, err := root.Seal(plain, backupPlace(v))
	if err != nil {
		return nil, err
	}
	if len(backupHeader)+len(sealed) > MaxBackup {
		return nil, invalid("secret-name", "Secret %s has too many and too large versions to be backed up.", saved.Name)
	}
	return append([]byte(backupHeader), sealed...), nil
}

// RestoreSecret makes the secret of a blob anew, with the names and the times
// of its versions. Its name must be free. It returns the current version.
func RestoreSecret(tx *store.Tx, root *seal.Root, v *Vault, blob []byte) (*Secret, error) {
	saved, err := openBackup(root, v, blob)
	if err != nil {
		return nil, err
	}
	key := azure.Fold(saved.Name)
	next, err := successor(tx, v, saved.Name, key)
	if err != nil {
		return nil, err
	}
	if next.seq > 1 {
		return nil, fault.New(fault.Conflict, "Secret %s already exists, and cannot be restored over.", next.Name)
	}
	last := saved.Versions[len(saved.Versions)-1]
	tx.Changed(store.Secrets)
	if _, err := tx.Exec(`INSERT INTO secrets (vault_id, name, name_key, current) VALUES ($1, $2, $3, $4)`, v.ID, saved.Name, key, last.Version); err != nil {
		return nil, err
	}
	var s *Secret
	for i, old := range saved.Versions {
		s = &Secret{Name: saved.Name, Version: old.Version, Value: string(old.Value), ContentType: old.ContentType, Enabled: old.Enabled,
			NotBefore: old.NotBefore, Expires: old.Expires, Tags: old.Tags, CreatedAt: old.CreatedAt, UpdatedAt: old.UpdatedAt, seq: int64(i + 1)}
		if err := insertVersion(tx, root, v, key, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// openBackup reads a blob. One that is not ours, was changed or is of another
// tenant or subscription is a BadParameter.
func openBackup(root *seal.Root, v *Vault, blob []byte) (*savedSecret, error) {
	sealed, ok := bytes.CutPrefix(blob, []byte(backupHeader))
	if !ok || len(blob) > MaxBackup {
		return nil, badBackup(errors.New("it is not a backup of a secret, or of a newer kind"))
	}
	plain, err := root.Open(sealed, backupPlace(v))
	if err != nil {
		return nil, badBackup(err)
	}
	var saved savedSecret
	if err := json.Unmarshal(plain, &saved); err != nil || len(saved.Versions) == 0 {
		return nil, badBackup(errors.New("it is sealed, but it is not a backup of a secret"))
	}
	return &saved, nil
}

func badBackup(cause error) error {
	return fault.Wrap(cause, fault.Invalid, "Property value has invalid value\r\n").Named(CodeBadParameter).At("value")
}
