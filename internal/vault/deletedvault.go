package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
)

// CodeDeletedVaultNotFound is the name of a deleted vault that is not there
// (404 at Resource Manager).
const CodeDeletedVaultNotFound = "DeletedVaultNotFound"

// DeletedVault is a vault that was deleted and whose retention is not over: it
// can be recovered, and nobody else gets its name.
type DeletedVault struct {
	ID         string             // of the incarnation, as it was
	Resource   *resource.Resource // as it was, with its last id
	Properties Properties
	DeletedAt  time.Time
	PurgeAt    time.Time // when it goes for good
}

// snapshot is what is kept of a resource beside its id.
type snapshot struct {
	Location   string                     `json:"location"`
	Tags       map[string]string          `json:"tags,omitempty"`
	Extra      map[string]json.RawMessage `json:"extra,omitempty"`
	Properties json.RawMessage            `json:"properties"`
	Version    int64                      `json:"version"`
	CreatedAt  time.Time                  `json:"createdAt"`
	UpdatedAt  time.Time                  `json:"updatedAt"`
	CreatedBy  azure.ObjectID             `json:"createdBy"`
	UpdatedBy  azure.ObjectID             `json:"updatedBy"`
}

// SoftDelete puts a vault aside for its retention, with its key and its
// secrets. The resource's own row is the caller's to delete. A resource that
// has no vault is left as it is.
func SoftDelete(tx *store.Tx, r *resource.Resource) error {
	var p Properties
	if err := json.Unmarshal(r.Properties, &p); err != nil {
		return fmt.Errorf("properties of vault %s: %w", r.ID.Name(), err)
	}
	kept, err := json.Marshal(snapshot{r.Location, r.Tags, r.Extra, r.Properties, r.Version, r.CreatedAt, r.UpdatedAt, r.CreatedBy, r.UpdatedBy})
	if err != nil {
		return err
	}
	purge := tx.Now.Add(time.Duration(p.RetentionDays()) * 24 * time.Hour)
	_, err = tx.Exec(`UPDATE vaults SET deleted_at = $2, purge_at = $3, deleted_resource = $4, resource_id = $5 WHERE resource_key = $1 AND deleted_at IS NULL`,
		r.ID.Key(), store.Micros(tx.Now), store.Micros(purge), string(kept), r.ID.String())
	tx.Changed(store.Vaults)
	return err
}

const deletedVaults = `SELECT id, resource_id, deleted_at, purge_at, deleted_resource FROM vaults WHERE deleted_at IS NOT NULL AND purge_at > $1 AND `

func scanDeletedVault(scan func(...any) error) (*DeletedVault, error) {
	var v DeletedVault
	var id, kept string
	var deleted, purge int64
	if err := scan(&v.ID, &id, &deleted, &purge, &kept); err != nil {
		return nil, err
	}
	var s snapshot
	if err := json.Unmarshal([]byte(kept), &s); err != nil {
		return nil, fmt.Errorf("deleted vault %s: %w", id, err)
	}
	parsed, err := azure.ParseResourceID(id)
	if err != nil {
		return nil, err
	}
	v.Resource = &resource.Resource{ID: parsed, Location: s.Location, Tags: s.Tags, Extra: s.Extra, Properties: s.Properties, Version: s.Version,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, CreatedBy: s.CreatedBy, UpdatedBy: s.UpdatedBy}
	v.DeletedAt, v.PurgeAt = store.Time(deleted), store.Time(purge)
	return &v, json.Unmarshal(s.Properties, &v.Properties)
}

// DeletedByName finds a deleted vault of a subscription, in any case. There is
// a NotFound fault where there is none, or none any more.
func DeletedByName(tx *store.Tx, s azure.SubscriptionID, name string) (*DeletedVault, error) {
	v, err := scanDeletedVault(tx.QueryRow(deletedVaults+`name_key = $2 AND subscription_key = $3`, store.Micros(tx.Now), azure.Fold(name), azure.Fold(string(s))).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return nil, DeletedVaultNotFound(name)
	}
	return v, err
}

// DeletedVaultNotFound is the fault of a deleted vault that is not there.
func DeletedVaultNotFound(name string) error {
	return fault.New(fault.NotFound, "The specified deleted vault '%.64s' does not exist.", name).Named(CodeDeletedVaultNotFound)
}

// DeletedIn lists the deleted vaults of a subscription, by name.
func DeletedIn(tx *store.Tx, s azure.SubscriptionID) ([]*DeletedVault, error) {
	return store.Collect(tx, scanDeletedVault, deletedVaults+`subscription_key = $2 ORDER BY name_key`, store.Micros(tx.Now), azure.Fold(string(s)))
}

// NameTaken reports whether a vault, or a deleted one that can be recovered,
// has a name anywhere in the installation.
func NameTaken(tx *store.Tx, name string) (bool, error) {
	var one int
	err := tx.QueryRow(`SELECT 1 FROM vaults WHERE name_key = $1 AND (deleted_at IS NULL OR purge_at > $2)`, azure.Fold(name), store.Micros(tx.Now)).Scan(&one)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Recover takes back a deletion. The caller stores the vault's resource again.
func (v *DeletedVault) Recover(tx *store.Tx) error {
	_, err := tx.Exec(`UPDATE vaults SET deleted_at = NULL, purge_at = NULL, deleted_resource = NULL WHERE id = $1 AND deleted_at IS NOT NULL`, v.ID)
	tx.Changed(store.Vaults)
	return err
}

// Purge removes a deleted vault for good, with its key and its secrets. Purge
// protection is Unsupported.
func (v *DeletedVault) Purge(tx *store.Tx) error {
	if v.Properties.PurgeProtected() {
		return fault.New(fault.Unsupported, "Operation 'DeletedVaultPurge' is not allowed.")
	}
	if _, err := tx.Exec(`DELETE FROM vaults WHERE id = $1 AND deleted_at IS NOT NULL`, v.ID); err != nil {
		return err
	}
	tx.Changed(store.Vaults)
	return tx.Purged()
}

// PurgeExpiredVaults removes every deleted vault whose retention is over, and
// says how many. Such a vault is not seen any more before that either.
func PurgeExpiredVaults(tx *store.Tx) (int64, error) {
	r, err := tx.Exec(`DELETE FROM vaults WHERE deleted_at IS NOT NULL AND purge_at <= $1`, store.Micros(tx.Now))
	if err != nil {
		return 0, fmt.Errorf("purge of expired vaults: %w", err)
	}
	n, err := r.RowsAffected()
	if err != nil || n == 0 {
		return 0, err
	}
	tx.Changed(store.Vaults)
	return n, tx.Purged()
}
