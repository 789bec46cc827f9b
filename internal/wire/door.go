// Package wire is the HTTP plumbing that all doors share: handlers that
// return errors, one event per request, ids, limits, JSON and query reading,
// and servers with their time limits. It knows no door's envelope: a door
// brings its own error writer. It imports floor 0 only.
package wire

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
)

// Limits of a request. A door that takes larger bodies says so in its Body.
const (
	MaxHeader = 64 << 10 // bytes, names and values together
	MaxBody   = 4 << 20  // bytes: Resource Manager's own limit
)

// Handler answers a request, or says why it cannot; it writes nothing then.
type Handler func(http.ResponseWriter, *http.Request) error

// Event is what one request came to. The adapter makes it, handlers fill it
// in, and it is logged and recorded once, at the end.
type Event struct {
	Door          string
	RequestID     string
	CorrelationID string // the caller's own id, where it sent a GUID
	Time          time.Time
	Method, Path  string
	Client        string // address of the peer
	Caller        string // object id of the verified caller, "" before that
	Operation     string // the action asked for: "Microsoft.KeyVault/vaults/secrets/getSecret/action"
	Target        string // id of what it was asked of
	Status        int
	Code          string // the wire code of a failure
}

type eventKey struct{}

// EventOf returns the event of the request that ctx belongs to. Outside of a
// door it is a fresh one, so that rules can be called from anywhere.
func EventOf(ctx context.Context) *Event {
	if e, ok := ctx.Value(eventKey{}).(*Event); ok {
		return e
	}
	return &Event{}
}

// Door turns handlers that return errors into HTTP handlers: it limits,
// names, logs and records each request, and writes each failure through Fail.
type Door struct {
	Name   string
	Now    func() time.Time
	Log    *slog.Logger
	Body   int64                                                  // most that any body of this door has, in bytes; 0 is [MaxBody]
	Record func(Event)                                            // takes the finished event; nil where nothing is kept
	Fail   func(http.ResponseWriter, *http.Request, error) string // writes err in the door's envelope and returns its code
}

// Handle adapts h.
func (d Door) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &Event{Door: d.Name, RequestID: azure.NewGUID(), Time: d.Now(), Method: r.Method, Path: r.URL.Path, Client: r.RemoteAddr}
		e.CorrelationID = correlation(r, e.RequestID)
		r = r.WithContext(context.WithValue(r.Context(), eventKey{}, e))
		out := &recorder{ResponseWriter: w}
		err := d.run(h, out, r)
		if err != nil && !out.wrote {
			e.Code = d.Fail(out, r, err)
		}
		e.Status = out.status
		d.log(r, e, err)
		if d.Record != nil {
			d.Record(*e)
		}
	})
}

// run calls h and makes a panic an error like any other.
func (d Door) run(h Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	size := 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size > MaxHeader {
		return fault.New(fault.Invalid, "The size of the request headers is too long.").Named(CodeHeadersTooLarge)
	}
	r.Body = http.MaxBytesReader(w, r.Body, max(d.Body, MaxBody))
	return h(w, r)
}

// log writes one line per request. Neither query nor body is in it: both may hold secrets.
// A challenge to a client that has sent no credential yet is how its
// conversation begins, and nobody's failure.
func (d Door) log(r *http.Request, e *Event, err error) {
	ctx := r.Context()
	level := slog.LevelDebug
	switch {
	case e.Status >= 500:
		level = slog.LevelError
	case e.Status == http.StatusUnauthorized && r.Header.Get("Authorization") == "":
	case e.Status == http.StatusProxyAuthRequired && r.Header.Get("Proxy-Authorization") == "":
	case e.Status >= 400:
		level = slog.LevelInfo
	}
	if !d.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("door", e.Door), slog.String("request", e.RequestID), slog.String("method", e.Method), slog.String("path", e.Path),
		slog.Int("status", e.Status), slog.String("client", e.Client),
	}
	for _, a := range []slog.Attr{slog.String("caller", e.Caller), slog.String("operation", e.Operation), slog.String("code", e.Code)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	d.Log.LogAttrs(ctx, level, "request", attrs...)
}

// correlation is the caller's id for its own request: each door's clients
// send it under another name.
func correlation(r *http.Request, otherwise string) string {
	for _, name := range []string{"X-Ms-Correlation-Request-Id", "X-Ms-Client-Request-Id", "Client-Request-Id"} {
		if id, ok := azure.ParseGUID(r.Header.Get(name)); ok {
			return id
		}
	}
	if strings.Contains(r.URL.RawQuery, "client-request-id") { // few send it so, and reading a query costs
		if id, ok := azure.ParseGUID(r.URL.Query().Get("client-request-id")); ok {
			return id
		}
	}
	return otherwise
}

// recorder remembers the status that went out.
type recorder struct {
	http.ResponseWriter
	wrote  bool
	status int
}

func (w *recorder) WriteHeader(status int) {
	if !w.wrote {
		w.wrote, w.status = true, status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer beneath.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
