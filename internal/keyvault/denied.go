package keyvault

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/fault"
	"midas/internal/vault"
	"midas/internal/wire"
)

// denied gives the rules' denial the wire's text, which names the caller, the
// right and the vault (control-plane.md E3). Every other error stays as it is.
func (c *call) denied(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	caller := fmt.Sprintf("appid=%s;oid=%s;iss=%s", c.caller.AppID, c.caller.ID, c.caller.Claims.Issuer)
	where := fmt.Sprintf("%s;location=%s", c.vault.Name, c.vault.Location)
	e := &wireError{status: http.StatusForbidden, code: codeForbidden, inner: f.Code, cause: err}
	switch f.Code {
	case vault.CodeForbiddenByFirewall:
		e.message = lines(f.Message, "Client address: "+clientAddr(wire.EventOf(c.request.Context()).Client).String(), "Caller: "+caller+c.machine(), "Vault: "+where)
	case vault.CodeForbiddenByConnection:
		e.message = lines(f.Message, "Caller: "+caller+c.machine(), "Vault: "+where)
	case vault.CodeAccessDenied:
		e.message = fmt.Sprintf("The user, group or application '%s' does not have secrets %s permission on key vault '%s'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287", caller, c.endpoint.operation.Permission(), where)
	case vault.CodeForbiddenByRBAC:
		assignment, deny, reason := "(not found)", "null", "DeniedWithNoValidRBAC"
		if d, ok := errors.AsType[*vault.Denial](err); ok && d.Deny != nil {
			assignment, deny, reason = d.Assignment.ResourceID().String(), "'"+strings.ReplaceAll(d.Deny.ID, "-", "")+"'", "DeniedByDenyAssignment"
		}
		e.message = lines(
			"Caller is not authorized to perform action on resource.",
			"If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
			"Caller: "+caller,
			"Action: '"+c.endpoint.operation.Action()+"'",
			"Resource: '"+strings.ToLower(c.vault.Scope(c.name).String())+"'",
			"Assignment: "+assignment,
			"DenyAssignmentId: "+deny,
			"DecisionReason: '"+reason+"' ",
			"Vault: "+where,
			"")
	default:
		return err
	}
	return e
}

func lines(l ...string) string { return strings.Join(l, "\r\n") }

// machine names the managed identity of the caller, and the machine where that
// is another resource. The texts of refused connections have it.
func (c *call) machine() (s string) {
	if id := c.caller.Claims.IdentityResource; id != "" {
		s = ";xms_mirid=" + id
	}
	if id := c.caller.Claims.HostResource; id != "" {
		s += ";xms_az_rid=" + id
	}
	return s
}
