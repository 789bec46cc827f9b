package arm

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/sts"
	"midas/internal/wire"
)

// authenticate verifies the bearer of a request. Nothing of the request is
// looked at before that.
func (d *Door) authenticate(r *http.Request) (sts.Caller, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return sts.Caller{}, fault.New(fault.Unauthorized, "Authentication failed. The 'Authorization' header is missing.").Named(CodeAuthenticationFailed)
	}
	scheme, raw, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return sts.Caller{}, fault.New(fault.Unauthorized, "Authentication failed. The 'Authorization' header is provided in an invalid format.").Named("AuthenticationFailedInvalidHeader")
	}
	service := d.Cloud.ServiceNamed(cloud.ResourceManager)
	caller, err := d.Sts.Verify(r.Context(), strings.TrimSpace(raw), service)
	if err != nil {
		return sts.Caller{}, d.tokenFault(err, caller, service)
	}
	wire.EventOf(r.Context()).Caller = string(caller.ID)
	return caller, nil
}

// tokenFault says what is wrong with a token in Resource Manager's words.
func (d *Door) tokenFault(err error, caller sts.Caller, service cloud.Service) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Unauthorized {
		return err
	}
	refuse := func(code, format string, args ...any) error {
		return fault.Wrap(err, fault.Unauthorized, format, args...).Named(code)
	}
	const clock = "1/2/2006 3:04:05 PM"
	switch f.Code {
	case sts.Expired:
		return refuse(CodeExpiredToken, "The access token expiry UTC time '%s' is earlier than current UTC time '%s'.",
			time.Unix(caller.Claims.ExpiresAt, 0).UTC().Format(clock), d.Now().UTC().Format(clock))
	case sts.NotYetValid:
		return refuse(CodeInvalidToken, "The access token is not valid yet.")
	case sts.WrongAudience:
		var allowed []string
		for _, a := range service.Audiences {
			allowed = append(allowed, "'"+a+"'", "'"+a+"/'")
		}
		return refuse(CodeInvalidAudience, "The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of the allowed audiences %s.",
			caller.Claims.Audience, strings.Join(allowed, ","))
	case sts.WrongIssuer:
		return d.wrongTenant(caller, d.Tenant)
	case sts.PrincipalGone:
		return refuse(CodeInvalidToken, "The access token is from a principal that does not exist in the directory %s or is disabled.", d.Tenant)
	}
	return refuse(CodeInvalidToken, "The access token is invalid.")
}

// wrongTenant refuses a token of another tenant than the one asked for. Tools
// read the tenant out of this text (control-plane.md B2).
func (d *Door) wrongTenant(caller sts.Caller, want azure.TenantID) error {
	return fault.New(fault.Unauthorized, "The access token is from the wrong issuer '%s'. It must match the tenant '%s' associated with this subscription. Please use the authority (URL) '%s' to get the token. Note, if the subscription is transferred to another tenant there is no impact to the services, but information about new tenant could take time to propagate (up to an hour). If you just transferred your subscription and see this error message, please try back later.",
		caller.Claims.Issuer, d.Cloud.V1Issuer(want), d.Cloud.Authority(want)).Named(CodeInvalidTenant)
}

// authorize refuses a caller that lacks an action at a scope.
func (c *Call) authorize(action string, scope azure.ResourceID) error {
	e := wire.EventOf(c.Context)
	e.Operation, e.Target = action, scope.String()
	d, err := c.decide(action, scope)
	if err != nil || d.Allowed {
		return err
	}
	if d.Deny != nil {
		return fault.Wrap(errors.New(d.String()), fault.Forbidden, "The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, the access is denied because of the deny assignment with name '%s' and Id '%s' at scope '%s'.",
			c.client(), c.Caller.ID, action, scope, d.Deny.Name, strings.ReplaceAll(d.Deny.ID, "-", ""), d.Deny.Scope).Named(CodeDenyAssignment)
	}
	return fault.Wrap(errors.New(d.String()), fault.Forbidden, "The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		c.client(), c.Caller.ID, action, scope).Named(CodeAuthorizationFailed)
}

// decide asks the roles, and once more with what conditions may ask of the
// call where it depends on that.
func (c *Call) decide(action string, scope azure.ResourceID) (rbac.Decision, error) {
	r := rbac.Request{Principals: c.Caller.Principals, Action: action, Scope: scope, ManagementGroups: c.ManagementGroups}
	d, err := rbac.Check(c.Tx, r)
	if err != nil || d.Allowed || !d.Unsettled || c.attributes == nil {
		return d, err
	}
	if r.Attributes, err = c.attributes(); err != nil {
		return d, err
	}
	return rbac.Check(c.Tx, r)
}

// AuthorizeLinked refuses a caller that may do the action of the call but not
// what it implies on another resource (control-plane.md B2).
func (c *Call) AuthorizeLinked(action string, scope azure.ResourceID, linked string, on azure.ResourceID) error {
	d, err := c.decide(linked, on)
	if err != nil || d.Allowed {
		return err
	}
	return fault.New(fault.Forbidden, "The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, it does not have permission to perform action(s) '%s' on the linked scope(s) '%s' (respectively) or the linked scope(s) are invalid.",
		c.client(), c.Caller.ID, action, scope, linked, on).Named(CodeLinkedAuthorization)
}

// client is how messages name the caller: a person by name, a program by app id.
func (c *Call) client() string {
	if c.Caller.Claims.UPN != "" {
		return c.Caller.Claims.UPN
	}
	return string(c.Caller.AppID)
}
