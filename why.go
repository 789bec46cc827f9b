package midas

import (
	"context"
	"fmt"
	"strings"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/directory"
	"midas/internal/fault"
	locks "midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/vault"
)

// why explains whether a principal may do something, by the rules that the
// doors themselves ask.
func (s *Server) why(ctx context.Context, q control.WhyRequest) (answer control.WhyAnswer, err error) {
	scope, err := azure.ParseResourceID(q.Scope)
	if err != nil {
		return answer, fault.New(fault.Invalid, "%q is not a scope\nhint: a scope is a resource id, such as /subscriptions/%s", q.Scope, s.ids.subscription)
	}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		p, err := s.principal(tx, q.Principal)
		if err != nil {
			return err
		}
		groups, err := directory.Groups(tx, p.ID)
		if err != nil {
			return err
		}
		who := append([]azure.ObjectID{p.ID}, groups...)
		op, data := vault.OperationOf(q.Action)
		if data {
			v, name, err := vault.Holding(tx, scope)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
			if err == nil && !v.Properties.UsesRBAC() {
				answer, err = byPolicy(tx, vault.Caller{AppID: p.AppID, Principals: who}, v, op, name)
				return err
			}
		}
		answer, err = s.byRole(tx, who, q.Action, scope)
		return err
	})
	return answer, err
}

// byRole explains what roles, deny assignments and locks come to.
func (s *Server) byRole(tx *store.Tx, who []azure.ObjectID, action string, scope azure.ResourceID) (answer control.WhyAnswer, err error) {
	var d rbac.Decision
	op, data := vault.OperationOf(action)
	v, name, err := vault.Holding(tx, scope)
	switch {
	case data && err == nil:
		d, err = v.Decide(tx, who, op, name)
	case err == nil || fault.Is(err, fault.NotFound):
		d, err = rbac.Check(tx, rbac.Request{Principals: who, Action: action, Data: data, Scope: scope, ManagementGroups: []azure.ResourceID{rbac.RootManagementGroup(s.ids.tenant)}})
	}
	if err != nil {
		return answer, err
	}
	answer = control.WhyAnswer{Allowed: d.Allowed, Reason: d.String()}
	if d.Assignment != nil {
		answer.Assignment = d.Assignment.ResourceID().String()
	}
	if d.Role != nil {
		answer.Role = d.Role.RoleName
	}
	if d.Deny != nil {
		answer.Deny = d.Deny.ResourceID().String()
	}
	if d.Allowed && !data {
		err = byLock(tx, &answer, action, scope)
	}
	return answer, err
}

// byLock takes back what a management lock forbids.
func byLock(tx *store.Tx, answer *control.WhyAnswer, action string, scope azure.ResourceID) error {
	change := locks.Write
	switch verb := strings.ToLower(action[strings.LastIndexByte(action, '/')+1:]); {
	case verb == "read" || strings.Contains(strings.ToLower(action), "/locks/"):
		return nil
	case verb == "delete":
		change = locks.Delete
	}
	against, err := locks.Against(tx, scope, change)
	if err != nil || len(against) == 0 {
		return err
	}
	l := against[0]
	answer.Allowed, answer.Lock = false, l.ResourceID().String()
	answer.Reason = fmt.Sprintf("denied: the %s lock %q at %s forbids it, whatever the roles are", l.Level, l.Name, l.Scope)
	return nil
}

// byPolicy explains a vault that goes by access policies.
func byPolicy(tx *store.Tx, who vault.Caller, v *vault.Vault, op vault.Operation, name string) (control.WhyAnswer, error) {
	answer := control.WhyAnswer{Policy: v.Resource.String()}
	err := vault.Authorize(tx, who, v, op, name)
	switch {
	case err == nil:
		answer.Allowed = true
		answer.Reason = fmt.Sprintf("allowed: an access policy of the vault %s gives the secrets permission %q", v.Name, op.Permission())
	case fault.Is(err, fault.Forbidden):
		answer.Reason = fmt.Sprintf("denied: no access policy of the vault %s gives the secrets permission %q; roles do not count there, as it uses access policies", v.Name, op.Permission())
	default:
		return answer, err
	}
	return answer, nil
}

// principal finds who is meant: by object id, app id, user principal name, or
// the resource whose identity it is.
func (s *Server) principal(tx *store.Tx, name string) (p directory.Principal, err error) {
	switch id, isGUID := azure.ParseGUID(name); {
	case isGUID:
		if p, err = directory.PrincipalByID(tx, azure.ObjectID(id)); fault.Is(err, fault.NotFound) {
			p, err = directory.PrincipalByAppID(tx, s.ids.tenant, azure.AppID(id))
		}
	case strings.HasPrefix(name, "/"):
		var resource azure.ResourceID
		if resource, err = azure.ParseResourceID(name); err == nil {
			p, err = directory.PrincipalByResource(tx, resource)
		}
	default:
		p, err = directory.PrincipalByUPN(tx, name)
	}
	if err != nil {
		return p, fault.Wrap(err, fault.NotFound, "there is no principal %q\nhint: name it by object id, app id, user principal name, or the id of the resource whose identity it is", name)
	}
	return p, nil
}
