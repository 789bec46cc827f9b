package imds

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"midas/internal/fault"
	"midas/internal/injection"
	"midas/internal/wire"
)

// suffer is route where faults are injected: a rule may let a request fail
// that would have been served.
func (m *Machine) suffer(w http.ResponseWriter, r *http.Request, path []string) error {
	rule, hit := m.Faults.Take(m.request(r, path))
	if !hit {
		return m.route(w, r, path)
	}
	m.Log.LogAttrs(r.Context(), slog.LevelInfo, "a fault was injected", slog.String("fault", rule.ID), slog.String("machine", m.vm.String()),
		slog.String("endpoint", string(endpointOf(path))), slog.String("what", rule.Effect.String()), slog.String("request", wire.EventOf(r.Context()).RequestID))
	if rule.Delay > 0 {
		http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the server's limit is for peers that stall
		if err := pause(r.Context(), rule.Delay); err != nil {
			panic(http.ErrAbortHandler) // nobody waits any more
		}
	}
	if rule.Drop {
		panic(http.ErrAbortHandler)
	}
	if rule.Truncate {
		w = &cut{ResponseWriter: w}
	}
	var err error
	if rule.Status == 0 {
		err = m.route(w, r, path)
	} else {
		if rule.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64(rule.RetryAfter/time.Second), 10))
		}
		err = failure(rule.Status)
	}
	if err != nil && rule.Truncate {
		wire.EventOf(r.Context()).Code, err = fail(w, r, err), nil
	}
	return err
}

// faulty tells whether a request is one that faults are injected into: it came
// to an endpoint and has passed the checks that every request meets first. A
// probe without the Metadata header is answered at once, whatever the rules.
func (m *Machine) faulty(r *http.Request, path []string) bool {
	return m.Faults != nil && m.Faults.Some() && endpointOf(path) != "" &&
		strings.EqualFold(r.Header.Get("Metadata"), "true") && len(r.Header.Values("X-Forwarded-For")) == 0
}

// endpointOf names the endpoint below /metadata that a path is in, "" where there is none.
func endpointOf(path []string) injection.Endpoint {
	switch joined := strings.Join(path, "/"); joined {
	case "":
		return ""
	case "identity/oauth2/token":
		return injection.Token
	case "identity/info":
		return injection.Info
	}
	switch category := injection.Endpoint(path[0]); category {
	case injection.Instance, injection.Versions, injection.Attested, injection.ScheduledEvents, injection.LoadBalancer:
		return category
	}
	return ""
}

// request is what the rules see of a request. It has an identity where it
// would get that identity's token.
func (m *Machine) request(r *http.Request, path []string) injection.Request {
	q := injection.Request{Machine: m.vm, Endpoint: endpointOf(path)}
	if q.Endpoint != injection.Token {
		return q
	}
	p, err := parseParams(nil, r.URL.RawQuery)
	if err != nil {
		return q
	}
	sel, err := readSelector(p, selectors)
	if err != nil {
		return q
	}
	s, err := m.present(r.Context())
	if err != nil {
		return q
	}
	if id, err := s.choose(sel); err == nil {
		q.Client, q.Object, q.Resource = id.AppID, id.ID, id.Resource
	}
	return q
}

// pause waits, or fails once ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errGone = &refusal{http.StatusGone, "Gone", oauthError{Error: codeServiceUnavailable, Description: "The service is being updated, retry within 70 seconds"}, ""}

// failure is the answer of a status, in this door's own words where it has any.
func failure(status int) *refusal {
	for _, e := range []*refusal{errNotFound, errMethod, errGone, errInternal, kinds[fault.Invalid], kinds[fault.Forbidden], kinds[fault.Throttled], kinds[fault.Unavailable]} {
		if e.status == status {
			return e
		}
	}
	text, code := cmp.Or(http.StatusText(status), "Status "+strconv.Itoa(status)), codeInvalidRequest
	if status >= http.StatusInternalServerError {
		code = codeServerError
	}
	return &refusal{status, text, oauthError{Error: code, Description: text}, ""}
}

// cut lets the first half of a body through. The length in the header stays
// that of the whole, so that the server closes the connection after it.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) WriteHeader(status int) {
	whole, err := strconv.Atoi(c.Header().Get("Content-Length"))
	if err != nil || whole == 0 {
		whole = 1
		c.Header().Set("Content-Length", "1")
	}
	c.left = whole / 2
	c.ResponseWriter.WriteHeader(status)
}

func (c *cut) Write(b []byte) (int, error) {
	part := b[:min(len(b), c.left)]
	c.left -= len(part)
	if _, err := c.ResponseWriter.Write(part); err != nil {
		return 0, err
	}
	return len(b), nil
}
