package keyvault

import (
	"strings"

	"midas/internal/arm"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/vault"
)

// prepare validates and completes a vault, and registers the name of a new
// one, or takes back the deletion of one that was there.
func (v provider) prepare(c *arm.Change) error {
	p, err := arm.Properties[vault.Properties](c.New)
	if err != nil {
		return err
	}
	if m := p.CreateMode; m != "" && !strings.EqualFold(m, "default") && !strings.EqualFold(m, "recover") {
		return bad("createMode", "The create mode '%.32s' is not one of 'default' and 'recover'.", m)
	}
	recovers := strings.EqualFold(p.CreateMode, "recover")
	if recovers && c.Old == nil {
		return restore(c)
	}
	var was vault.Properties
	if c.Old != nil {
		if was, err = arm.Properties[vault.Properties](c.Old); err != nil {
			return err
		}
		if recovers && p.AccessPolicies == nil {
			p.AccessPolicies = was.AccessPolicies // which such a body may leave out
		}
	}
	if err := complete(c, &p, &was); err != nil {
		return err
	}
	if c.Old == nil {
		if err := v.register(c); err != nil {
			return err
		}
	}
	p.VaultURI, p.ProvisioningState, p.CreateMode = c.Cloud.VaultURI(c.New.ID.Name()), "Succeeded", ""
	c.Tx.Changed(store.Vaults)
	c.New.Properties = []byte("{}")
	return arm.SetProperties(c.New, p)
}

// register takes a name for a new vault. Where the same vault was deleted, the
// answer points to what can be done about it.
func (v provider) register(c *arm.Change) error {
	d, err := vault.DeletedByName(c.Tx, c.New.ID.Subscription(), c.New.ID.Name())
	switch {
	case err == nil && d.Resource.ID.Equal(c.New.ID):
		return fault.New(fault.Conflict, "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.").Named("ConflictError")
	case err != nil && !fault.Is(err, fault.NotFound):
		return err
	}
	return vault.Create(c.Tx, v.root, c.New.ID, c.New.ID.Name())
}

// restore takes back the deletion of a vault: it is as it was, whatever else
// the body says.
func restore(c *arm.Change) error {
	d, err := vault.DeletedByName(c.Tx, c.New.ID.Subscription(), c.New.ID.Name())
	if fault.Is(err, fault.NotFound) || err == nil && (!d.Resource.ID.Equal(c.New.ID) || d.Resource.Location != c.New.Location) {
		return fault.New(fault.Invalid, "A soft deleted vault with the given name does not exist. Ensure that the name for the vault that is being attempted to recover is in a recoverable state. For more information on soft delete please follow this link https://go.microsoft.com/fwlink/?linkid=2149745").Named("SoftDeletedVaultDoesNotExist")
	}
	if err != nil {
		return err
	}
	id := c.New.ID // its group may have been made again in another spelling
	*c.New = *d.Resource
	c.New.ID = id
	return d.Recover(c.Tx)
}

// remove puts a vault aside, with what is in it.
func remove(c *arm.Change) error { return vault.SoftDelete(c.Tx, c.Old) }

func bad(target, format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Named("BadRequest").At("properties." + target)
}

// complete holds the rules of control-plane.md E1.
func complete(c *arm.Change, p, was *vault.Properties) error {
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
	if p.EnabledForDeployment == nil {
		p.EnabledForDeployment = new(false) // always answered
	}
	if err := permissionModel(c, p, was); err != nil {
		return err
	}
	if err := softDelete(c.Old == nil, p, was); err != nil {
		return err
	}
	return network(p)
}

// network checks and spells out what a vault says about its network.
func network(p *vault.Properties) error {
	switch strings.ToLower(p.PublicNetworkAccess) {
	case "", "enabled":
		p.PublicNetworkAccess = "Enabled"
	case "disabled":
		p.PublicNetworkAccess = "Disabled"
	default:
		return bad("publicNetworkAccess", "The public network access '%.32s' is not one of 'Enabled' and 'Disabled'.", p.PublicNetworkAccess)
	}
	n := p.NetworkACLs
	if n == nil {
		return nil
	}
	if err := n.Check(); err != nil {
		return err
	}
	n.DefaultAction = spelled(n.DefaultAction, "Allow", "Deny")
	n.Bypass = spelled(n.Bypass, "AzureServices", "None")
	for i, r := range n.IPRules {
		if !strings.Contains(r.Value, "/") {
			n.IPRules[i].Value += "/32"
		}
	}
	n.IPRules = append([]vault.IPRule{}, n.IPRules...) // [] rather than absent
	n.VirtualNetworkRules = append([]vault.VirtualNetworkRule{}, n.VirtualNetworkRules...)
	if n.DefaultAction == "Allow" && n.Bypass == "AzureServices" && len(n.IPRules)+len(n.VirtualNetworkRules) == 0 {
		p.NetworkACLs = nil // nothing to say: answers leave it out, and clients test for that
	}
	return nil
}

// spelled returns the other word where it was given, in any case, else the first.
func spelled(given, first, other string) string {
	if strings.EqualFold(given, other) {
		return other
	}
	return first
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
