package keyvault

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/vault"
	"midas/internal/wire"
)

// endpoint is one thing that can be asked.
type endpoint struct {
	operation vault.Operation
	update    bool  // it writes
	body      int64 // the most bytes of its body, 0 where it takes none
	// run does it, in a transaction that may run twice. No answer is a 204.
	run func(*store.Tx, *call) (any, error)
}

// target is the secret that a path names, and its version where it names one.
type target struct{ name, version string }

// The variable segments of a path.
const (
	anyName    = "{name}"
	anyVersion = "{version}"
)

// route is a path with what can be asked of it, by method. The paths are
// matched without regard to case; the first that fits and has the method counts.
type route struct {
	path    []string
	methods map[string]*endpoint
}

// routes are all that the door serves (control-plane.md E2).
var routes = []route{
	{[]string{"secrets"}, map[string]*endpoint{
		http.MethodGet: {operation: vault.SecretList, run: listSecrets},
	}},
	{[]string{"secrets", "restore"}, map[string]*endpoint{
		http.MethodPost: {operation: vault.SecretRestore, update: true, body: maxRestore, run: restoreSecret},
	}},
	{[]string{"secrets", anyName}, map[string]*endpoint{
		http.MethodPut:    {operation: vault.SecretSet, update: true, body: maxBody, run: setSecret},
		http.MethodGet:    {operation: vault.SecretGet, run: getSecret},
		http.MethodPatch:  {operation: vault.SecretUpdate, update: true, body: maxBody, run: updateSecret},
		http.MethodDelete: {operation: vault.SecretDelete, update: true, run: deleteSecret},
	}},
	{[]string{"secrets", anyName, "versions"}, map[string]*endpoint{
		http.MethodGet: {operation: vault.SecretListVersions, run: listVersions},
	}},
	{[]string{"secrets", anyName, "backup"}, map[string]*endpoint{
		http.MethodPost: {operation: vault.SecretBackup, run: backupSecret},
	}},
	{[]string{"secrets", anyName, anyVersion}, map[string]*endpoint{
		http.MethodGet:   {operation: vault.SecretGet, run: getSecret},
		http.MethodPatch: {operation: vault.SecretUpdate, update: true, body: maxBody, run: updateSecret},
	}},
	{[]string{"deletedsecrets"}, map[string]*endpoint{
		http.MethodGet: {operation: vault.SecretListDeleted, run: listDeleted},
	}},
	{[]string{"deletedsecrets", anyName}, map[string]*endpoint{
		http.MethodGet:    {operation: vault.SecretGetDeleted, run: getDeleted},
		http.MethodDelete: {operation: vault.SecretPurge, update: true, run: purgeSecret},
	}},
	{[]string{"deletedsecrets", anyName, "recover"}, map[string]*endpoint{
		http.MethodPost: {operation: vault.SecretRecover, update: true, run: recoverSecret},
	}},
}

// route finds out what the request asks for: endpoint, secret and api-version.
func (c *call) route(w http.ResponseWriter) error {
	segs, err := wire.Segments(c.request)
	if err != nil {
		return err
	}
	method := method(c.request)
	var allowed []string
	for i := range routes {
		t, ok := routes[i].match(segs)
		if !ok {
			continue
		}
		if c.endpoint = routes[i].methods[method]; c.endpoint != nil {
			c.target = t
			break
		}
		allowed = slices.AppendSeq(allowed, maps.Keys(routes[i].methods))
	}
	switch {
	case c.endpoint != nil:
	case allowed == nil:
		return fault.New(fault.NotFound, "The path of the request is not known: %.200s", c.request.URL.Path)
	default:
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(slices.Compact(allowed), ", "))
		return fault.New(fault.Unsupported, "The method %.20s is not allowed for this path.", method).Named(codeMethodNotAllowed)
	}
	if c.api, err = readVersion(c.request); err != nil {
		return err
	}
	if c.name != "" {
		return vault.CheckSecretName(c.name)
	}
	return nil
}

func (p *route) match(segs []string) (t target, ok bool) {
	if len(segs) != len(p.path) {
		return t, false
	}
	for i, want := range p.path {
		switch {
		case want == anyName:
			t.name = segs[i]
		case want == anyVersion:
			t.version = segs[i]
		case !strings.EqualFold(want, segs[i]):
			return target{}, false
		}
	}
	return t, true
}

// method is that of the request. Clients that can only GET and POST name the
// one they mean in a header, under either of two names (control-plane.md E2).
func method(r *http.Request) string {
	if r.Method != http.MethodPost {
		return r.Method
	}
	for _, name := range []string{"X-Http-Method", "X-Http-Request"} {
		if m := strings.ToUpper(strings.TrimSpace(r.Header.Get(name))); m == http.MethodPatch || m == http.MethodDelete || m == http.MethodPut {
			return m
		}
	}
	return r.Method
}
