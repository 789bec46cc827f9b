// Package imds is the door of the local identity endpoints: what a program on a
// machine finds at 169.254.169.254 (local-endpoints.md part A), at the port of
// the retired extension (part C), and at the addresses that App Service, Cloud
// Shell and Service Fabric have in its place (part D). It owns the wire of each
// of them and the choice among a machine's identities. It does not listen, and
// it never asks who is calling: a handler serves one machine, so the listener
// is the caller's identity (design.md section 3). It may import the floors below.
package imds

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"midas/internal/cloud"
	"midas/internal/injection"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// Door is the metadata service and its kin. All fields but Record and Faults are needed.
type Door struct {
	DB     *store.DB
	Sts    *sts.Service
	Attest func([]byte) ([]byte, error) // signs a document: PKCS#7, with its content
	Cloud  cloud.Profile
	Now    func() time.Time
	Log    *slog.Logger
	Record func(wire.Event)
	Faults *injection.Rules // of requests that are to fail; nil where there never are any

	machines machines
}

// server is the value of the Server header: clients look for "IMDS" in it
// (local-endpoints.md A.1).
const server = "IMDS/1.0 midas"

// VM returns the handler of the metadata service, at 169.254.169.254.
func (m *Machine) VM() http.Handler {
	return m.handler(fail, m.serve)
}

func (m *Machine) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Server", server)
	h.Set("X-Ms-Request-Id", wire.EventOf(r.Context()).RequestID)
	if !knownHost(r.Host) {
		return errHost
	}
	segs, err := wire.Segments(r)
	if err != nil {
		return err
	}
	if len(segs) == 0 || !strings.EqualFold(segs[0], "metadata") {
		return errNotFound
	}
	if path := segs[1:]; m.faulty(r, path) {
		return m.suffer(w, r, path)
	}
	return m.route(w, r, segs[1:])
}

// route finds the category before anything else of the request is looked at:
// a client of the newer flow takes a 400 where a 404 belongs for a host that
// has the newer endpoints (local-endpoints.md A.7).
func (m *Machine) route(w http.ResponseWriter, r *http.Request, path []string) error {
	switch category := strings.Join(path[:min(len(path), 1)], ""); {
	case category == "":
		return browse(w, r)
	case category == "instance":
		return m.instance(w, r, path[1:])
	case category == "attested":
		return m.attested(w, r, path[1:])
	case category == "scheduledevents" && len(path) == 1:
		return m.scheduledEvents(w, r)
	case category == "loadbalancer":
		return m.loadBalancer(w, r, path[1:])
	case category == "versions" && len(path) == 1:
		return versions(w, r)
	case category == "identity" && len(path) == 3 && path[1] == "oauth2" && path[2] == "token":
		return m.token(w, r)
	case category == "identity" && len(path) == 2 && path[1] == "info":
		return m.info(w, r)
	}
	return errNotFound
}

// knownHost keeps web pages out that have let their own name resolve to us.
func knownHost(host string) bool {
	switch host {
	case "169.254.169.254", "169.254.169.254:80":
		return true
	}
	return loopbackHost(host)
}

// loopbackHost is knownHost for what has no other address.
func loopbackHost(host string) bool {
	if host == "" {
		return true // from before HTTP/1.1
	}
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name = host[:i]
	}
	return strings.EqualFold(name, "localhost") || name == "127.0.0.1" || name == "[::1]"
}

// admit runs the checks that every category makes, in their order, and reads
// the parameters (local-endpoints.md A.1).
func admit(w http.ResponseWriter, r *http.Request) (params, error) {
	if err := allow(w, r, http.MethodGet); err != nil {
		return nil, err
	}
	if err := wantMetadata(r); err != nil {
		return nil, err
	}
	return parseParams(nil, r.URL.RawQuery)
}

// allow refuses every method but these.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) error {
	if slices.Contains(methods, r.Method) {
		return nil
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return errMethod
}

// wantMetadata wants the header that no web page can send, and none that a
// proxy adds.
func wantMetadata(r *http.Request) error {
	if !strings.EqualFold(r.Header.Get("Metadata"), "true") {
		return errNoMetadata
	}
	return refuseForwarded(r)
}

func refuseForwarded(r *http.Request) error {
	if len(r.Header.Values("X-Forwarded-For")) > 0 {
		return errForwarded
	}
	return nil
}

// admitVersion is [admit] for a category that has an api-version, the first of
// which is since.
func admitVersion(w http.ResponseWriter, r *http.Request, since string) (params, string, error) {
	p, err := admit(w, r)
	if err != nil {
		return nil, "", err
	}
	v := p.get("api-version")
	if !knownVersion(v) || v < since {
		return nil, "", errVersion
	}
	return p, v, nil
}
