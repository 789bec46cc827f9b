package rbac

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"midas/internal/azure"
	"midas/internal/store"
)

// asked is a request as a key: what was decided is remembered until a role, an
// assignment or the directory changes.
type asked struct {
	principals, action, scope, managementGroups, attributes string
	data                                                    bool
}

// Check decides a request. It reads only the assignments of the request's
// principals at the scopes above its own, by index, so its cost does not grow
// with what others were given. The decision is shared and not to be changed. An
// error is a failure of the store, never a denial.
func Check(tx *store.Tx, r Request) (Decision, error) {
	key := asked{action: r.Action, scope: r.Scope.String(), data: r.Data}
	for i, p := range r.Principals {
		if i > 0 {
			key.principals += " "
		}
		key.principals += string(p)
	}
	for _, g := range r.ManagementGroups {
		key.managementGroups += g.Key()
	}
	for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
		key.attributes += fmt.Sprintf("%q=%q", name, r.Attributes[name])
	}
	return store.Memo(tx, key, func() (Decision, error) { return ask(tx, r) }, store.Roles)
}

func ask(tx *store.Tx, r Request) (Decision, error) {
	chain := Ancestors(r.Scope, r.ManagementGroups...)
	if len(chain) == 0 || len(r.Principals) == 0 {
		return decide(r, nil), nil
	}
	var c conditions
	c.principals(r.Principals)
	c.in("a.scope_key", keys(chain))
	reaching, err := assignmentsWithRoles(tx, &c)
	if err != nil {
		return Decision{}, err
	}
	slices.SortFunc(reaching, func(a, b held) int {
		if n := slices.IndexFunc(chain, a.Scope.Equal) - slices.IndexFunc(chain, b.Scope.Equal); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	d := decide(r, reaching)
	if !d.Allowed {
		return d, nil
	}
	denials, err := denialsAt(tx, chain)
	if err != nil {
		return Decision{}, err
	}
	for i := range denials {
		if denials[i].reaches(r) {
			d.Allowed, d.Reason, d.Deny = false, Denied, &denials[i]
			break
		}
	}
	return d, nil
}

func keys(scopes []azure.ResourceID) []string {
	all := make([]string, len(scopes))
	for i, s := range scopes {
		all[i] = s.Key()
	}
	return all
}

// assignmentsWithRoles reads assignments together with their definitions.
func assignmentsWithRoles(tx *store.Tx, c *conditions) ([]held, error) {
	return store.Collect(tx, func(scan func(...any) error) (held, error) {
		var h held
		var body string
		err := h.scan(scan, &body)
		if err != nil {
			return h, err
		}
		if h.role = BuiltIn(h.RoleID); h.role == nil && body != "" {
			h.role = &Definition{ID: h.RoleID, Type: CustomRole}
			err = h.role.decode(body)
		}
		return h, err
	}, "SELECT "+assignmentColumns+", COALESCE(d.body, '') FROM role_assignments a LEFT JOIN role_definitions d ON d.id = a.role_id"+
		c.where(), c.args...)
}

// conditions builds a WHERE clause whose values are all parameters.
type conditions struct {
	clauses []string
	args    []any
}

// arg adds a value and returns its placeholder.
func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

func (c *conditions) add(clause string) { c.clauses = append(c.clauses, clause) }

// list returns "column IN (…)" over the values.
func (c *conditions) list(column string, values []string) string {
	places := make([]string, len(values))
	for i, v := range values {
		places[i] = c.arg(v)
	}
	return column + " IN (" + strings.Join(places, ",") + ")"
}

func (c *conditions) in(column string, values []string) { c.add(c.list(column, values)) }

func (c *conditions) principals(ids []azure.ObjectID) {
	folded := make([]string, len(ids))
	for i, id := range ids {
		folded[i] = azure.Fold(string(id))
	}
	c.in("a.principal_id", folded)
}

func (c *conditions) where() string {
	if len(c.clauses) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.clauses, " AND ")
}
