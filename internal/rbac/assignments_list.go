package rbac

import (
	"strings"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/store"
)

// AssignmentFilter is what a list of assignments can be asked for
// (control-plane.md C3).
type AssignmentFilter struct {
	// Scope is where the list is read: its own assignments, those above it
	// that reach it, and those below it.
	Scope azure.ResourceID
	// AtScope leaves out those below: atScope().
	AtScope bool
	// Principals keeps only theirs: one for principalId eq '…', a principal
	// with all its groups for assignedTo('…'). Nil keeps all.
	Principals []azure.ObjectID
	// ManagementGroups are those that contain every subscription.
	ManagementGroups []azure.ResourceID
}

// Assignments lists in the order of creation.
func Assignments(tx *store.Tx, f AssignmentFilter) ([]Assignment, error) {
	if f.Scope.IsZero() || f.Principals != nil && len(f.Principals) == 0 {
		return nil, nil
	}
	var c conditions
	if f.Principals != nil {
		c.principals(f.Principals)
	}
	c.around(f.Scope, f.AtScope, f.ManagementGroups)
	return store.Collect(tx, func(scan func(...any) error) (a Assignment, err error) {
		err = a.scan(scan)
		return a, err
	}, "SELECT "+assignmentColumns+" FROM role_assignments a"+c.where()+" ORDER BY a.created_at, a.id", c.args...)
}

// DeleteAssignmentsUnder removes the assignments at a scope and below it, as
// when a resource or a group goes away, and returns how many there were.
func DeleteAssignmentsUnder(tx *store.Tx, scope azure.ResourceID) (int, error) {
	if scope.IsZero() {
		return 0, nil
	}
	var c conditions
	c.add("(a.scope_key = " + c.arg(scope.Key()) + " OR " + c.below(scope) + ")")
	tx.Changed(store.Roles)
	done, err := tx.Exec("DELETE FROM role_assignments AS a"+c.where(), c.args...)
	if err != nil {
		return 0, err
	}
	n, err := done.RowsAffected()
	return int(n), err
}

// around selects what is at a scope, above it, and, unless atScope, below it.
func (c *conditions) around(scope azure.ResourceID, atScope bool, managementGroups []azure.ResourceID) {
	at := c.list("a.scope_key", keys(Ancestors(scope, managementGroups...)))
	if !atScope {
		at = "(" + at + " OR " + c.below(scope) + ")"
		if contains(managementGroups, scope) {
			at = "(" + at + " OR " + c.startsWith("/subscriptions/") + ")"
		}
	}
	c.add(at)
}

// below selects what lies under a scope, by whole segments.
func (c *conditions) below(scope azure.ResourceID) string {
	return c.startsWith(strings.TrimSuffix(scope.Key(), "/") + "/")
}

// startsWith compares a prefix without LIKE, whose case rules differ between
// the engines, and without a range, which would rest on a collation.
func (c *conditions) startsWith(prefix string) string {
	return "substr(a.scope_key, 1, " + c.arg(utf8.RuneCountInString(prefix)) + ") = " + c.arg(prefix)
}
