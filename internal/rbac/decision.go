package rbac

import (
	"fmt"
	"strings"

	"midas/internal/azure"
)

// Request asks whether a caller may do something at a scope.
type Request struct {
	Principals []azure.ObjectID // the caller first, then the groups it is in, transitively
	Action     string           // "Microsoft.Compute/virtualMachines/read"
	Data       bool             // Action is a data action
	Scope      azure.ResourceID

	// ManagementGroups are those over the subscription of Scope, nearest first.
	ManagementGroups []azure.ResourceID

	// Attributes are what conditions may ask for. A decision that was denied for
	// want of them is Unsettled; most are not, and need none.
	Attributes Attributes
}

// Reason says what a decision rests on.
type Reason string

// The reasons. Every one but Granted is a denial; where several assignments
// fail in different ways, the later in this list is reported. Denied takes
// away what was granted.
const (
	Granted          Reason = "granted"
	NoAssignment     Reason = "no assignment"      // none of the principals has a role at or above the scope
	ControlPlaneOnly Reason = "control plane only" // a data action, and the roles have only control-plane actions
	NotGranted       Reason = "not granted"        // no role names the action
	Conditional      Reason = "conditional"        // named, but under a condition that does not hold
	Excluded         Reason = "excluded"           // named, and taken away again by the same role
	Denied           Reason = "denied"             // granted, and taken away by a deny assignment
)

// Decision is the answer to a Request. The zero value denies.
type Decision struct {
	Allowed bool
	Reason  Reason

	// Assignment and Role are what allowed it, or for Conditional and Excluded
	// what came nearest to it; nil otherwise.
	Assignment *Assignment
	Role       *Definition
	Entry      string // the entry of Role that named the action, or excluded it

	Deny *DenyAssignment // what took it away, for Denied

	// Unsettled says that a condition could hold, if more Attributes were known.
	Unsettled bool

	Held    []string // in a denial: the names of the roles that reach the scope
	Request Request
}

// held is an assignment that reaches a scope, with its role.
type held struct {
	Assignment
	role *Definition // nil where no definition has that id: it grants nothing
}

// decide judges assignments that all reach the scope, nearest first.
func decide(r Request, reaching []held) Decision {
	d := Decision{Reason: NoAssignment, Request: r}
	if r.Action == "" {
		return d // "*" matches the empty action too
	}
	for i := range reaching {
		h := &reaching[i]
		if h.role == nil {
			continue
		}
		reason, entry, holds := h.role.judge(r)
		if h.Condition != "" && reason != NotGranted {
			holds = min(holds, settle(h.Condition, r))
		}
		d.Unsettled = d.Unsettled || holds == isUnknown
		if reason == Granted && holds != isTrue {
			reason = Conditional
		}
		if reason == Granted {
			return Decision{Allowed: true, Reason: Granted, Assignment: &h.Assignment, Role: h.role, Entry: entry, Request: r}
		}
		d.Held = append(d.Held, h.role.RoleName)
		if rank(reason) <= rank(d.Reason) {
			continue
		}
		d.Reason = reason
		if entry != "" {
			d.Assignment, d.Role, d.Entry = &h.Assignment, h.role, entry
		}
	}
	return d
}

// judge says whether a role by itself names the action, by which entry, and
// what its own condition comes to. The blocks of a role add up; NotActions take
// away from their own block only.
func (d *Definition) judge(r Request) (reason Reason, entry string, holds truth) {
	reason = NotGranted
	hasActions, hasDataActions := false, false
	for i := range d.Permissions {
		p := &d.Permissions[i]
		hasActions = hasActions || len(p.Actions) > 0
		hasDataActions = hasDataActions || len(p.DataActions) > 0
		allow, deny := p.Actions, p.NotActions
		if r.Data {
			allow, deny = p.DataActions, p.NotDataActions
		}
		by := matchAny(allow, r.Action)
		if by == "" {
			continue
		}
		because := Granted
		if not := matchAny(deny, r.Action); not != "" {
			because, by = Excluded, not
		} else if p.Condition != "" {
			this := settle(p.Condition, r)
			holds = max(holds, this)
			if this != isTrue {
				because = Conditional
			}
		}
		if because == Granted {
			return Granted, by, isTrue
		}
		if rank(because) > rank(reason) {
			reason, entry = because, by
		}
	}
	if reason == NotGranted && r.Data && hasActions && !hasDataActions {
		reason = ControlPlaneOnly
	}
	return reason, entry, holds
}

// rank orders the reasons of a denial by how near they came to a grant.
func rank(r Reason) int {
	switch r {
	case ControlPlaneOnly:
		return 1
	case NotGranted:
		return 2
	case Conditional:
		return 3
	case Excluded:
		return 4
	}
	return 0
}

// String explains the decision in one line.
func (d Decision) String() string {
	plane, entries := "action", "notActions"
	if d.Request.Data {
		plane, entries = "data action", "notDataActions"
	}
	who := "the caller"
	if len(d.Request.Principals) > 0 {
		who = string(d.Request.Principals[0])
	}
	action, scope := d.Request.Action, d.Request.Scope.String()
	switch d.Reason {
	case Granted:
		return fmt.Sprintf("allowed: %s has the %s %s (%s)%s", d.through(who), plane, action, d.Entry, d.under(", and its condition holds: "))
	case Denied:
		return fmt.Sprintf("denied: %s has the %s %s, but the deny assignment %q at %s takes it away", d.through(who), plane, action, d.Deny.Name, d.Deny.Scope)
	case Excluded:
		return fmt.Sprintf("denied: %s excludes the %s %s by its %s (%s)", d.through(who), plane, action, entries, d.Entry)
	case Conditional:
		return fmt.Sprintf("denied: %s has the %s %s only under a condition, and it does not hold here%s", d.through(who), plane, action, d.under(": "))
	case ControlPlaneOnly:
		return fmt.Sprintf("denied: %s is a data action, and what %s has at or above %s is for the control plane only: %s",
			action, who, scope, strings.Join(d.Held, ", "))
	case NotGranted:
		return fmt.Sprintf("denied: none of the roles that %s has at or above %s has the %s %s: %s",
			who, scope, plane, action, strings.Join(d.Held, ", "))
	}
	return fmt.Sprintf("denied: %s has no role at or above %s", who, scope)
}

// under is the condition of the assignment after some words, "" where it has none.
func (d Decision) under(words string) string {
	if d.Assignment.Condition == "" {
		return ""
	}
	return words + d.Assignment.Condition
}

// through names the assignment that the decision rests on, and the group that
// holds it where it is not the caller's own.
func (d Decision) through(who string) string {
	to := "to " + who
	if !strings.EqualFold(string(d.Assignment.PrincipalID), who) {
		to += " through " + string(d.Assignment.PrincipalID)
	}
	return fmt.Sprintf("role %q, assigned %s at %s,", d.Role.RoleName, to, d.Assignment.Scope)
}
