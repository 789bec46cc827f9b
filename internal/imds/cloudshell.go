package imds

import (
	"net/http"

	"midas/internal/wire"
)

// CloudShell returns the handler of Cloud Shell's endpoint, at /oauth2/token
// below a path segment that only its clients know, or "" for none. There the
// token is the machine's, as there is nobody who has signed in.
func (m *Machine) CloudShell(secret string) http.Handler {
	return behind(secret, m.handler(failCloudShell, func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("X-Ms-Request-Id", wire.EventOf(r.Context()).RequestID)
		if !loopbackHost(r.Host) {
			return errHost
		}
		if segs, err := wire.Segments(r); err != nil || !isPath(segs, "oauth2", "token") {
			return errNotFound
		}
		a, err := readFormAsk(w, r, http.MethodGet, http.MethodPost) // MSAL for Java asks by GET
		if err != nil {
			return err
		}
		t, err := m.obtain(r.Context(), a)
		if err != nil {
			return err
		}
		writeToken(w, t.head, t.tail(a.selector, "", m.Now()))
		return nil
	}))
}

// nested is the shape of errors that have one inside: {"error":{"code":…}}.
type nested struct {
	Error nestedError `json:"error"`
}

type nestedError struct {
	CorrelationID string `json:"correlationId,omitempty"`
	Code          string `json:"code"`
	Message       string `json:"message"`
}

func failCloudShell(w http.ResponseWriter, r *http.Request, err error) string {
	e := refusalOf(err)
	wire.WriteJSON(w, e.status, nested{nestedError{Code: e.identity.Error, Message: e.Error()}})
	return e.identity.Error
}
