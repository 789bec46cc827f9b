package arm

import (
	"net/http"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/wire"
)

// maxMoved bounds the resources of one move.
const maxMoved = 800

// moveResources gives resources of a group ids in another one, or says whether
// that would do. An identity stays the principal that it was; roles that were
// assigned on a resource itself are lost, as on Azure.
func (d *Door) moveResources(c *Call, r *http.Request) (*Answer, error) {
	segs, err := wire.Segments(r)
	if err != nil {
		return nil, err
	}
	validate := strings.EqualFold(segs[4], "validateMoveResources")
	action := groupOperation + "moveResources/action"
	if validate {
		action = groupOperation + "validateMoveResources/action"
	}
	if err := c.authorize(action, c.ID); err != nil {
		return nil, err
	}
	source, err := resource.Get(c.Tx, c.ID)
	if err != nil {
		return nil, err
	}
	var body struct {
		Resources []string `json:"resources"`
		Target    string   `json:"targetResourceGroup"`
	}
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	target, err := d.moveTarget(c, action, body.Target)
	if err != nil {
		return nil, err
	}
	moves, err := d.moves(c, source.ID, target, body.Resources)
	if err != nil {
		return nil, err
	}
	if !validate {
		for _, m := range moves {
			if err := d.move(c, m.from, m.to); err != nil {
				return nil, err
			}
		}
	}
	return &Answer{Status: http.StatusNoContent}, nil
}

func invalidMove(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Named(CodeInvalidMove)
}

// moveTarget is the group that is moved to: the caller's right to write it is
// asked for before it is said whether it is there.
func (d *Door) moveTarget(c *Call, action, given string) (azure.ResourceID, error) {
	target, err := azure.ParseResourceID(given)
	if err != nil || target.Type() != azure.TypeResourceGroup {
		return target, invalidMove("The target resource group '%.512s' is not the id of a resource group.", given)
	}
	if target.Equal(c.ID) {
		return target, invalidMove("The source and the target of a move are the same resource group '%s'.", target.ResourceGroup())
	}
	if err := c.AuthorizeLinked(action, c.ID, groupOperation+"write", target); err != nil {
		return target, err
	}
	sub, err := directory.SubscriptionByID(c.Tx, target.Subscription())
	if err != nil || sub.Tenant != c.Caller.Tenant {
		return target, firstError(err, d.wrongTenant(c.Caller, sub.Tenant))
	}
	group, err := resource.Get(c.Tx, target)
	if err != nil {
		return target, err
	}
	return group.ID, lock.Check(c.Tx, group.ID, lock.Write)
}

type movement struct{ from, to azure.ResourceID }

// moves checks every resource of a move. A lock of either level keeps one
// where it is.
func (d *Door) moves(c *Call, source, target azure.ResourceID, given []string) ([]movement, error) {
	if len(given) == 0 || len(given) > maxMoved {
		return nil, invalidMove("A move has 1 to %d resources.", maxMoved)
	}
	var moves []movement
	seen := map[string]bool{}
	for _, s := range given {
		id, err := azure.ParseResourceID(s)
		switch {
		case err != nil || !id.Parent().Equal(source):
			return nil, invalidMove("'%.512s' is not the id of a resource in the resource group '%s'. Children move with their parents.", s, source.ResourceGroup())
		case seen[id.Key()]:
			return nil, invalidMove("The resource '%s' is given twice.", id)
		}
		seen[id.Key()] = true
		res, err := resource.Get(c.Tx, id)
		if err != nil {
			return nil, err
		}
		namespace, name, _ := cutType(res.ID.Type())
		p, t := d.find(namespace, name)
		if t == nil || t.Move == nil {
			return nil, fault.New(fault.Conflict, "The resource type '%s' does not support being moved to another resource group.", res.ID.Type()).Named(CodeMoveNotSupported).At(res.ID.String())
		}
		to := target.Join("providers", p.Namespace, t.Name, res.ID.Name())
		if taken, err := resource.Exists(c.Tx, to); err != nil || taken {
			return nil, firstError(err, fault.New(fault.Conflict, "The resource '%s' exists already.", to).Named(CodeInvalidMove))
		}
		if err := held(c, res.ID); err != nil {
			return nil, err
		}
		moves = append(moves, movement{res.ID, to})
	}
	return moves, nil
}

// held refuses to move what a lock or a deny assignment of its own holds: both
// are at its id, and it would leave them behind.
func held(c *Call, id azure.ResourceID) error {
	if err := lock.Check(c.Tx, id, lock.Delete); err != nil {
		return err
	}
	denials, err := rbac.DenyAssignments(c.Tx, id, false)
	for _, d := range denials {
		if id.Covers(d.Scope) {
			return fault.New(fault.Conflict, "The resource '%s' has the deny assignment '%s' and cannot be moved.", id, d.Name).Named(CodeInvalidMove)
		}
	}
	return err
}

// move moves one resource with its children.
func (d *Door) move(c *Call, from, to azure.ResourceID) error {
	moved, err := resource.Move(c.Tx, from, to, c.Caller.ID)
	if err != nil {
		return err
	}
	for _, res := range moved {
		old := from
		if !res.ID.Equal(to) {
			if old, err = azure.ParseResourceID(from.String() + res.ID.String()[len(to.String()):]); err != nil {
				return err
			}
		}
		if err := directory.MoveIdentity(c.Tx, old, res.ID); err != nil {
			return err
		}
		namespace, name, _ := cutType(res.ID.Type())
		if _, t := d.find(namespace, name); t != nil && t.Move != nil {
			was := res.Clone()
			was.ID = old
			if err := t.Move(&Change{Call: c, Old: was, New: res}); err != nil {
				return err
			}
		}
	}
	_, err = rbac.DeleteAssignmentsUnder(c.Tx, from)
	return err
}

// exportTemplate says that there are no templates of what is in a group.
func (d *Door) exportTemplate(c *Call, r *http.Request) (*Answer, error) {
	if err := c.authorize(groupOperation+"exportTemplate/action", c.ID); err != nil {
		return nil, err
	}
	if _, err := resource.Get(c.Tx, c.ID); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.Invalid, "The resource group '%s' cannot be exported: templates are not made here. Its resources can be read one by one.", c.ID.ResourceGroup()).Named(CodeExportNotSupported)
}
