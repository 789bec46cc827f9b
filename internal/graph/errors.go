package graph

import (
	"errors"
	"net/http"

	"midas/internal/fault"
	"midas/internal/wire"
)

// The codes of the envelope (control-plane.md F).
const (
	codeBadRequest       = "BadRequest"         // the address or the query is at fault
	codeRequestBad       = "Request_BadRequest" // the body or a rule of the directory is
	codeNotFound         = "Request_ResourceNotFound"
	codeDenied           = "Authorization_RequestDenied"
	codeInvalidToken     = "InvalidAuthenticationToken"
	codeUnsupportedQuery = "Request_UnsupportedQuery"
	codeSameKeyValue     = "Request_MultipleObjectsWithSameKeyValue"
	codeTooManyRequests  = "TooManyRequests"
	codeMethodNotAllowed = "Request_MethodNotAllowed"
	codeDependency       = "FailedDependency"
	codeUnavailable      = "ServiceUnavailable"
	codeInternal         = "InternalServerError"
)

// row is what a failure looks like on the wire.
type row struct {
	status int
	code   string
}

// byCode is the table of failures that the door itself names.
var byCode = map[string]row{
	codeBadRequest:            {http.StatusBadRequest, codeBadRequest},
	codeUnsupportedQuery:      {http.StatusBadRequest, codeUnsupportedQuery},
	codeSameKeyValue:          {http.StatusConflict, codeSameKeyValue},
	codeMethodNotAllowed:      {http.StatusMethodNotAllowed, codeRequestBad},
	wire.CodeHeadersTooLarge:  {http.StatusRequestHeaderFieldsTooLarge, codeBadRequest},
	wire.CodeBodyTooLarge:     {http.StatusRequestEntityTooLarge, codeBadRequest},
	wire.CodeUnsupportedMedia: {http.StatusUnsupportedMediaType, codeRequestBad},
	wire.CodeInvalidContent:   {http.StatusBadRequest, codeBadRequest},
}

// byKind is the table of every other failure that has a meaning.
var byKind = map[fault.Kind]row{
	fault.NotFound:     {http.StatusNotFound, codeNotFound},
	fault.Gone:         {http.StatusNotFound, codeNotFound},
	fault.Conflict:     {http.StatusBadRequest, codeRequestBad},
	fault.Stale:        {http.StatusPreconditionFailed, codeRequestBad},
	fault.Invalid:      {http.StatusBadRequest, codeRequestBad},
	fault.Unauthorized: {http.StatusUnauthorized, codeInvalidToken},
	fault.Forbidden:    {http.StatusForbidden, codeDenied},
	fault.Throttled:    {http.StatusTooManyRequests, codeTooManyRequests},
	fault.Unsupported:  {http.StatusBadRequest, codeRequestBad},
	fault.Unavailable:  {http.StatusServiceUnavailable, codeUnavailable},
}

// envelope is the body of every failure.
type envelope struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Inner   innerError `json:"innerError"`
}

type innerError struct {
	Date            string `json:"date"`
	RequestID       string `json:"request-id"`
	ClientRequestID string `json:"client-request-id"`
}

// fail writes the envelope. What is not a fault is a bug: its text stays in the log.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) string {
	h.stamp(w, r) // also what failed before the door was reached
	e := wire.EventOf(r.Context())
	at, message := row{http.StatusInternalServerError, codeInternal}, "An internal error occurred. The request can be found in the log by its id."
	if f, ok := errors.AsType[*fault.Error](err); ok {
		if at, ok = byCode[f.Code]; !ok {
			at = byKind[f.Kind]
		}
		message = f.Message
	}
	if at.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="`+h.Cloud.Authority("common")+`/oauth2/authorize", client_id="`+string(h.service.AppID)+`"`)
	}
	body := envelope{errorBody{at.code, message, innerError{h.Now().UTC().Format("2006-01-02T15:04:05"), e.RequestID, e.CorrelationID}}}
	if err := wire.WriteJSON(w, at.status, body); err != nil {
		h.Log.ErrorContext(r.Context(), "an answer could not be written", "err", err)
	}
	return at.code
}

// badQuery is a fault of the address or one of its options.
func badQuery(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Named(codeBadRequest)
}
