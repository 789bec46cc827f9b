package imds

import (
	"errors"
	"net/http"
	"strings"

	"midas/internal/wire"
)

// fabricVersion is the only api-version of Service Fabric's endpoint.
const fabricVersion = "2019-07-01-preview"

// Codes of Service Fabric's errors (local-endpoints.md D.2); the value is the wire's text.
const (
	codeSecretHeaderNotFound    = "SecretHeaderNotFound"
	codeManagedIdentityNotFound = "ManagedIdentityNotFound"
	codeArgumentNullOrEmpty     = "ArgumentNullOrEmpty"
	codeInvalidAPIVersion       = "InvalidApiVersion"
	codeInternalServerError     = "InternalServerError"
)

// ServiceFabric returns the handler of Service Fabric's endpoint,
// /metadata/identity/oauth2/token. It is to be served over TLS.
func (m *Machine) ServiceFabric(secret string) http.Handler {
	return m.handler(failServiceFabric, func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("X-Ms-Request-Id", wire.EventOf(r.Context()).RequestID)
		a, err := readFabric(w, r, secret)
		if err != nil {
			return err
		}
		t, err := m.obtain(r.Context(), a)
		if err != nil {
			return err
		}
		w.Header().Set("Cache-Control", "no-store")
		return wire.WriteJSON(w, http.StatusOK, fabricAnswer{TokenType: "Bearer", AccessToken: t.Raw, ExpiresOn: t.ExpiresAt.Unix(), Resource: a.resource})
	})
}

func readFabric(w http.ResponseWriter, r *http.Request, secret string) (a ask, err error) {
	segs, err := wire.Segments(r)
	switch {
	case err != nil:
		return a, err
	case !loopbackHost(r.Host):
		return a, errHost
	case !isPath(segs, "metadata", "identity", "oauth2", "token"):
		return a, errNotFound
	case len(r.Header.Values("Secret")) == 0:
		return a, errFabricNoSecret
	case !knows(r, "Secret", secret):
		return a, errFabricIdentity
	}
	if err := refuseForwarded(r); err != nil {
		return a, err
	}
	if err := allow(w, r, http.MethodGet); err != nil {
		return a, err
	}
	p, err := parseParams(nil, r.URL.RawQuery)
	if err != nil {
		return a, err
	}
	if v := p.get("api-version"); v != fabricVersion {
		return a, &fabricError{http.StatusBadRequest, codeInvalidAPIVersion, "The api-version '" + v + "' is not supported. Supported version is '" + fabricVersion + "'."}
	}
	return readAsk(p, allSelectors)
}

type fabricAnswer struct {
	TokenType   string `json:"token_type"`
	AccessToken string `json:"access_token"`
	ExpiresOn   int64  `json:"expires_on"` // a number, unlike all others'
	Resource    string `json:"resource"`
}

// fabricError is a refusal in Service Fabric's own code and words.
type fabricError struct {
	status        int
	code, message string
}

func (e *fabricError) Error() string { return e.message }

var (
	errFabricNoSecret = &fabricError{http.StatusNotFound, codeSecretHeaderNotFound, "Secret is not found in the request headers."}
	errFabricIdentity = &fabricError{http.StatusNotFound, codeManagedIdentityNotFound, "Managed identity not found for the specified application host."}
	errFabricResource = &fabricError{http.StatusBadRequest, codeArgumentNullOrEmpty, "The parameter 'resource' should not be null or empty string."}
	errFabricInternal = &fabricError{http.StatusInternalServerError, codeInternalServerError, "An error occurred."}
)

// fabricOf finds the answer for any error. What has no code of its own there is
// called by its status.
func fabricOf(err error) *fabricError {
	if e, ok := errors.AsType[*fabricError](err); ok {
		return e
	}
	switch e := refusalOf(err); {
	case e == errNoIdentity:
		return errFabricIdentity
	case e == errResource:
		return errFabricResource
	case e.identity.Error == codeInvalidResource, e == errInternal:
		return errFabricInternal
	default:
		return &fabricError{e.status, strings.ReplaceAll(http.StatusText(e.status), " ", ""), e.Error()}
	}
}

func failServiceFabric(w http.ResponseWriter, r *http.Request, err error) string {
	e := fabricOf(err)
	wire.WriteJSON(w, e.status, nested{nestedError{wire.EventOf(r.Context()).RequestID, e.code, e.message}})
	return e.code
}
