// Package keyvault is the resource provider Microsoft.KeyVault: vaults as
// Resource Manager sees them, deleted ones too, their access policies, names
// and secrets (control-plane.md E1). The rules of what is in a vault belong to
// the vault package, and its data plane to the Key Vault door. It may import
// the arm door and everything below it.
package keyvault

import (
	"net/http"
	"regexp"
	"strings"

	"midas/internal/arm"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/vault"
)

const namespace = "Microsoft.KeyVault"

var versions = []string{"2026-02-01", "2025-05-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-11-01", "2022-07-01", "2021-10-01", "2021-06-01-preview", "2019-09-01", "2018-02-14", "2016-10-01", "2015-06-01"}

var vaultName = arm.NameRule{
	Pattern: regexp.MustCompile(`^[A-Za-z](-?[A-Za-z0-9]){2,23}$`), Code: vault.CodeVaultNameNotValid,
	Says: "3 to 24 letters, digits and hyphens, starting with a letter, ending with a letter or digit, and no two hyphens in a row",
}

// provider holds what the hooks need beside the call.
type provider struct {
	root *seal.Root // seals the data keys of vaults
}

// Provider returns the provider. The root seals the data keys of new vaults.
func Provider(root *seal.Root) arm.Provider {
	p := provider{root}
	return arm.Provider{Namespace: namespace,
		Types: []arm.Type{
			{Name: "vaults", Versions: versions, Tracked: true, System: true, Created: http.StatusOK, Names: vaultName, Prepare: p.prepare, Remove: remove, Move: move},
			{Name: "vaults/accessPolicies", Versions: versions, Table: &arm.Table{Put: putPolicies}},
			{Name: "vaults/secrets", Versions: versions, Table: &arm.Table{Get: getSecret, Page: listSecrets, Put: p.putSecret, Patch: p.patchSecret}},
			{Name: "deletedVaults", Versions: versions, Subscription: true, Table: &arm.Table{List: listDeleted}},
			{Name: "locations/deletedVaults", Versions: versions, Subscription: true, Table: &arm.Table{Get: getDeleted}, Actions: []arm.Action{{Name: "purge", Run: purge}}},
			{Name: "locations/operationResults", Versions: versions, Subscription: true, Table: &arm.Table{Get: operationResult}},
			{Name: "managedHSMs", Versions: versions, Prepare: noHSM},
			{Name: "deletedManagedHSMs", Versions: versions, Subscription: true, Table: &arm.Table{List: none}},
		},
		Actions:     []arm.Action{{Name: "checkNameAvailability", Open: true, Run: checkName}},
		DataActions: vault.Actions(),
	}
}

func move(c *arm.Change) error { return vault.Move(c.Tx, c.Old.ID, c.New.ID) }

// There is no managed HSM, but clients that list vaults ask for them, too.
func none(*arm.Call) ([]any, error) { return nil, nil }

func noHSM(*arm.Change) error {
	return fault.New(fault.Unsupported, "Managed HSMs cannot be created here.").Named(arm.CodeMethodNotAllowed)
}

// checkName answers whether a vault could have a name.
func checkName(c *arm.Call) (*arm.Answer, error) {
	var body struct{ Name, Type string }
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	if !strings.EqualFold(body.Type, vault.Type) {
		return nil, fault.New(fault.Invalid, "The resource type '%.64s' is not '%s'.", body.Type, vault.Type).At("type")
	}
	type answer struct {
		NameAvailable bool   `json:"nameAvailable"`
		Reason        string `json:"reason,omitempty"`
		Message       string `json:"message,omitempty"`
	}
	if !vault.ValidName(body.Name) {
		return &arm.Answer{Status: http.StatusOK, Body: answer{Reason: "AccountNameInvalid", Message: "The vault name '" + body.Name + "' is invalid: it is " + vaultName.Says + "."}}, nil
	}
	taken, err := vault.NameTaken(c.Tx, body.Name)
	if err != nil || !taken {
		return &arm.Answer{Status: http.StatusOK, Body: answer{NameAvailable: true}}, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: answer{Reason: "AlreadyExists", Message: "The vault name '" + body.Name + "' is already in use. Vault names are globally unique so it is possible that the name is already taken, or that a vault with the same name was deleted and can still be recovered."}}, nil
}
