package resource

import (
	"fmt"
	"strings"

	"midas/internal/azure"
	"midas/internal/store"
)

// Query selects resources. All that is set must hold.
type Query struct {
	Type   string             // "Microsoft.Compute/virtualMachines"; "" for every type but resource groups
	Within azure.ResourceID   // a subscription, a group or a parent resource
	Grants []azure.ResourceID // only what lies at or below one of these; nil for no such limit
	After  string             // key of the last resource of the page before
	Limit  int                // at most this many
}

// List returns a page in the order of keys, and the key to go on after, "" at
// the end. A list pages by key, so that rows which come and go between two
// pages never make it skip or repeat another.
func List(tx *store.Tx, q Query) (page []*Resource, next string, err error) {
	var (
		where []string
		args  []any
	)
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	if q.Type != "" {
		where = append(where, "type_key = "+arg(azure.Fold(q.Type)))
	} else {
		where = append(where, "type_key <> "+arg(azure.Fold(azure.TypeResourceGroup)))
	}
	where = append(where, within(q.Within, arg))
	if q.Grants != nil {
		reach := []string{"1 = 0"}
		for _, g := range q.Grants {
			reach = append(reach, within(g, arg))
		}
		where = append(where, "("+strings.Join(reach, " OR ")+")")
	}
	if q.After != "" {
		where = append(where, "key > "+arg(q.After))
	}
	page, err = store.Collect(tx, scan, `SELECT `+columns+` FROM resources WHERE `+strings.Join(where, " AND ")+` ORDER BY key LIMIT `+arg(q.Limit+1), args...)
	if err != nil {
		return nil, "", err
	}
	if len(page) > q.Limit {
		page = page[:q.Limit]
		next = page[q.Limit-1].ID.Key()
	}
	return page, next, nil
}

// within is the condition for what lies at or below a scope. Containers have
// columns of their own; below a resource there is its own row and its children.
func within(scope azure.ResourceID, arg func(any) string) string {
	switch scope.Type() {
	case azure.TypeTenant:
		return "1 = 1"
	case azure.TypeSubscription:
		return "subscription_key = " + arg(scope.Key())
	case azure.TypeResourceGroup:
		return "group_key = " + arg(scope.Key())
	}
	if strings.EqualFold(scope.Type(), azure.TypeManagementGroup) {
		return "1 = 1" // the one management group of a tenant holds all its subscriptions
	}
	key := arg(scope.Key())
	return "(key = " + key + " OR parent_key = " + key + ")"
}
