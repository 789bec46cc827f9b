package rbac

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Everyone is the principal of a deny assignment that all callers are
// (control-plane.md C4); its type is SystemDefined.
const Everyone = azure.ObjectID("00000000-0000-0000-0000-000000000000")

// PrincipalSystemDefined is the type of [Everyone].
const PrincipalSystemDefined = "SystemDefined"

// DenyAssignment takes actions away from principals at a scope, whatever roles
// they have.
type DenyAssignment struct {
	ID    string // GUID in lower case, unique in the tenant
	Scope azure.ResourceID

	Name        string
	Description string
	Permissions []Permission // what is denied; NotActions are not
	ScopeOnly   bool         // it does not reach what is below the scope
	Principals  []DenyPrincipal
	Excluded    []DenyPrincipal // whom it does not reach

	CreatedAt, UpdatedAt time.Time
	CreatedBy, UpdatedBy azure.ObjectID
}

// DenyPrincipal is a principal, or Everyone, in a deny assignment.
type DenyPrincipal struct {
	ID   azure.ObjectID `json:"id"`
	Type string         `json:"type"`
}

// ResourceID returns the id of the deny assignment: an extension of its scope.
func (d *DenyAssignment) ResourceID() azure.ResourceID {
	return d.Scope.Join("providers", namespace, "denyAssignments", d.ID)
}

// reaches reports whether the deny assignment takes away what is asked.
func (d *DenyAssignment) reaches(r Request) bool {
	return d.at(r.Scope, r.ManagementGroups) && d.concerns(r)
}

// at reports whether it reaches a scope.
func (d *DenyAssignment) at(scope azure.ResourceID, managementGroups []azure.ResourceID) bool {
	if d.ScopeOnly {
		return d.Scope.Equal(scope)
	}
	return reaches(d.Scope, scope, managementGroups)
}

// concerns reports whether it takes the action away from the principals,
// whatever the scope.
func (d *DenyAssignment) concerns(r Request) bool {
	has := func(list []DenyPrincipal) bool {
		return slices.ContainsFunc(list, func(p DenyPrincipal) bool {
			return p.ID == Everyone || slices.ContainsFunc(r.Principals, func(id azure.ObjectID) bool { return strings.EqualFold(string(id), string(p.ID)) })
		})
	}
	if !has(d.Principals) || has(d.Excluded) {
		return false
	}
	for i := range d.Permissions {
		p := &d.Permissions[i]
		deny, spare := p.Actions, p.NotActions
		if r.Data {
			deny, spare = p.DataActions, p.NotDataActions
		}
		if matchAny(deny, r.Action) != "" && matchAny(spare, r.Action) == "" {
			return true
		}
	}
	return false
}

// denyBody is the stored form of the rest.
type denyBody struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Permissions []Permission    `json:"permissions"`
	ScopeOnly   bool            `json:"scopeOnly,omitempty"`
	Principals  []DenyPrincipal `json:"principals"`
	Excluded    []DenyPrincipal `json:"excluded,omitempty"`
}

const denyColumns = "a.id, a.scope, a.body, a.created_at, a.updated_at, a.created_by, a.updated_by"

func scanDeny(scan func(...any) error) (d DenyAssignment, err error) {
	var scope, body string
	var created, updated int64
	if err := scan(&d.ID, &scope, &body, &created, &updated, &d.CreatedBy, &d.UpdatedBy); err != nil {
		return d, err
	}
	var b denyBody
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		return d, err
	}
	d.Name, d.Description, d.Permissions, d.ScopeOnly, d.Principals, d.Excluded = b.Name, b.Description, b.Permissions, b.ScopeOnly, b.Principals, b.Excluded
	d.CreatedAt, d.UpdatedAt = store.Time(created), store.Time(updated)
	d.Scope, err = azure.ParseResourceID(scope)
	return d, err
}

func queryDenials(tx *store.Tx, c *conditions) ([]DenyAssignment, error) {
	return store.Collect(tx, scanDeny, "SELECT "+denyColumns+" FROM deny_assignments a"+c.where()+" ORDER BY a.created_at, a.id", c.args...)
}

// denialsAt reads those at any of the scopes.
func denialsAt(tx *store.Tx, scopes []azure.ResourceID) ([]DenyAssignment, error) {
	var c conditions
	c.in("a.scope_key", keys(scopes))
	return queryDenials(tx, &c)
}

// denialsOf reads those that take an action away from principals, at any scope.
func denialsOf(tx *store.Tx, r Request) ([]DenyAssignment, error) {
	all, err := queryDenials(tx, new(conditions))
	return slices.DeleteFunc(all, func(d DenyAssignment) bool { return !d.concerns(r) }), err
}

// DenyAssignments lists those at a scope, those above it, and, unless atScope,
// those below it. Management groups are those that contain every subscription.
func DenyAssignments(tx *store.Tx, scope azure.ResourceID, atScope bool, managementGroups ...azure.ResourceID) ([]DenyAssignment, error) {
	var c conditions
	c.around(scope, atScope, managementGroups)
	return queryDenials(tx, &c)
}

