package keyvault

import (
	"errors"
	"net/http"

	"midas/internal/fault"
	"midas/internal/vault"
	"midas/internal/wire"
)

// The codes of the envelope (control-plane.md E3); a row without a source
// there says so. The rules' own codes, "SecretNotFound" and the like, are
// internal/vault's.
const (
	codeUnauthorized       = "Unauthorized"
	codeForbidden          = "Forbidden"
	codeConflict           = "Conflict"
	codeThrottled          = "Throttled"
	codeNotFound           = "NotFound"            // ours: a path that is not Key Vault's
	codeMethodNotAllowed   = "MethodNotAllowed"    // ours
	codeGone               = "Gone"                // ours
	codePreconditionFailed = "PreconditionFailed"  // ours
	codeNotSupported       = "NotSupported"        // ours
	codeUnavailable        = "ServiceUnavailable"  // ours
	codeInternal           = "InternalServerError" // ours
)

// wireError is an answer of the door that is not a success.
type wireError struct {
	status      int
	code, inner string
	message     string
	challenge   string // value of WWW-Authenticate
	cause       error  // for the log
}

func (e *wireError) Error() string { return e.code + ": " + e.message }
func (e *wireError) Unwrap() error { return e.cause }

// row is what a failure looks like on the wire.
type row struct {
	status      int
	code, inner string
}

// byCode is the table of the rules that have a name of their own.
var byCode = map[string]row{
	vault.CodeBadParameter:          {http.StatusBadRequest, vault.CodeBadParameter, ""},
	vault.CodeSecretNotFound:        {http.StatusNotFound, vault.CodeSecretNotFound, ""},
	vault.CodeVaultNotFound:         {http.StatusNotFound, vault.CodeVaultNotFound, ""},
	vault.CodeSecretDisabled:        {http.StatusForbidden, codeForbidden, vault.CodeSecretDisabled},
	vault.CodeAccessDenied:          {http.StatusForbidden, codeForbidden, vault.CodeAccessDenied},
	vault.CodeForbiddenByRBAC:       {http.StatusForbidden, codeForbidden, vault.CodeForbiddenByRBAC},
	vault.CodeForbiddenByFirewall:   {http.StatusForbidden, codeForbidden, vault.CodeForbiddenByFirewall},
	vault.CodeForbiddenByConnection: {http.StatusForbidden, codeForbidden, vault.CodeForbiddenByConnection},
	vault.CodeDeletedButRecoverable: {http.StatusConflict, codeConflict, vault.CodeDeletedButRecoverable},
	codeMethodNotAllowed:            {http.StatusMethodNotAllowed, codeMethodNotAllowed, ""},
	wire.CodeHeadersTooLarge:        {http.StatusRequestHeaderFieldsTooLarge, wire.CodeHeadersTooLarge, ""},
	wire.CodeBodyTooLarge:           {http.StatusRequestEntityTooLarge, wire.CodeBodyTooLarge, ""},
	wire.CodeUnsupportedMedia:       {http.StatusUnsupportedMediaType, wire.CodeUnsupportedMedia, ""},
	wire.CodeInvalidContent:         {http.StatusBadRequest, vault.CodeBadParameter, ""},
}

// byKind is the table of every other failure that has a meaning.
var byKind = map[fault.Kind]row{
	fault.NotFound:     {http.StatusNotFound, codeNotFound, ""},
	fault.Gone:         {http.StatusGone, codeGone, ""},
	fault.Conflict:     {http.StatusConflict, codeConflict, ""},
	fault.Stale:        {http.StatusPreconditionFailed, codePreconditionFailed, ""},
	fault.Invalid:      {http.StatusBadRequest, vault.CodeBadParameter, ""},
	fault.Unauthorized: {http.StatusUnauthorized, codeUnauthorized, ""},
	fault.Forbidden:    {http.StatusForbidden, codeForbidden, ""},
	fault.Throttled:    {http.StatusTooManyRequests, codeThrottled, ""},
	fault.Unsupported:  {http.StatusBadRequest, codeNotSupported, ""},
	fault.Unavailable:  {http.StatusServiceUnavailable, codeUnavailable, ""},
}

// onWire gives any error its answer.
func onWire(err error) *wireError {
	if e, ok := errors.AsType[*wireError](err); ok {
		return e
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return &wireError{status: http.StatusInternalServerError, code: codeInternal, message: "An internal error occurred. The request can be found in the log by its id."}
	}
	r, ok := byCode[f.Code]
	if !ok {
		r = byKind[f.Kind]
	}
	return &wireError{status: r.status, code: r.code, inner: r.inner, message: f.Message}
}

// envelope is the body of every failure.
type envelope struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Inner   *innerBody `json:"innererror,omitempty"`
}

type innerBody struct {
	Code string `json:"code"`
}

// fail writes the envelope. It returns the inner code where there is one: that
// is what tells one 403 from another.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) string {
	stamp(w, r) // also what failed before the door was reached
	e := onWire(err)
	if e.challenge != "" {
		w.Header().Set("WWW-Authenticate", e.challenge)
	}
	body := envelope{errorBody{Code: e.code, Message: e.message}}
	name := e.code
	if e.inner != "" {
		body.Error.Inner = &innerBody{e.inner}
		name = e.inner
	}
	if err := wire.WriteJSON(w, e.status, body); err != nil {
		h.Log.ErrorContext(r.Context(), "an answer could not be written", "err", err)
	}
	return name
}

// code is the name of the rule that a fault was made by.
func code(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Code
	}
	return ""
}
