// Package fault is the one error type with meaning that crosses the rooms
// below the doors (design.md section 7). It says what kind of failure a rule
// met and what may be shown to the caller; each door turns kinds into its own
// wire codes. It knows nothing of HTTP and imports the standard library only.
package fault

import (
	"errors"
	"fmt"
	"log/slog"
)

// Kind is the class of a failure. The set is closed: a door's table has a row for each.
type Kind string

// The kinds, from design.md section 7.
const (
	NotFound     Kind = "not found"
	Gone         Kind = "gone"
	Conflict     Kind = "conflict"
	Stale        Kind = "stale" // a precondition (ETag) does not hold
	Invalid      Kind = "invalid"
	Unauthorized Kind = "unauthorized"
	Forbidden    Kind = "forbidden"
	Throttled    Kind = "throttled"
	Unsupported  Kind = "unsupported"
	Unavailable  Kind = "unavailable"
)

// Error is a failure with meaning. Message is safe to show to the caller;
// Cause is for the log only.
type Error struct {
	Kind    Kind
	Code    string // where the rule has a name of its own, the wire's text: "RoleAssignmentExists"
	Message string
	Target  string // the offending property or parameter, where there is one
	Cause   error
}

// New returns an error of a kind with a message that is safe to show.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap is [New] with a cause for the log.
func Wrap(cause error, kind Kind, format string, args ...any) *Error {
	e := New(kind, format, args...)
	e.Cause = cause
	return e
}

// Named returns e with the name of the rule that was broken.
func (e *Error) Named(code string) *Error { e.Code = code; return e }

// At returns e with the property or parameter that is at fault.
func (e *Error) At(target string) *Error { e.Target = target; return e }

func (e *Error) Error() string {
	s := e.Message
	if e.Code != "" {
		s = e.Code + ": " + s
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// LogValue keeps the parts of an error apart in the log.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind)), slog.String("message", e.Message)}
	if e.Code != "" {
		attrs = append(attrs, slog.String("code", e.Code))
	}
	if e.Target != "" {
		attrs = append(attrs, slog.String("target", e.Target))
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// Is reports whether err is a fault of the given kind.
func Is(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}