// GetDenyAssignment reads one. The fault is NotFound.
func GetDenyAssignment(tx *store.Tx, scope azure.ResourceID, id string) (DenyAssignment, error) {
	d, err := scanDeny(tx.QueryRow("SELECT "+denyColumns+" FROM deny_assignments a WHERE a.scope_key = $1 AND a.id = $2", scope.Key(), azure.Fold(id)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		err = fault.New(fault.NotFound, "The deny assignment '%s' is not found.", id).Named(CodeDenyAssignmentNotFound)
	}
	return d, err
}

// PutDenyAssignment makes or replaces a deny assignment. ID, Scope, Name,
// Permissions and Principals are required; times and authors are filled in. The
// bool says that it is new. The fault is Invalid.
func PutDenyAssignment(tx *store.Tx, d DenyAssignment, by azure.ObjectID) (DenyAssignment, bool, error) {
	if err := d.validate(); err != nil {
		return DenyAssignment{}, false, err
	}
	old, err := scanDeny(tx.QueryRow("SELECT "+denyColumns+" FROM deny_assignments a WHERE a.id = $1", d.ID).Scan)
	created := errors.Is(err, store.ErrNoRows)
	if err != nil && !created {
		return DenyAssignment{}, false, err
	}
	if !created && !old.Scope.Equal(d.Scope) {
		return DenyAssignment{}, false, fault.New(fault.Invalid, "The deny assignment '%s' is at another scope, and that cannot be changed.", d.ID).At("scope")
	}
	body, err := json.Marshal(denyBody{d.Name, d.Description, d.Permissions, d.ScopeOnly, d.Principals, d.Excluded})
	if err != nil {
		return DenyAssignment{}, false, err
	}
	d.CreatedAt, d.CreatedBy, d.UpdatedAt, d.UpdatedBy = tx.Now, by, tx.Now, by
	if !created {
		d.CreatedAt, d.CreatedBy = old.CreatedAt, old.CreatedBy
	}
	tx.Changed(store.Roles)
	_, err = tx.Exec(`INSERT INTO deny_assignments (id, scope_key, scope, body, created_at, updated_at, created_by, updated_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
		d.ID, d.Scope.Key(), d.Scope.String(), string(body), store.Micros(d.CreatedAt), store.Micros(d.UpdatedAt), string(d.CreatedBy), string(by))
	return d, created, err
}

// validate checks and folds what a caller brings. One that is for everyone
// must leave somebody who can take it back.
func (d *DenyAssignment) validate() error {
	invalid := func(target, format string, args ...any) error {
		return fault.New(fault.Invalid, format, args...).At(target)
	}
	var ok bool
	if d.ID, ok = azure.ParseGUID(d.ID); !ok {
		return invalid("denyAssignmentId", "The deny assignment ID must be a GUID.")
	}
	actions := 0
	d.Permissions = slices.Clone(d.Permissions)
	for i := range d.Permissions {
		p := &d.Permissions[i]
		if err := p.validate(); err != nil {
			return err
		}
		actions += len(p.Actions) + len(p.DataActions)
	}
	for _, list := range [][]DenyPrincipal{d.Principals, d.Excluded} {
		if err := checkDenyPrincipals(list); err != nil {
			return err
		}
	}
	everyone := slices.ContainsFunc(d.Principals, func(p DenyPrincipal) bool { return p.ID == Everyone })
	switch {
	case strings.TrimSpace(d.Name) == "" || utf8.RuneCountInString(d.Name) > maxRoleName:
		return invalid("denyAssignmentName", "The name of a deny assignment must have 1 to %d characters.", maxRoleName)
	case utf8.RuneCountInString(d.Description) > maxDescription:
		return invalid("description", "The description is longer than %d characters.", maxDescription)
	case actions == 0:
		return invalid("permissions", "A deny assignment must have at least one action or data action.")
	case len(d.Principals) == 0:
		return invalid("principals", "A deny assignment must have at least one principal.")
	case everyone && len(d.Excluded) == 0:
		return invalid("excludePrincipals", "A deny assignment for everyone must exclude at least one principal.")
	case slices.ContainsFunc(d.Excluded, func(p DenyPrincipal) bool { return p.ID == Everyone }):
		return invalid("excludePrincipals", "A deny assignment that excludes everyone denies nothing.")
	}
	return nil
}

func checkDenyPrincipals(list []DenyPrincipal) error {
	types := []string{PrincipalUser, PrincipalGroup, PrincipalServicePrincipal, PrincipalSystemDefined}
	for i := range list {
		p := &list[i]
		id, ok := azure.ParseGUID(string(p.ID))
		n := slices.IndexFunc(types, func(t string) bool { return strings.EqualFold(t, p.Type) })
		if !ok || n < 0 || (types[n] == PrincipalSystemDefined) != (azure.ObjectID(id) == Everyone) {
			return fault.New(fault.Invalid, "The principal '%.64s' of type '%.32s' is not valid: it is named by its object id, with User, Group or ServicePrincipal, and everyone by '%s' with SystemDefined.", p.ID, p.Type, Everyone).At("principals")
		}
		p.ID, p.Type = azure.ObjectID(id), types[n]
	}
	return nil
}

// DeleteDenyAssignment removes one and returns what it was. The fault is NotFound.
func DeleteDenyAssignment(tx *store.Tx, scope azure.ResourceID, id string) (DenyAssignment, error) {
	d, err := GetDenyAssignment(tx, scope, id)
	if err == nil {
		tx.Changed(store.Roles)
		_, err = tx.Exec("DELETE FROM deny_assignments WHERE id = $1", d.ID)
	}
	return d, err
}
