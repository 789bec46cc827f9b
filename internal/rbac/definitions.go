package rbac

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// maxRoleName is the length of a role's name in characters.
const maxRoleName = 512

// definitionBody is the stored form of a custom definition.
type definitionBody struct {
	RoleName         string       `json:"roleName"`
	Description      string       `json:"description"`
	Permissions      []Permission `json:"permissions"`
	AssignableScopes []string     `json:"assignableScopes"`
}

func (d *Definition) encode() (string, error) {
	b := definitionBody{RoleName: d.RoleName, Description: d.Description, Permissions: d.Permissions}
	for _, s := range d.AssignableScopes {
		b.AssignableScopes = append(b.AssignableScopes, s.String())
	}
	text, err := json.Marshal(b)
	return string(text), err
}

func (d *Definition) decode(body string) error {
	var b definitionBody
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		return err
	}
	d.RoleName, d.Description, d.Permissions = b.RoleName, b.Description, b.Permissions
	for _, s := range b.AssignableScopes {
		id, err := azure.ParseResourceID(s)
		if err != nil {
			return err
		}
		d.AssignableScopes = append(d.AssignableScopes, id)
	}
	return nil
}

const definitionColumns = "id, body, created_at, updated_at, created_by, updated_by"

func scanDefinition(scan func(...any) error) (*Definition, error) {
	d := &Definition{Type: CustomRole}
	var body string
	var created, updated int64
	if err := scan(&d.ID, &body, &created, &updated, &d.CreatedBy, &d.UpdatedBy); err != nil {
		return nil, err
	}
	d.CreatedAt, d.UpdatedAt = store.Time(created), store.Time(updated)
	return d, d.decode(body)
}

// AssignableAt reports whether the role may be assigned at a scope: whether
// one of its assignable scopes is that scope or lies above it.
func (d *Definition) AssignableAt(scope azure.ResourceID, managementGroups ...azure.ResourceID) bool {
	return slices.ContainsFunc(d.AssignableScopes, func(s azure.ResourceID) bool { return reaches(s, scope, managementGroups) })
}

// GetDefinition returns a role by its GUID, built-in or custom. The fault is NotFound.
func GetDefinition(tx *store.Tx, id string) (*Definition, error) {
	if d := BuiltIn(id); d != nil {
		return d, nil
	}
	d, err := scanDefinition(tx.QueryRow("SELECT "+definitionColumns+" FROM role_definitions WHERE id = $1", azure.Fold(id)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "The specified role definition with ID '%s' does not exist.", id).Named(CodeDefinitionDoesNotExist)
	}
	return d, err
}

// DefinitionFilter is what a list of roles can be asked for (control-plane.md C3).
type DefinitionFilter struct {
	Name string // roleName eq '…', in any case; "" for all
	Type string // type eq '…'; "" for both
	// Scope keeps the roles that may be assigned there; the zero id keeps all.
	Scope azure.ResourceID
	// AndBelow keeps those that may be assigned below it, too: atScopeAndBelow().
	AndBelow         bool
	ManagementGroups []azure.ResourceID
}

func (f *DefinitionFilter) keeps(d *Definition) bool {
	switch {
	case f.Name != "" && azure.Fold(f.Name) != azure.Fold(d.RoleName):
		return false
	case f.Type != "" && !strings.EqualFold(f.Type, d.Type):
		return false
	case f.Scope.IsZero() || d.AssignableAt(f.Scope, f.ManagementGroups...):
		return true
	}
	return f.AndBelow && slices.ContainsFunc(d.AssignableScopes, func(s azure.ResourceID) bool {
		return reaches(f.Scope, s, f.ManagementGroups)
	})
}

// Definitions lists the built-in roles, then the custom ones as they were created.
func Definitions(tx *store.Tx, f DefinitionFilter) ([]*Definition, error) {
	var all []*Definition
	for _, d := range builtIn {
		if f.keeps(d) {
			all = append(all, d)
		}
	}
	var c conditions
	if f.Name != "" {
		c.add("name_key = " + c.arg(azure.Fold(f.Name)))
	}
	custom, err := store.Collect(tx, scanDefinition, "SELECT "+definitionColumns+" FROM role_definitions"+c.where()+" ORDER BY created_at, id", c.args...)
	if err != nil {
		return nil, err
	}
	for _, d := range custom {
		if f.keeps(d) {
			all = append(all, d)
		}
	}
	return all, nil
}

