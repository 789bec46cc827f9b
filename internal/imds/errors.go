package imds

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/wire"
)

// Values of "error" in the identity dialect (local-endpoints.md A.3).
const (
	codeInvalidRequest     = "invalid_request"
	codeInvalidResource    = "invalid_resource"
	codeAccessDenied       = "access_denied"
	codeMethodNotAllowed   = "method_not_allowed"
	codeTooManyRequests    = "too_many_requests"
	codeServerError        = "server_error"
	codeServiceUnavailable = "service_unavailable"
	codeNotFound           = "Not Found"
)

// refusal is an answer of this door that is not a success. It can be told in
// both dialects: the instance side writes one sentence, the identity side
// writes OAuth's members.
type refusal struct {
	status   int
	instance string
	identity oauthError
	body     string // where it is the same on both sides
}

// oauthError is the identity dialect. The members after the description are
// those that Entra's own refusals carry.
type oauthError struct {
	Error         string `json:"error"`
	Description   string `json:"error_description,omitempty"`
	Codes         []int  `json:"error_codes,omitempty"`
	Timestamp     string `json:"timestamp,omitempty"`
	TraceID       string `json:"trace_id,omitempty"`
	CorrelationID string `json:"correlation_id,omitempty"`
}

func (e *refusal) Error() string {
	if e.identity.Description != "" {
		return e.identity.Description
	}
	return e.identity.Error
}

// The table of A.3. Sentences without a published text are ours.
var (
	errNoMetadata = badRequest("Required metadata header not specified")
	errForwarded  = badRequest("Requests with an X-Forwarded-For header are not served")
	errHost       = badRequest("The host of the request is not the metadata service")
	errQuery      = badRequest("The query of the request cannot be read")
	errRepeated   = badRequest("A query variable is specified more than once")
	errFormat     = badRequest("The format is 'json' or 'text'")
	errLeaf       = badRequest("An element without children is available in text format only, add format=text")
	errForm       = badRequest("The content type of the request is not application/x-www-form-urlencoded")
	errFormSize   = &refusal{http.StatusRequestEntityTooLarge, "Request body too large", oauthError{Error: codeInvalidRequest, Description: "The request body is too large"}, ""}
	errResource   = badRequest("Required query variable 'resource' is missing")
	errSelectors  = badRequest("Specify at most one of client_id, object_id and msi_res_id")
	errNoIdentity = badRequest("Identity not found")
	errMultiple   = badRequest("Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request")
	errNotFound   = &refusal{http.StatusNotFound, "Not found", oauthError{Error: codeNotFound}, ""}
	errMethod     = &refusal{http.StatusMethodNotAllowed, "Method not allowed", oauthError{Error: codeMethodNotAllowed, Description: "The method is not allowed"}, ""}
	errVersion    = &refusal{http.StatusBadRequest, "", oauthError{Error: codeInvalidRequest}, versionBody(apiVersions)}
	errInternal   = &refusal{http.StatusInternalServerError, "Internal server error", oauthError{Error: codeServerError, Description: "The service failed, retry later"}, ""}
)

func badRequest(text string) *refusal {
	return &refusal{http.StatusBadRequest, "Bad request. " + text, oauthError{Error: codeInvalidRequest, Description: text}, ""}
}

func versionBody(versions []string) string {
	newest, _ := json.Marshal(newestVersions(versions)) // strings always encode
	return `{"error":"Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds","newest-versions":` + string(newest) + `}`
}

// unknownResource relays what Entra says of a resource that the tenant does not have.
func unknownResource(resource string, tenant azure.TenantID, trace, correlation string, now time.Time) *refusal {
	at := now.UTC().Format("2006-01-02 15:04:05Z")
	return &refusal{status: http.StatusBadRequest, identity: oauthError{
		Error: codeInvalidResource,
		Description: fmt.Sprintf("AADSTS500011: The resource principal named %s was not found in the tenant named %s.\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s",
			resource, tenant, trace, correlation, at),
		Codes: []int{500011}, Timestamp: at, TraceID: trace, CorrelationID: correlation,
	}}
}

// kinds says what a fault from below is on this wire. Here is no row for what
// the handlers take care of themselves; the rest is [errInternal].
var kinds = map[fault.Kind]*refusal{
	fault.Invalid:      badRequest("The request is not valid"),
	fault.NotFound:     errNotFound,
	fault.Gone:         errNotFound,
	fault.Unauthorized: {http.StatusForbidden, "Forbidden", oauthError{Error: codeAccessDenied, Description: "Access is denied"}, ""},
	fault.Forbidden:    {http.StatusForbidden, "Forbidden", oauthError{Error: codeAccessDenied, Description: "Access is denied"}, ""},
	// The code of throttling is not too_many_requests on the wire (A.3).
	fault.Throttled:   {http.StatusTooManyRequests, "Too many requests", oauthError{Error: codeInvalidRequest, Description: "Temporarily throttled, too many requests"}, ""},
	fault.Unavailable: {http.StatusServiceUnavailable, "Service unavailable", oauthError{Error: codeServiceUnavailable, Description: "The service is not available, retry later"}, ""},
}

// refusalOf finds the answer for any error.
func refusalOf(err error) *refusal {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return errInternal
	}
	if f.Code == wire.CodeHeadersTooLarge {
		return &refusal{http.StatusRequestHeaderFieldsTooLarge, "Request header fields too large", oauthError{Error: codeInvalidRequest, Description: "The request headers are too large"}, ""}
	}
	if e, ok := kinds[f.Kind]; ok {
		return e
	}
	return errInternal
}

// fail is the door's one writer of errors. The path decides the dialect.
func fail(w http.ResponseWriter, r *http.Request, err error) string {
	e := refusalOf(err)
	segs, _ := wire.Segments(r) // unreadable ones are no identity path
	switch {
	case e.body != "":
		wire.WriteRaw(w, e.status, []byte(e.body))
	case len(segs) > 1 && strings.EqualFold(segs[0], "metadata") && segs[1] == "identity":
		wire.WriteJSON(w, e.status, e.identity) // texts and numbers always encode
	default:
		text, _ := json.Marshal(e.instance)
		wire.WriteRaw(w, e.status, []byte(`{ "error": `+string(text)+` }`)) // with the service's blanks
	}
	return e.identity.Error
}
