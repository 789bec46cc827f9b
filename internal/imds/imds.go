// Package imds is the door of the instance metadata service: what a virtual
// machine finds at 169.254.169.254 (local-endpoints.md part A). It owns the
// wire of the token, info, instance and versions categories, and the choice
// among a machine's identities. It does not listen, and it never asks who is
// calling: a handler serves one machine, so the listener is the caller's
// identity (design.md section 3). It may import the floors below.
package imds

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// Door is the metadata service. All fields but Record are needed.
type Door struct {
	DB     *store.DB
	Sts    *sts.Service
	Attest func([]byte) ([]byte, error) // signs a document: PKCS#7, with its content
	Cloud  cloud.Profile
	Now    func() time.Time
	Log    *slog.Logger
	Record func(wire.Event)
}

// server is the value of the Server header: clients look for "IMDS" in it
// (local-endpoints.md A.1).
const server = "IMDS/1.0 midas"

// machine is the service of one virtual machine.
type machine struct {
	*Door
	vm      azure.ResourceID
	current atomic.Pointer[state]
}

// Machine returns the handler of one machine. Whoever reaches it is that
// machine. Once the machine is deleted, the handler knows no identity (400)
// and no element (404); a new machine of the same name is a new one to it too.
func (d *Door) Machine(vm azure.ResourceID) http.Handler {
	m := &machine{Door: d, vm: vm}
	return wire.Door{Name: "imds", Now: d.Now, Log: d.Log, Record: d.Record, Fail: fail}.Handle(m.serve)
}

func (m *machine) serve(w http.ResponseWriter, r *http.Request) error {
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
	return m.route(w, r, segs[1:])
}

// route finds the category before anything else of the request is looked at:
// a client of the newer flow takes a 400 where a 404 belongs for a host that
// has the newer endpoints (local-endpoints.md A.7).
func (m *machine) route(w http.ResponseWriter, r *http.Request, path []string) error {
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
	case "", "169.254.169.254", "169.254.169.254:80":
		return true
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
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return nil, errMethod
	}
	if !strings.EqualFold(r.Header.Get("Metadata"), "true") {
		return nil, errNoMetadata
	}
	if len(r.Header.Values("X-Forwarded-For")) > 0 {
		return nil, errForwarded
	}
	return parseParams(r.URL.RawQuery)
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
