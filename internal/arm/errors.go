package arm

import (
	"errors"
	"fmt"
	"net/http"

	"midas/internal/fault"
	"midas/internal/sts"
	"midas/internal/wire"
)

// Codes of Resource Manager itself; the value is the wire's text
// (control-plane.md B2).
const (
	CodeMissingAPIVersion       = "MissingApiVersionParameter"
	CodeInvalidAPIVersion       = "InvalidApiVersionParameter"
	CodeNoRegisteredProvider    = "NoRegisteredProviderFound"
	CodeInvalidType             = "InvalidResourceType"
	CodeInvalidNamespace        = "InvalidResourceNamespace"
	CodeInvalidSubscription     = "InvalidSubscriptionId"
	CodeSubscriptionNotFound    = "SubscriptionNotFound"
	CodeParentNotFound          = "ParentResourceNotFound"
	CodeLocationRequired        = "LocationRequired"
	CodeLocationNotAvailable    = "LocationNotAvailableForResourceType"
	CodeInvalidLocation         = "InvalidResourceLocation"
	CodeInvalidGroupLocation    = "InvalidResourceGroupLocation"
	CodeInvalidName             = "InvalidResourceName"
	CodeInvalidContent          = wire.CodeInvalidContent
	CodeInvalidFilter           = "InvalidFilterInQueryString"
	CodeAuthenticationFailed    = "AuthenticationFailed"
	CodeInvalidToken            = "InvalidAuthenticationToken"
	CodeExpiredToken            = "ExpiredAuthenticationToken"
	CodeInvalidAudience         = "InvalidAuthenticationTokenAudience"
	CodeInvalidTenant           = "InvalidAuthenticationTokenTenant"
	CodeAuthorizationFailed     = "AuthorizationFailed"
	CodeLinkedAuthorization     = "LinkedAuthorizationFailed"
	CodeMethodNotAllowed        = "MethodNotAllowed"
	CodeNotFound                = "NotFound"
	CodePreconditionFailed      = "PreconditionFailed"
	CodeInternal                = "InternalServerError"
	CodeDenyAssignment          = "DenyAssignmentAuthorizationFailed"
	CodeNotRegistered           = "MissingSubscriptionRegistration"
	CodeMoveNotSupported        = "ResourceMoveNotSupported"
	CodeInvalidMove             = "InvalidResourceMove"
	CodeExportNotSupported      = "ExportTemplateNotSupported"
	CodeTagInUse                = "TagInUse"
	CodeResourceNotFound        = "ResourceNotFound"
	CodeInvalidIdentity         = "InvalidIdentityValues"
	CodeFailedIdentityOperation = "FailedIdentityOperation"
)

// kinds is the one table from a fault's kind to its status and default code.
var kinds = map[fault.Kind]struct {
	status int
	code   string
}{
	fault.NotFound:     {http.StatusNotFound, CodeNotFound},
	fault.Gone:         {http.StatusGone, "Gone"},
	fault.Conflict:     {http.StatusConflict, "Conflict"},
	fault.Stale:        {http.StatusPreconditionFailed, CodePreconditionFailed},
	fault.Invalid:      {http.StatusBadRequest, "BadRequest"},
	fault.Unauthorized: {http.StatusUnauthorized, CodeInvalidToken},
	fault.Forbidden:    {http.StatusForbidden, CodeAuthorizationFailed},
	fault.Throttled:    {http.StatusTooManyRequests, "TooManyRequests"},
	fault.Unsupported:  {http.StatusMethodNotAllowed, CodeMethodNotAllowed},
	fault.Unavailable:  {http.StatusServiceUnavailable, "ServiceUnavailable"},
}

// statuses are the codes whose status is not that of their kind.
var statuses = map[string]int{
	wire.CodeBodyTooLarge:     http.StatusRequestEntityTooLarge,
	wire.CodeUnsupportedMedia: http.StatusUnsupportedMediaType,
	wire.CodeHeadersTooLarge:  http.StatusRequestHeaderFieldsTooLarge,
}

// wireError is the envelope of control-plane.md B2.
type wireError struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Target  string `json:"target,omitempty"`
	} `json:"error"`
}

// fail is the door's only writer of errors. What is not a fault is a bug: its
// text stays in the log.
func (d *Door) fail(w http.ResponseWriter, r *http.Request, err error) string {
	var body wireError
	status := http.StatusInternalServerError
	body.Error.Code, body.Error.Message = CodeInternal, "Encountered internal server error. Diagnostic information: request id '"+wire.EventOf(r.Context()).RequestID+"'."
	if f, ok := errors.AsType[*fault.Error](err); ok {
		row := kinds[f.Kind]
		status = row.status
		if s, ok := statuses[f.Code]; ok {
			status = s
		}
		body.Error.Code, body.Error.Message, body.Error.Target = f.Code, f.Message, f.Target
		if f.Code == "" {
			body.Error.Code = row.code
		}
	}
	d.headers(w, r)
	h := w.Header()
	h.Set("X-Ms-Failure-Cause", "gateway")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", d.challenge(body.Error.Code))
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(status)
		return body.Error.Code
	}
	if err := wire.WriteJSON(w, status, body); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
	return body.Error.Code
}

// challenge is the WWW-Authenticate of a 401.
func (d *Door) challenge(code string) string {
	reason := `error="invalid_token", error_description="The access token is invalid."`
	switch code {
	case CodeAuthenticationFailed:
		reason = `error="invalid_token", error_description="The authentication failed because of missing 'Authorization' header."`
	case CodeExpiredToken:
		reason = sts.ClaimsChallenge(d.Now())
	}
	return fmt.Sprintf(`Bearer authorization_uri="%s", %s`, d.Cloud.Authority(d.Tenant), reason)
}
