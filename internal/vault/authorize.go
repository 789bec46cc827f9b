package vault

import (
	"errors"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/store"
)

// Operation is something that can be done to secrets.
type Operation int

// The operations.
const (
	SecretGet Operation = iota
	SecretList
	SecretListVersions
	SecretSet
	SecretUpdate
	SecretDelete
	SecretGetDeleted
	SecretListDeleted
	SecretRecover
	SecretPurge
	SecretBackup
	SecretRestore
)

// permissions says which word of an access policy each operation takes
// (control-plane.md E1).
var permissions = [...]string{
	SecretGet:          "get",
	SecretList:         "list",
	SecretListVersions: "list",
	SecretSet:          "set",
	SecretUpdate:       "set",
	SecretDelete:       "delete",
	SecretGetDeleted:   "get",
	SecretListDeleted:  "list",
	SecretRecover:      "recover",
	SecretPurge:        "purge",
	SecretBackup:       "backup",
	SecretRestore:      "restore",
}

// actions says which data action each operation takes (control-plane.md E5).
var actions = [...]string{
	SecretGet:          Type + "/secrets/getSecret/action",
	SecretList:         Type + "/secrets/readMetadata/action",
	SecretListVersions: Type + "/secrets/readMetadata/action",
	SecretSet:          Type + "/secrets/setSecret/action",
	SecretUpdate:       Type + "/secrets/update/action",
	SecretDelete:       Type + "/secrets/delete",
	SecretGetDeleted:   Type + "/secrets/readMetadata/action",
	SecretListDeleted:  Type + "/secrets/readMetadata/action",
	SecretRecover:      Type + "/secrets/recover/action",
	SecretPurge:        Type + "/secrets/purge/action",
	SecretBackup:       Type + "/secrets/backup/action",
	SecretRestore:      Type + "/secrets/restore/action",
}

// Permission is the word that an access policy must hold.
func (o Operation) Permission() string { return permissions[o] }

// Action is the data action that a role must grant.
func (o Operation) Action() string { return actions[o] }

// Scope is what an operation is asked of: one secret, or the vault where name is "".
func (v *Vault) Scope(name string) azure.ResourceID {
	if name == "" {
		return v.Resource
	}
	return v.Resource.Join("secrets", name)
}

// Codes of the denials: which model denied (control-plane.md E3).
const (
	CodeAccessDenied    = "AccessDenied"    // by access policy
	CodeForbiddenByRBAC = "ForbiddenByRbac" // by roles
)

// Caller is who asks, as far as these rules need to know.
type Caller struct {
	AppID      azure.AppID      // the application it comes through, "" for none
	Principals []azure.ObjectID // the caller first, then the groups it is in
}

// Authorize says whether a caller may do something, to one secret or to the
// vault where name is "". A denial is a Forbidden fault whose Code names the
// model that denied; its Cause says why, for the log.
func Authorize(tx *store.Tx, c Caller, v *Vault, op Operation, name string) error {
	if !v.Properties.UsesRBAC() {
		if v.allowedByPolicy(c, op) {
			return nil
		}
		return fault.Wrap(errors.New("no access policy of the vault gives any of the caller's principals this permission"),
			fault.Forbidden, "The caller does not have secrets %s permission on key vault '%s'.", op.Permission(), v.Name).Named(CodeAccessDenied)
	}
	d, err := v.Decide(tx, c.Principals, op, name)
	if err != nil || d.Allowed {
		return err
	}
	return fault.Wrap(&Denial{d}, fault.Forbidden, "Caller is not authorized to perform action on resource.").Named(CodeForbiddenByRBAC)
}

// Denial is the cause of a fault that denies by roles.
type Denial struct{ rbac.Decision }

func (d *Denial) Error() string { return d.Decision.String() }

// Decide asks the roles. The name of a secret counts in conditions as it is
// spelled in the vault, whatever the caller made of it; it is looked up only
// where something depends on it.
func (v *Vault) Decide(tx *store.Tx, principals []azure.ObjectID, op Operation, name string) (rbac.Decision, error) {
	r := rbac.Request{
		Principals: principals, Action: op.Action(), Data: true, Scope: v.Scope(name),
		ManagementGroups: []azure.ResourceID{rbac.RootManagementGroup(v.Properties.TenantID)},
	}
	d, err := rbac.Check(tx, r)
	if err != nil || d.Allowed || !d.Unsettled {
		return d, err
	}
	if r.Attributes, err = v.attributes(tx, op, name); err != nil {
		return d, err
	}
	return rbac.Check(tx, r)
}

// attributes are what conditions may ask of a call (control-plane.md C5): the
// vault's name, and the secret's, as that of the request where it is written
// and of the resource everywhere else. A list has no secret's name, and neither
// has a restore before its backup is opened.
func (v *Vault) attributes(tx *store.Tx, op Operation, name string) (rbac.Attributes, error) {
	known := rbac.Attributes{rbac.AttributeVault: v.Name}
	if name == "" {
		return known, nil
	}
	var stored string
	err := tx.QueryRow(`SELECT name FROM secrets WHERE vault_id = $1 AND name_key = $2`, v.ID, azure.Fold(name)).Scan(&stored)
	switch {
	case err == nil:
		name = stored
	case !errors.Is(err, store.ErrNoRows):
		return nil, err
	}
	if op == SecretSet {
		known[rbac.AttributeSecretToWrite] = name
	} else {
		known[rbac.AttributeSecret] = name
	}
	return known, nil
}

func (v *Vault) allowedByPolicy(c Caller, op Operation) bool {
	for i := range v.Properties.AccessPolicies {
		p := &v.Properties.AccessPolicies[i]
		mine := slices.ContainsFunc(c.Principals, func(id azure.ObjectID) bool { return strings.EqualFold(string(id), string(p.ObjectID)) })
		through := p.ApplicationID == "" || strings.EqualFold(string(p.ApplicationID), string(c.AppID))
		if mine && through && slices.ContainsFunc(p.Permissions.Secrets, op.named) {
			return true
		}
	}
	return false
}

// named reports whether a word of a policy includes the operation. "all" does
// not include purge (control-plane.md E1).
func (o Operation) named(word string) bool {
	return strings.EqualFold(word, o.Permission()) || strings.EqualFold(word, "all") && o != SecretPurge
}
