// Package vault owns the rules of Key Vault: vault names and their
// incarnations, secrets with their versions and soft delete, and who may do
// what on the data plane, by access policy or by role. It knows no HTTP, no
// token and no wire envelope; the vault as a resource, with its properties, is
// a row of internal/resource that Resource Manager writes. It may import
// internal/rbac, internal/resource, the store and below.
package vault

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
)

// Type is the resource type of a vault.
const Type = "Microsoft.KeyVault/vaults"

// Names of the rules of vaults that have one on the wire (control-plane.md E1).
const (
	CodeVaultAlreadyExists = "VaultAlreadyExists" // 409 at Resource Manager
	CodeVaultNameNotValid  = "VaultNameNotValid"  // 400 at Resource Manager
	CodeVaultNotFound      = "VaultNotFound"      // ours: a name without a vault does not resolve on Azure
)

// Vault is a vault that exists. Nothing in it may be changed: it may be shared.
type Vault struct {
	ID         string // of this incarnation: a vault made again under its name has another
	Name       string // as given
	Resource   azure.ResourceID
	Location   string
	Properties Properties

	key *dataKey
}

// Properties is the "properties" object of the resource (control-plane.md E1),
// with its members in the order of the answer. Pointers are nil where the
// member is absent or null.
type Properties struct {
	SKU                          SKU            `json:"sku"`
	TenantID                     azure.TenantID `json:"tenantId"`
	NetworkACLs                  *NetworkACLs   `json:"networkAcls,omitempty"`
	AccessPolicies               []AccessPolicy `json:"accessPolicies"`
	EnabledForDeployment         *bool          `json:"enabledForDeployment,omitempty"`
	EnabledForDiskEncryption     *bool          `json:"enabledForDiskEncryption,omitempty"`
	EnabledForTemplateDeployment *bool          `json:"enabledForTemplateDeployment,omitempty"`
	EnableSoftDelete             *bool          `json:"enableSoftDelete,omitempty"`
	SoftDeleteRetentionInDays    *int           `json:"softDeleteRetentionInDays,omitempty"` // 7 to 90
	EnableRBACAuthorization      *bool          `json:"enableRbacAuthorization,omitempty"`   // nil means access policies
	EnablePurgeProtection        *bool          `json:"enablePurgeProtection,omitempty"`
	VaultURI                     string         `json:"vaultUri,omitempty"`
	ProvisioningState            string         `json:"provisioningState,omitempty"`
	PublicNetworkAccess          string         `json:"publicNetworkAccess,omitempty"`
	CreateMode                   string         `json:"createMode,omitempty"` // in requests only
}

// SKU is the vault's product: family "A", name "standard" or "premium".
type SKU struct {
	Family string `json:"family"`
	Name   string `json:"name"`
}

// NetworkACLs are the vault's network rules: see [Vault.Admit].
type NetworkACLs struct {
	Bypass              string               `json:"bypass,omitempty"`
	DefaultAction       string               `json:"defaultAction,omitempty"`
	IPRules             []IPRule             `json:"ipRules"`
	VirtualNetworkRules []VirtualNetworkRule `json:"virtualNetworkRules"`
}

// IPRule names an IPv4 address ("192.0.2.1") or a range of them ("192.0.2.0/24").
type IPRule struct {
	Value string `json:"value"`
}

// VirtualNetworkRule names a subnet.
type VirtualNetworkRule struct {
	ID string `json:"id"`
}

// AccessPolicy gives a principal, alone or through one application, rights on
// the data plane.
type AccessPolicy struct {
	TenantID      azure.TenantID `json:"tenantId"`
	ObjectID      azure.ObjectID `json:"objectId"`
	ApplicationID azure.AppID    `json:"applicationId,omitempty"`
	Permissions   Permissions    `json:"permissions"`
}

// Permissions are the words of an access policy; their case does not count. A
// list that was not given is left out, an empty one is kept.
type Permissions struct {
	Keys         []string `json:"keys,omitzero"`
	Secrets      []string `json:"secrets,omitzero"`
	Certificates []string `json:"certificates,omitzero"`
	Storage      []string `json:"storage,omitzero"`
}

// UsesRBAC reports whether roles, not access policies, decide on the data plane.
func (p *Properties) UsesRBAC() bool {
	return p.EnableRBACAuthorization != nil && *p.EnableRBACAuthorization
}

