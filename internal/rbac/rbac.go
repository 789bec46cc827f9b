// Package rbac decides who may do what: it owns role definitions (the built-in
// ones are data here, custom ones are stored), role assignments with their
// conditions, deny assignments, and the rules that turn them into allowed or
// not, with the reason. It does not know which principals a caller stands for,
// which resources exist, or any wire shape: the caller brings the principals,
// the management groups over a subscription, the action and what conditions
// may ask for. It may import azure, fault and store.
package rbac

import (
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
)

// The two values of a definition's type (control-plane.md C3).
const (
	BuiltInRole = "BuiltInRole"
	CustomRole  = "CustomRole"
)

// Definition is a role: what it permits, and where it may be assigned. A
// *Definition that this package hands out may be shared and is not to be changed.
type Definition struct {
	ID               string // GUID in lower case
	RoleName         string
	Description      string
	Type             string // BuiltInRole or CustomRole
	Permissions      []Permission
	AssignableScopes []azure.ResourceID

	// Who and when; zero for a built-in role.
	CreatedAt, UpdatedAt time.Time
	CreatedBy, UpdatedBy azure.ObjectID
}

// Permission is one block of a role. Entries are actions with wildcards (see
// [Match]). NotActions take away from the Actions of the same block only, and
// the two planes never mix: Actions grant no data action (control-plane.md C2).
type Permission struct {
	Actions          []string `json:"actions"`
	NotActions       []string `json:"notActions"`
	DataActions      []string `json:"dataActions"`
	NotDataActions   []string `json:"notDataActions"`
	Condition        string   `json:"condition,omitempty"`
	ConditionVersion string   `json:"conditionVersion,omitempty"`
}

// Assignment gives a role to a principal at a scope and everything below it.
// It outlives its principal and then dangles, as on Azure.
type Assignment struct {
	ID            string // GUID in lower case, unique in the tenant
	Scope         azure.ResourceID
	RoleID        string // the GUID of the definition, lower case
	PrincipalID   azure.ObjectID
	PrincipalType string // one of the Principal… constants

	// Empty where the wire prints null.
	Description      string
	Condition        string
	ConditionVersion string
	DelegatedID      string // delegatedManagedIdentityResourceId

	CreatedAt, UpdatedAt time.Time
	CreatedBy, UpdatedBy azure.ObjectID
}

// The values of principalType (control-plane.md C3).
const (
	PrincipalUser             = "User"
	PrincipalGroup            = "Group"
	PrincipalServicePrincipal = "ServicePrincipal"
	PrincipalForeignGroup     = "ForeignGroup"
	PrincipalDevice           = "Device"
)

// Names of the rules that have one on the wire (control-plane.md B2).
const (
	CodeAssignmentExists             = "RoleAssignmentExists"
	CodeAssignmentNotFound           = "RoleAssignmentNotFound"
	CodeAssignmentUpdateNotPermitted = "RoleAssignmentUpdateNotPermitted"
	CodeScopeNotAssignable           = "RoleAssignmentScopeNotAssignableToRoleDefinition"
	CodeDefinitionDoesNotExist       = "RoleDefinitionDoesNotExist"
	CodeDefinitionHasAssignments     = "RoleDefinitionHasAssignments"
	CodeDefinitionSameName           = "RoleDefinitionWithSameNameExists"
	CodeInvalidAction                = "InvalidActionOrNotAction"
	CodeInvalidCondition             = "InvalidCondition"
	CodeDenyAssignmentNotFound       = "DenyAssignmentNotFound"
)

const namespace = "Microsoft.Authorization"

// Types of the two resources (control-plane.md C1, C3).
const (
	TypeDefinition = namespace + "/roleDefinitions"
	TypeAssignment = namespace + "/roleAssignments"
	TypeDeny       = namespace + "/denyAssignments"
)

// ResourceID returns the id of the assignment: an extension of its scope.
func (a *Assignment) ResourceID() azure.ResourceID {
	return a.Scope.Join("providers", namespace, "roleAssignments", a.ID)
}

// DefinitionID returns the id of a role as it is printed to a reader at a
// scope: under the subscription when at or below one, at the root otherwise
// (control-plane.md C1).
func DefinitionID(at azure.ResourceID, roleID string) azure.ResourceID {
	base := azure.Root()
	if s := at.Subscription(); s != "" {
		base = azure.SubscriptionScope(s)
	}
	return base.Join("providers", namespace, "roleDefinitions", roleID)
}

// ParseDefinitionID returns the GUID in a roleDefinitionId, which may be given
// under any scope. Anything else is Invalid.
func ParseDefinitionID(s string) (string, error) {
	id, err := azure.ParseResourceID(s)
	if err == nil && azure.Fold(id.Type()) == azure.Fold(TypeDefinition) {
		if guid, ok := azure.ParseGUID(id.Name()); ok {
			return guid, nil
		}
	}
	return "", fault.New(fault.Invalid, "The role definition id '%s' is not valid.", s).At("roleDefinitionId")
}
