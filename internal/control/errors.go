package control

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"midas/internal/fault"
	"midas/internal/wire"
)

// Codes of failures that are this door's own.
const (
	codeMethodNotAllowed = "MethodNotAllowed"
	codeInternal         = "InternalError"
)

// kinds is the one table of failures. Statuses are distinct, so that the
// client finds the kind again.
var kinds = []struct {
	kind   fault.Kind
	status int
	code   string
}{
	{fault.NotFound, http.StatusNotFound, "NotFound"},
	{fault.Gone, http.StatusGone, "Gone"},
	{fault.Conflict, http.StatusConflict, "Conflict"},
	{fault.Stale, http.StatusPreconditionFailed, "PreconditionFailed"},
	{fault.Invalid, http.StatusBadRequest, "InvalidRequest"},
	{fault.Unauthorized, http.StatusUnauthorized, "Unauthorized"},
	{fault.Forbidden, http.StatusForbidden, "Forbidden"},
	{fault.Throttled, http.StatusTooManyRequests, "TooManyRequests"},
	{fault.Unsupported, http.StatusNotImplemented, "Unsupported"},
	{fault.Unavailable, http.StatusServiceUnavailable, "Unavailable"},
}

// named are the codes whose status is not that of their kind.
var named = map[string]int{
	codeMethodNotAllowed:      http.StatusMethodNotAllowed,
	wire.CodeHeadersTooLarge:  http.StatusRequestHeaderFieldsTooLarge,
	wire.CodeBodyTooLarge:     http.StatusRequestEntityTooLarge,
	wire.CodeUnsupportedMedia: http.StatusUnsupportedMediaType,
}

// envelope is the JSON of a failure.
type envelope struct {
	Error problem `json:"error"`
}

type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do about it
}

// hintMark parts what went wrong from what to do about it in a fault's message.
const hintMark = "\nhint: "

// fail is the door's one writer of errors.
func fail(w http.ResponseWriter, r *http.Request, err error) string {
	status, p := problemOf(r, err)
	wire.WriteJSON(w, status, envelope{p}) // strings always encode
	return p.Code
}

// problemOf is what a caller is told of an error.
func problemOf(r *http.Request, err error) (int, problem) {
	status, p := http.StatusInternalServerError, problem{Code: codeInternal, Message: "Something failed inside; the log says what, under request " + wire.EventOf(r.Context()).RequestID + "."}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, k := range kinds {
			if k.kind == f.Kind {
				status, p.Code = k.status, k.code
			}
		}
		if f.Code != "" {
			p.Code = f.Code
		}
		if s, ok := named[f.Code]; ok {
			status = s
		}
		p.Message, p.Hint, _ = strings.Cut(f.Message, hintMark)
	}
	return status, p
}

// faultOf turns an answer of [fail] back into the fault it was made of.
func faultOf(status int, body []byte) *fault.Error {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil || e.Error.Message == "" {
		return fault.New(fault.Unavailable, "what answers on the socket is not midas (status %d)", status)
	}
	return e.Error.fault(status)
}

// fault is the fault that p was made of.
func (p problem) fault(status int) *fault.Error {
	f := &fault.Error{Kind: fault.Unavailable, Code: p.Code, Message: p.Message}
	if p.Hint != "" {
		f.Message += hintMark + p.Hint
	}
	if _, ok := named[f.Code]; ok {
		f.Kind = fault.Invalid
	}
	for _, k := range kinds {
		if k.status != status {
			continue
		}
		f.Kind = k.kind
		if f.Code == k.code {
			f.Code = "" // the kind's own, not a rule's
		}
	}
	return f
}