// DefaultRetention is the retention of a vault that sets none, in days.
const DefaultRetention = 90

// RetentionDays is how long deleted objects are kept.
func (p *Properties) RetentionDays() int {
	if p.SoftDeleteRetentionInDays == nil {
		return DefaultRetention
	}
	return *p.SoftDeleteRetentionInDays
}

// PurgeProtected reports whether nothing can be purged before its time.
func (p *Properties) PurgeProtected() bool {
	return p.EnablePurgeProtection != nil && *p.EnablePurgeProtection
}

// RecoveryLevel is the attribute of the same name of every object in the vault
// (control-plane.md E2).
func (p *Properties) RecoveryLevel() string {
	level := "Recoverable"
	if p.RetentionDays() < DefaultRetention {
		level = "CustomizedRecoverable"
	}
	if !p.PurgeProtected() {
		level += "+Purgeable"
	}
	return level
}

var vaultName = regexp.MustCompile(`^[a-zA-Z](-?[a-zA-Z0-9])+$`)

// ValidName reports whether a vault may have a name: 3 to 24 letters, digits
// and hyphens, which begins with a letter, does not end with a hyphen, and has
// no two hyphens in a row.
func ValidName(name string) bool {
	return len(name) >= 3 && len(name) <= 24 && vaultName.MatchString(name)
}

// Create registers the name of a vault whose resource is stored already, and
// makes the key that its values are sealed with. A name is unique in the whole
// installation, deleted vaults that can be recovered included. The resource
// that has the name keeps its incarnation.
func Create(tx *store.Tx, root *seal.Root, id azure.ResourceID, name string) error {
	if !ValidName(name) {
		return fault.New(fault.Invalid, "The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742", name).Named(CodeVaultNameNotValid).At("name")
	}
	var holder string
	var purge sql.Null[int64] // set where the holder is deleted
	err := tx.QueryRow(`SELECT resource_key, purge_at FROM vaults WHERE name_key = $1`, azure.Fold(name)).Scan(&holder, &purge)
	switch {
	case errors.Is(err, store.ErrNoRows):
	case err != nil:
		return err
	case !purge.Valid && holder == id.Key():
		return nil
	case !purge.Valid || store.Time(purge.V).After(tx.Now):
		return fault.New(fault.Conflict, "The vault name '%s' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740.", name).Named(CodeVaultAlreadyExists)
	default: // its retention is over
		if _, err := tx.Exec(`DELETE FROM vaults WHERE name_key = $1`, azure.Fold(name)); err != nil {
			return err
		}
		if err := tx.Purged(); err != nil {
			return err
		}
	}
	vault := azure.NewGUID()
	sealed, _, err := root.NewDataKey(keyPlace(vault))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO vaults (id, name, name_key, resource_id, resource_key, subscription_key, data_key) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		vault, name, azure.Fold(name), id.String(), id.Key(), azure.Fold(string(id.Subscription())), sealed)
	tx.Changed(store.Vaults)
	return err
}

// ByName finds a vault by its name, in any case. There is a NotFound fault
// where there is none, or a deleted one.
func ByName(tx *store.Tx, name string) (*Vault, error) {
	var v Vault
	var key string
	var sealed []byte
	err := tx.QueryRow(`SELECT id, name, resource_key, data_key FROM vaults WHERE name_key = $1 AND deleted_at IS NULL`, azure.Fold(name)).Scan(&v.ID, &v.Name, &key, &sealed)
	if errors.Is(err, store.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "The vault '%s' was not found.", strings.ToLower(name)).Named(CodeVaultNotFound)
	}
	if err != nil {
		return nil, err
	}
	id, err := azure.ParseResourceID(key)
	if err != nil {
		return nil, err
	}
	r, err := resource.Get(tx, id)
	if err != nil {
		return nil, fmt.Errorf("resource of vault %s: %w", v.Name, err)
	}
	if err := json.Unmarshal(r.Properties, &v.Properties); err != nil {
		return nil, fmt.Errorf("properties of vault %s: %w", v.Name, err)
	}
	v.Resource, v.Location, v.key = r.ID, r.Location, &dataKey{sealed: sealed}
	return &v, nil
}
