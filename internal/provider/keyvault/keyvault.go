// Package keyvault is the resource provider Microsoft.KeyVault: vaults as
// Resource Manager sees them, their access policies and their names
// (control-plane.md E1). What is in a vault belongs to the vault package and
// the Key Vault door. It may import the arm door and everything below it.
package keyvault

import (
	"net/http"
	"regexp"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/vault"
)

var versions = []string{"2026-02-01", "2025-05-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-11-01", "2022-07-01", "2021-10-01", "2021-06-01-preview", "2019-09-01", "2018-02-14", "2016-10-01", "2015-06-01"}

var vaultName = arm.NameRule{
	Pattern: regexp.MustCompile(`^[A-Za-z](-?[A-Za-z0-9]){2,23}$`), Code: vault.CodeVaultNameNotValid,
	Says: "3 to 24 letters, digits and hyphens, starting with a letter, ending with a letter or digit, and no two hyphens in a row",
}

// Provider returns the provider.
func Provider() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.KeyVault",
		Types: []arm.Type{
			{Name: "vaults", Versions: versions, Tracked: true, System: true, Created: http.StatusOK, Names: vaultName, Prepare: prepare, Remove: remove},
			{Name: "vaults/accessPolicies", Versions: versions, Table: &arm.Table{Put: putPolicies}},
		},
		Actions: []arm.Action{{Name: "checkNameAvailability", Open: true, Run: checkName}},
	}
}

// prepare validates and completes a vault, and registers the name of a new one.
func prepare(c *arm.Change) error {
	p, err := arm.Properties[vault.Properties](c.New)
	if err != nil {
		return err
	}
	var was vault.Properties
	if c.Old != nil {
		if was, err = arm.Properties[vault.Properties](c.Old); err != nil {
			return err
		}
	}
	if err := complete(c, &p, &was); err != nil {
		return err
	}
	if c.Old == nil {
		if len(c.New.ID.Name()) > 24 {
			return fault.New(fault.Invalid, "The vault name '%s' is longer than 24 characters.", c.New.ID.Name()).Named(vault.CodeVaultNameNotValid).At("name")
		}
		if err := vault.Create(c.Tx, c.New.ID, c.New.ID.Name()); err != nil {
			return err
		}
	}
	p.VaultURI, p.ProvisioningState, p.CreateMode = c.Cloud.VaultURI(c.New.ID.Name()), "Succeeded", ""
	if p.PublicNetworkAccess == "" {
		p.PublicNetworkAccess = "Enabled"
	}
	c.Tx.Changed(store.Vaults)
	c.New.Properties = []byte("{}")
	return arm.SetProperties(c.New, p)
}

func bad(target, format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Named("BadRequest").At("properties." + target)
}

// complete holds the rules of control-plane.md E1.
func complete(c *arm.Change, p, was *vault.Properties) error {
	created := c.Old == nil
	if p.TenantID == "" {
		return bad("tenantId", "The parameter 'tenantId' is required.")
	}
	if !strings.EqualFold(string(p.TenantID), string(c.Caller.Tenant)) {
		return bad("tenantId", "The tenant ID '%.64s' is not the tenant of the subscription.", p.TenantID)
	}
	p.TenantID = c.Caller.Tenant
	p.SKU.Name = strings.ToLower(p.SKU.Name)
	if !strings.EqualFold(p.SKU.Family, "A") || p.SKU.Name != "standard" && p.SKU.Name != "premium" {
		return bad("sku", "The SKU must be of the family 'A' and have the name 'standard' or 'premium'.")
	}
	p.SKU.Family = "A"
	if err := normalize(c.Call, p.AccessPolicies); err != nil {
		return err
	}
	if p.AccessPolicies == nil {
		p.AccessPolicies = []vault.AccessPolicy{}
	}
	if err := permissionModel(c, p, was); err != nil {
		return err
	}
	if err := softDelete(created, p, was); err != nil {
		return err
	}
	if p.CreateMode != "" && !strings.EqualFold(p.CreateMode, "default") {
		return bad("createMode", "The create mode '%.32s' is not supported here.", p.CreateMode)
	}
	// Rules that would be kept and not enforced are refused: a vault that
	// says it is closed is closed.
	if p.NetworkACLs != nil && !strings.EqualFold(p.NetworkACLs.DefaultAction, "Allow") && p.NetworkACLs.DefaultAction != "" {
		return bad("networkAcls", "Network rules that deny by default are not supported here yet.")
	}
	if p.PublicNetworkAccess != "" && !strings.EqualFold(p.PublicNetworkAccess, "Enabled") {
		return bad("publicNetworkAccess", "A vault without public network access is not supported here yet.")
	}
	return nil
}

// permissionModel chooses between roles and access policies. From 2026-02-01
// on a new vault uses roles unless it says otherwise; updates keep what is
// there, and changing it needs the right to assign roles.
func permissionModel(c *arm.Change, p, was *vault.Properties) error {
	if c.Old == nil {
		if p.EnableRBACAuthorization == nil && c.AtLeast("2026-02-01") {
			p.EnableRBACAuthorization = new(true)
		}
		return nil
	}
	if p.EnableRBACAuthorization == nil {
		p.EnableRBACAuthorization = was.EnableRBACAuthorization
	}
	if p.UsesRBAC() == was.UsesRBAC() {
		return nil
	}
	return c.AuthorizeLinked(vault.Type+"/write", c.New.ID, "Microsoft.Authorization/roleAssignments/write", c.New.ID)
}

