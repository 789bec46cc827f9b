package rbac

import (
	"cmp"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/store"
)

// Grants is the set of scopes where a caller has one action. A list starts
// from it instead of asking about every resource (design.md section 12). The
// zero value covers nothing.
type Grants struct {
	scopes           []azure.ResourceID // none within another, by key
	keys             map[string]bool
	managementGroups []azure.ResourceID
	subscriptions    bool             // every subscription is covered, by a management group
	denials          []DenyAssignment // those that take the action away, at whatever scope
}

// GrantsFor returns where the principals (the caller and its groups) have an
// action. The management groups are those that contain every subscription.
func GrantsFor(tx *store.Tx, principals []azure.ObjectID, action string, data bool, managementGroups ...azure.ResourceID) (Grants, error) {
	g := Grants{managementGroups: managementGroups}
	if len(principals) == 0 || action == "" {
		return g, nil
	}
	var c conditions
	c.principals(principals)
	all, err := assignmentsWithRoles(tx, &c)
	if err != nil {
		return g, err
	}
	r := Request{Action: action, Data: data}
	var granted []azure.ResourceID
	for i := range all {
		if decide(r, all[i:i+1]).Allowed {
			granted = append(granted, all[i].Scope)
		}
	}
	g.fill(granted)
	if len(granted) == 0 {
		return g, nil
	}
	g.denials, err = denialsOf(tx, Request{Principals: principals, Action: action, Data: data, ManagementGroups: managementGroups})
	return g, err
}

// fill keeps the scopes that no other one covers: management groups first,
// then the shorter before what may lie within them.
func (g *Grants) fill(granted []azure.ResourceID) {
	slices.SortFunc(granted, func(a, b azure.ResourceID) int {
		if a, b := contains(g.managementGroups, a), contains(g.managementGroups, b); a != b {
			if a {
				return -1
			}
			return 1
		}
		return cmp.Compare(len(a.String()), len(b.String()))
	})
	g.keys = make(map[string]bool, len(granted))
	for _, s := range granted {
		if g.granted(s) {
			continue
		}
		g.keys[s.Key()] = true
		g.scopes = append(g.scopes, s)
		g.subscriptions = g.subscriptions || contains(g.managementGroups, s)
	}
	slices.SortFunc(g.scopes, func(a, b azure.ResourceID) int { return strings.Compare(a.Key(), b.Key()) })
}

// Covers reports whether the action is granted on id itself: for the scope of
// a list it means that the whole list may be shown. Its cost is the depth of
// id, whatever the number of grants, and that of the deny assignments.
func (g Grants) Covers(id azure.ResourceID) bool { return g.granted(id) && !g.Denied(id) }

// Denied reports whether a deny assignment takes the action away on id itself.
func (g Grants) Denied(id azure.ResourceID) bool {
	for i := range g.denials {
		if g.denials[i].at(id, g.managementGroups) {
			return true
		}
	}
	return false
}

func (g Grants) granted(id azure.ResourceID) bool {
	if id.IsZero() || len(g.keys) == 0 {
		return false
	}
	if g.keys["/"] || g.subscriptions && id.Subscription() != "" {
		return true
	}
	for key := id.Key(); key != ""; key = key[:strings.LastIndexByte(key, '/')] {
		if g.keys[key] {
			return true
		}
	}
	return false
}

// Within returns where a list at scope has to look, by key: scope itself if the
// grants cover it, else the granted scopes below it, which may be none. What a
// deny assignment takes away is still in there: [Grants.Covers] tells of each item.
func (g Grants) Within(scope azure.ResourceID) []azure.ResourceID {
	if g.granted(scope) {
		return []azure.ResourceID{scope}
	}
	var within []azure.ResourceID
	for _, s := range g.scopes {
		if reaches(scope, s, g.managementGroups) {
			within = append(within, s)
		}
	}
	return within
}
