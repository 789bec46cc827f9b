package imds

import (
	"net/http"
	"strconv"
	"strings"

	"midas/internal/wire"
)

// instance serves /metadata/instance and every path below it (local-endpoints.md A.2).
func (m *Machine) instance(w http.ResponseWriter, r *http.Request, path []string) error {
	p, version, err := admitVersion(w, r, sinceInstance)
	if err != nil {
		return err
	}
	s, err := m.present(r.Context())
	if err != nil {
		return err
	}
	wire.EventOf(r.Context()).Target = m.vm.String()
	if s.document == nil {
		return errNotFound
	}
	n, ok := find(s.document, path, version)
	if !ok {
		return errNotFound
	}
	return show(w, n, version, p.get("format"))
}

// categories are what /metadata lists: the table of local-endpoints.md A.1.
var categories = object{
	{"attested", sinceAttested, object{}},
	{"identity", sinceIdentity, object{}},
	{"instance", sinceInstance, object{}},
	{"loadbalancer", sinceBalancer, object{}},
	{"scheduledevents", sinceEvents, object{}},
	{"versions", sinceInstance, leaf("")},
}

// browse serves /metadata itself, which lists the categories, in text only.
func browse(w http.ResponseWriter, r *http.Request) error {
	p, version, err := admitVersion(w, r, sinceInstance)
	if err != nil {
		return err
	}
	if !strings.EqualFold(p.get("format"), "text") {
		return errNotFound
	}
	return show(w, categories, version, "text")
}

// show answers with an element in the format that was asked for.
func show(w http.ResponseWriter, n node, version, format string) error {
	switch {
	case strings.EqualFold(format, "text"):
		body := text(n, version)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(http.StatusOK)
		w.Write([]byte(body)) // a peer that went away is not our failure
		return nil
	case format != "" && !strings.EqualFold(format, "json"):
		return errFormat
	}
	if single(n) {
		return errLeaf
	}
	wire.WriteRaw(w, http.StatusOK, appendJSON(make([]byte, 0, 4<<10), n, version)) // a whole document fits, mostly
	return nil
}
