package rbac

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// maxDescription is the length of a description in characters (control-plane.md C3).
const maxDescription = 2048

const assignmentColumns = `a.id, a.scope, a.role_id, a.principal_id, a.principal_type,
	COALESCE(a.description, ''), COALESCE(a.condition, ''), COALESCE(a.condition_version, ''), COALESCE(a.delegated_id, ''),
	a.created_at, a.updated_at, a.created_by, a.updated_by`

// scan reads assignmentColumns and what follows them.
func (a *Assignment) scan(scan func(...any) error, more ...any) error {
	var scope string
	var created, updated int64
	err := scan(append([]any{&a.ID, &scope, &a.RoleID, &a.PrincipalID, &a.PrincipalType,
		&a.Description, &a.Condition, &a.ConditionVersion, &a.DelegatedID,
		&created, &updated, &a.CreatedBy, &a.UpdatedBy}, more...)...)
	if err != nil {
		return err
	}
	a.CreatedAt, a.UpdatedAt = store.Time(created), store.Time(updated)
	a.Scope, err = azure.ParseResourceID(scope)
	return err
}

// PutAssignment makes an assignment, or repeats it (control-plane.md B2, C3).
// ID, Scope, RoleID, PrincipalID and PrincipalType are required; times and
// authors are filled in. Management groups are those over the scope's
// subscription. The bool says that it is new. Repeating one may change its
// description and its condition only. Faults: Invalid, NotFound (no such role), Conflict (the
// principal has that role there already). It is the caller's to know that the
// principal exists.
func PutAssignment(tx *store.Tx, a Assignment, by azure.ObjectID, managementGroups ...azure.ResourceID) (Assignment, bool, error) {
	if err := a.validate(); err != nil {
		return Assignment{}, false, err
	}
	role, err := GetDefinition(tx, a.RoleID)
	if err != nil {
		return Assignment{}, false, err
	}
	if !role.AssignableAt(a.Scope, managementGroups...) {
		return Assignment{}, false, fault.New(fault.Invalid,
			"The role assignment scope '%s' must match with the assignable scopes defined in the role definition '%s'.", a.Scope, role.RoleName).
			Named(CodeScopeNotAssignable)
	}
	old, err := oneAssignment(tx, "a.id = $1", a.ID)
	switch {
	case err == nil:
		a, err = updateAssignment(tx, old, a, by)
		return a, false, err
	case !errors.Is(err, store.ErrNoRows):
		return Assignment{}, false, err
	}
	same, err := oneAssignment(tx, "a.scope_key = $1 AND a.role_id = $2 AND a.principal_id = $3", a.Scope.Key(), a.RoleID, string(a.PrincipalID))
	if err == nil {
		return Assignment{}, false, fault.New(fault.Conflict,
			"The role assignment already exists. The ID of the existing role assignment is %s.", strings.ReplaceAll(same.ID, "-", "")).
			Named(CodeAssignmentExists)
	} else if !errors.Is(err, store.ErrNoRows) {
		return Assignment{}, false, err
	}
	a.CreatedAt, a.UpdatedAt, a.CreatedBy, a.UpdatedBy = tx.Now, tx.Now, by, by
	tx.Changed(store.Roles)
	_, err = tx.Exec(`INSERT INTO role_assignments (scope_key, id, scope, role_id, principal_id, principal_type,
			description, condition, condition_version, delegated_id, created_at, updated_at, created_by, updated_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		a.Scope.Key(), a.ID, a.Scope.String(), a.RoleID, string(a.PrincipalID), a.PrincipalType,
		orNull(a.Description), orNull(a.Condition), orNull(a.ConditionVersion), orNull(a.DelegatedID), store.Micros(a.CreatedAt), store.Micros(a.UpdatedAt), string(by), string(by))
	return a, true, err
}

// updateAssignment applies a repeated PUT; one that changes nothing writes nothing.
func updateAssignment(tx *store.Tx, old, a Assignment, by azure.ObjectID) (Assignment, error) {
	if !old.Scope.Equal(a.Scope) || old.RoleID != a.RoleID || old.PrincipalID != a.PrincipalID || old.DelegatedID != a.DelegatedID {
		return Assignment{}, fault.New(fault.Invalid,
			"Tenant ID, application ID, principal ID, and scope are not allowed to be updated.").Named(CodeAssignmentUpdateNotPermitted)
	}
	if old.Description == a.Description && old.Condition == a.Condition && old.ConditionVersion == a.ConditionVersion {
		return old, nil
	}
	old.Description, old.Condition, old.ConditionVersion, old.UpdatedAt, old.UpdatedBy = a.Description, a.Condition, a.ConditionVersion, tx.Now, by
	tx.Changed(store.Roles)
	_, err := tx.Exec(`UPDATE role_assignments SET description = $1, condition = $2, condition_version = $3, updated_at = $4, updated_by = $5
		WHERE scope_key = $6 AND id = $7`,
		orNull(old.Description), orNull(old.Condition), orNull(old.ConditionVersion), store.Micros(old.UpdatedAt), string(by), old.Scope.Key(), old.ID)
	return old, err
}

// validate checks and folds what a caller brings.
func (a *Assignment) validate() error {
	invalid := func(target, format string, args ...any) error {
		return fault.New(fault.Invalid, format, args...).At(target)
	}
	var ok bool
	if a.ID, ok = azure.ParseGUID(a.ID); !ok {
		return invalid("roleAssignmentName", "The role assignment ID must be a GUID.")
	}
	if a.RoleID, ok = azure.ParseGUID(a.RoleID); !ok {
		return invalid("roleDefinitionId", "The role definition ID must be a GUID.")
	}
	principal, ok := azure.ParseGUID(string(a.PrincipalID))
	if a.PrincipalID = azure.ObjectID(principal); !ok {
		return invalid("principalId", "The principal ID must be a GUID.")
	}
	types := []string{PrincipalUser, PrincipalGroup, PrincipalServicePrincipal, PrincipalForeignGroup, PrincipalDevice}
	i := slices.IndexFunc(types, func(t string) bool { return strings.EqualFold(t, a.PrincipalType) })
	switch {
	case a.Scope.IsZero():
		return invalid("scope", "The scope of the role assignment is missing.")
	case i < 0:
		return invalid("principalType", "The principal type '%s' is not one of %s.", a.PrincipalType, strings.Join(types, ", "))
	case utf8.RuneCountInString(a.Description) > maxDescription:
		return invalid("description", "The description is longer than %d characters.", maxDescription)
	}
	a.PrincipalType = types[i]
	return CheckCondition(a.Condition, a.ConditionVersion)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func oneAssignment(tx *store.Tx, where string, args ...any) (Assignment, error) {
	var a Assignment
	err := a.scan(tx.QueryRow("SELECT "+assignmentColumns+" FROM role_assignments a WHERE "+where, args...).Scan)
	return a, err
}

// GetAssignment reads one assignment. The fault is NotFound.
func GetAssignment(tx *store.Tx, scope azure.ResourceID, id string) (Assignment, error) {
	a, err := oneAssignment(tx, "a.scope_key = $1 AND a.id = $2", scope.Key(), azure.Fold(id))
	if errors.Is(err, store.ErrNoRows) {
		err = fault.New(fault.NotFound, "The role assignment '%s' is not found.", id).Named(CodeAssignmentNotFound)
	}
	return a, err
}

// DeleteAssignment removes an assignment and returns what it was. The fault is NotFound.
func DeleteAssignment(tx *store.Tx, scope azure.ResourceID, id string) (Assignment, error) {
	a, err := GetAssignment(tx, scope, id)
	if err == nil {
		tx.Changed(store.Roles)
		_, err = tx.Exec("DELETE FROM role_assignments WHERE scope_key = $1 AND id = $2", scope.Key(), a.ID)
	}
	return a, err
}
