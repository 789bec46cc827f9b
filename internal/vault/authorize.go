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
	d, err := rbac.Check(tx, rbac.Request{
		Principals: c.Principals, Action: op.Action(), Data: true, Scope: v.Scope(name),
		ManagementGroups: []azure.ResourceID{rbac.RootManagementGroup(v.Properties.TenantID)},
	})
	if err != nil || d.Allowed {
		return err
	}
	return fault.Wrap(errors.New(d.String()), fault.Forbidden, "Caller is not authorized to perform action on resource.").Named(CodeForbiddenByRBAC)
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