func softDelete(created bool, p, was *vault.Properties) error {
	if p.EnableSoftDelete != nil && !*p.EnableSoftDelete {
		return bad("enableSoftDelete", "The property \"enableSoftDelete\" can be set to false only for creating new vault. Soft delete cannot be disabled.")
	}
	p.EnableSoftDelete = new(true)
	if d := p.SoftDeleteRetentionInDays; d != nil && (*d < 7 || *d > 90) {
		return bad("softDeleteRetentionInDays", "The property \"softDeleteRetentionInDays\" has an invalid value %d. It must be between 7 and 90.", *d)
	}
	if !created {
		if p.SoftDeleteRetentionInDays != nil && p.RetentionDays() != was.RetentionDays() {
			return bad("softDeleteRetentionInDays", "The property \"softDeleteRetentionInDays\" has been set already and it can't be modified.")
		}
		p.SoftDeleteRetentionInDays = was.SoftDeleteRetentionInDays
		if p.EnablePurgeProtection == nil {
			p.EnablePurgeProtection = was.EnablePurgeProtection
		}
	}
	p.SoftDeleteRetentionInDays = new(p.RetentionDays())
	if p.EnablePurgeProtection != nil && !*p.EnablePurgeProtection {
		return bad("enablePurgeProtection", "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.")
	}
	return nil
}

// remove forgets a vault with what is in it.
func remove(c *arm.Change) error {
	c.Tx.Changed(store.Vaults)
	return vault.Delete(c.Tx, c.Old.ID)
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
	if !vaultName.Pattern.MatchString(body.Name) || len(body.Name) > 24 {
		return &arm.Answer{Status: http.StatusOK, Body: answer{Reason: "AccountNameInvalid", Message: "The vault name '" + body.Name + "' is invalid: it is " + vaultName.Says + "."}}, nil
	}
	_, err := vault.ByName(c.Tx, body.Name)
	if fault.Is(err, fault.NotFound) {
		return &arm.Answer{Status: http.StatusOK, Body: answer{NameAvailable: true}}, nil
	}
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: answer{Reason: "AlreadyExists", Message: "The vault name '" + body.Name + "' is already in use. Vault names are globally unique so it is possible that the name is already taken."}}, nil
}

// normalize checks access policies and folds their ids.
func normalize(c *arm.Call, policies []vault.AccessPolicy) error {
	if len(policies) > 1024 {
		return bad("accessPolicies", "A vault can have at most 1024 access policies.")
	}
	for i := range policies {
		a := &policies[i]
		id, ok := azure.ParseGUID(string(a.ObjectID))
		if !ok {
			return bad("accessPolicies", "An invalid value was provided for 'accessPolicies': the object ID '%.64s' is not a GUID.", a.ObjectID)
		}
		a.ObjectID = azure.ObjectID(id)
		if !strings.EqualFold(string(a.TenantID), string(c.Caller.Tenant)) {
			return bad("accessPolicies", "An invalid value was provided for 'accessPolicies': the tenant ID '%.64s' is not the vault's.", a.TenantID)
		}
		a.TenantID = c.Caller.Tenant
		if a.ApplicationID != "" {
			app, ok := azure.ParseGUID(string(a.ApplicationID))
			if !ok {
				return bad("accessPolicies", "An invalid value was provided for 'accessPolicies': the application ID '%.64s' is not a GUID.", a.ApplicationID)
			}
			a.ApplicationID = azure.AppID(app)
		}
		if word := a.Permissions.Unknown(); word != "" {
			return bad("accessPolicies", "An invalid value was provided for 'accessPolicies': there is no permission '%.32s'.", word)
		}
	}
	return nil
}

// putPolicies adds, replaces or removes entries (…/accessPolicies/{add|replace|remove}).
func putPolicies(c *arm.Call) (*arm.Answer, error) {
	var body struct {
		Properties struct {
			AccessPolicies []vault.AccessPolicy `json:"accessPolicies"`
		} `json:"properties"`
	}
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	given := body.Properties.AccessPolicies
	if err := normalize(c, given); err != nil {
		return nil, err
	}
	r, err := resource.Get(c.Tx, c.ID.Parent())
	if err != nil {
		return nil, err
	}
	p, err := arm.Properties[vault.Properties](r)
	if err != nil {
		return nil, err
	}
	if p.AccessPolicies, err = changePolicies(p.AccessPolicies, strings.ToLower(c.ID.Name()), given); err != nil {
		return nil, err
	}
	if err := normalize(c, p.AccessPolicies); err != nil {
		return nil, err
	}
	if err := arm.SetProperties(r, p); err != nil {
		return nil, err
	}
	r.UpdatedBy = c.Caller.ID
	c.Tx.Changed(store.Vaults)
	type shown struct {
		AccessPolicies []vault.AccessPolicy `json:"accessPolicies"`
	}
	type answer struct {
		ID         string `json:"id"`
		Type       string `json:"type"`
		Location   string `json:"location"`
		Properties shown  `json:"properties"`
	}
	return &arm.Answer{Status: http.StatusOK, Body: answer{r.ID.String() + "/accessPolicies/", vault.Type + "/accessPolicies", r.Location, shown{p.AccessPolicies}}}, resource.Put(c.Tx, r)
}