// PutDefinition makes or replaces a custom role. ID, RoleName and at least one
// assignable scope are required; type, times and authors are filled in. The
// bool says that it is new. Faults: Invalid, Forbidden (a built-in role),
// Conflict (the name is taken).
func PutDefinition(tx *store.Tx, d Definition, by azure.ObjectID) (*Definition, bool, error) {
	if err := d.validate(); err != nil {
		return nil, false, err
	}
	named, err := Definitions(tx, DefinitionFilter{Name: d.RoleName})
	if err != nil {
		return nil, false, err
	}
	if len(named) > 0 && named[0].ID != d.ID {
		return nil, false, fault.New(fault.Conflict,
			"A custom role with the same name already exists in this directory. Use a different name.").Named(CodeDefinitionSameName)
	}
	d.Type, d.CreatedAt, d.UpdatedAt, d.CreatedBy, d.UpdatedBy = CustomRole, tx.Now, tx.Now, by, by
	old, err := GetDefinition(tx, d.ID)
	if err == nil {
		d.CreatedAt, d.CreatedBy = old.CreatedAt, old.CreatedBy
	} else if !fault.Is(err, fault.NotFound) {
		return nil, false, err
	}
	body, err := d.encode()
	if err != nil {
		return nil, false, err
	}
	tx.Changed(store.Roles)
	_, err = tx.Exec(`INSERT INTO role_definitions (id, name_key, body, created_at, updated_at, created_by, updated_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET name_key = excluded.name_key, body = excluded.body,
			updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
		d.ID, azure.Fold(d.RoleName), body, store.Micros(d.CreatedAt), store.Micros(d.UpdatedAt), string(d.CreatedBy), string(d.UpdatedBy))
	return &d, old == nil, err
}

// validate checks what a caller brings and copies what is kept.
func (d *Definition) validate() error {
	invalid := func(target, format string, args ...any) error {
		return fault.New(fault.Invalid, format, args...).At(target)
	}
	id, ok := azure.ParseGUID(d.ID)
	if d.ID = id; !ok {
		return invalid("roleDefinitionId", "The role definition ID must be a GUID.")
	}
	if b := BuiltIn(id); b != nil {
		return fault.New(fault.Forbidden, "The role '%s' is built in and cannot be changed.", b.RoleName).At("roleDefinitionId")
	}
	switch {
	case d.Type != "" && !strings.EqualFold(d.Type, CustomRole):
		return invalid("type", "The type of a role definition that is written must be %s.", CustomRole)
	case strings.TrimSpace(d.RoleName) == "" || utf8.RuneCountInString(d.RoleName) > maxRoleName:
		return invalid("roleName", "The role name must have 1 to %d characters.", maxRoleName)
	case utf8.RuneCountInString(d.Description) > maxDescription:
		return invalid("description", "The description is longer than %d characters.", maxDescription)
	case len(d.AssignableScopes) == 0:
		return invalid("assignableScopes", "The role definition must have at least one assignable scope.")
	}
	for _, s := range d.AssignableScopes {
		switch azure.Fold(s.Type()) {
		case azure.Fold(azure.TypeManagementGroup), azure.Fold(azure.TypeSubscription), azure.Fold(azure.TypeResourceGroup):
		default:
			return invalid("assignableScopes", "The assignable scope '%s' is not a management group, a subscription or a resource group.", s)
		}
	}
	d.Permissions = slices.Clone(d.Permissions)
	for i := range d.Permissions {
		if err := d.Permissions[i].validate(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Permission) validate() error {
	if p.Condition != "" || p.ConditionVersion != "" {
		return fault.New(fault.Invalid, "Conditions in role definitions are not supported.").At("permissions")
	}
	for _, list := range []*[]string{&p.Actions, &p.NotActions, &p.DataActions, &p.NotDataActions} {
		if *list == nil {
			*list = []string{}
		}
		for _, entry := range *list {
			if !validEntry(entry) {
				return fault.New(fault.Invalid, "'%s' is not an action.", entry).Named(CodeInvalidAction).At("permissions")
			}
		}
	}
	return nil
}

// validEntry accepts "*", and segments of letters, digits, ".", "-", "_" and
// "*" with slashes between them.
func validEntry(s string) bool {
	if s == "*" {
		return true
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || strings.Trim(segment, "*.-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return false
		}
	}
	return strings.Contains(s, "/") && len(s) <= 512
}

// DeleteDefinition removes a custom role and returns what it was. Faults:
// NotFound, Forbidden (a built-in role), Conflict (it is assigned).
func DeleteDefinition(tx *store.Tx, id string) (*Definition, error) {
	d, err := GetDefinition(tx, id)
	if err != nil {
		return nil, err
	}
	if d.Type == BuiltInRole {
		return nil, fault.New(fault.Forbidden, "The role '%s' is built in and cannot be deleted.", d.RoleName).At("roleDefinitionId")
	}
	_, err = oneAssignment(tx, "a.role_id = $1 LIMIT 1", d.ID)
	if err == nil {
		return nil, fault.New(fault.Conflict, "There are existing role assignments referencing role.").Named(CodeDefinitionHasAssignments)
	} else if !errors.Is(err, store.ErrNoRows) {
		return nil, err
	}
	tx.Changed(store.Roles)
	_, err = tx.Exec("DELETE FROM role_definitions WHERE id = $1", d.ID)
	return d, err
}
