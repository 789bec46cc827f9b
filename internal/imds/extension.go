package imds

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/wire"
)

// typeExtension is the resource type of what is installed on a virtual machine.
const typeExtension = "Microsoft.Compute/virtualMachines/extensions"

// The retired extension, by publisher and type: local-endpoints.md part C.
const (
	extensionPublisher = "Microsoft.ManagedIdentity"
	extensionLinux     = "ManagedIdentityExtensionForLinux"
	extensionWindows   = "ManagedIdentityExtensionForWindows"
	extensionDefault   = 50342
)

// maxExtensions bounds those of one machine that are looked at.
const maxExtensions = 100

// extensionPort finds the port of a machine's extension, 0 where it has none.
func extensionPort(tx *store.Tx, vm azure.ResourceID) (int, error) {
	installed, _, err := resource.List(tx, resource.Query{Type: typeExtension, Within: vm, Limit: maxExtensions})
	if err != nil {
		return 0, err
	}
	for _, r := range installed {
		var p struct {
			Publisher, Type scalar
			Settings        json.RawMessage
		}
		var settings struct{ Port scalar }
		json.Unmarshal(r.Properties, &p)      // what is of another shape
		json.Unmarshal(p.Settings, &settings) // is not ours
		if !strings.EqualFold(string(p.Publisher), extensionPublisher) ||
			!strings.EqualFold(string(p.Type), extensionLinux) && !strings.EqualFold(string(p.Type), extensionWindows) {
			continue
		}
		if port, err := strconv.ParseUint(string(settings.Port), 10, 16); err == nil && port > 0 {
			return int(port), nil
		}
		return extensionDefault, nil
	}
	return 0, nil
}

// ExtensionPort is the port at which the machine's extension answers, 0 where
// the machine has none.
func (m *Machine) ExtensionPort(ctx context.Context) (int, error) {
	s, err := m.present(ctx)
	if err != nil {
		return 0, err
	}
	return s.port, nil
}

// Extension returns the handler of the retired extension, at /oauth2/token
// below a path segment that only its clients know, or "" for none. It answers
// while the machine has its extension at that port.
func (m *Machine) Extension(port int, secret string) http.Handler {
	return behind(secret, m.handler(failExtension, func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("X-Ms-Request-Id", wire.EventOf(r.Context()).RequestID)
		switch have, err := m.ExtensionPort(r.Context()); {
		case err != nil:
			return err
		case have != port:
			panic(http.ErrAbortHandler) // nothing listens there any more
		}
		if !loopbackHost(r.Host) {
			return errHost
		}
		if segs, err := wire.Segments(r); err != nil || !isPath(segs, "oauth2", "token") {
			return errNotFound
		}
		a, err := readFormAsk(w, r, http.MethodGet, http.MethodPost)
		if err != nil {
			return err
		}
		t, err := m.obtain(r.Context(), a)
		if err != nil {
			return err
		}
		writeToken(w, t.head, t.tail(a.selector, `"refresh_token":"",`, m.Now()))
		return nil
	}))
}

// Values of "error" that only the extension has.
const (
	codeBadRequest102 = "bad_request_102"
	codeUnknownSource = "unknown_source"
	codeUnknown       = "unknown"
)

// failExtension writes errors in the extension's words; where it has none of
// its own they are the metadata service's.
func failExtension(w http.ResponseWriter, r *http.Request, err error) string {
	e := refusalOf(err)
	status, body := e.status, e.identity
	switch {
	case e == errNoMetadata:
		body.Error = codeBadRequest102
	case status == http.StatusNotFound:
		status = http.StatusUnauthorized
		body = oauthError{Error: codeUnknownSource, Description: "Unknown Source " + r.URL.EscapedPath()}
	case status == http.StatusInternalServerError:
		body = oauthError{Error: codeUnknown, Description: "Failed to retrieve token from the Active directory. For details see the log of the server"}
	}
	wire.WriteJSON(w, status, body)
	return body.Error
}

// maxForm bounds a form, in bytes.
const maxForm = 16 << 10

// readFormAsk reads a request of a client from before the metadata service,
// which may write its parameters into a form. What is in both is there twice.
func readFormAsk(w http.ResponseWriter, r *http.Request, methods ...string) (ask, error) {
	if err := allow(w, r, methods...); err != nil {
		return ask{}, err
	}
	if err := wantMetadata(r); err != nil {
		return ask{}, err
	}
	p, err := parseParams(nil, r.URL.RawQuery)
	if err == nil && r.Method == http.MethodPost {
		var body []byte
		if body, err = form(r); err == nil {
			p, err = parseParams(p, string(body))
		}
	}
	if err != nil {
		return ask{}, err
	}
	return readAsk(p, selectors)
}

// form reads the body of a request that says it is a form, or says nothing.
func form(r *http.Request) ([]byte, error) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if media = strings.TrimSpace(media); media != "" && !strings.EqualFold(media, "application/x-www-form-urlencoded") {
		return nil, errForm
	}
	body, err := wire.Body(r, maxForm)
	if f, ok := err.(*fault.Error); ok && f.Code == wire.CodeBodyTooLarge {
		return nil, errFormSize
	}
	return body, err
}
