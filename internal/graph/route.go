package graph

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"midas/internal/fault"
	"midas/internal/wire"
)

// endpoint is one thing that can be asked.
type endpoint struct {
	action string // for the record: "applications/create"
	right  right
	update bool // it writes
	body   int64
	batch  bool
	run    func(*call) (reply, error)
}

// param is a variable part of a path: an id, or another key with its name.
type param struct {
	key   string // "" for the id
	value string
}

// maxBody bounds a body, in bytes: what az and the SDKs send is far below it.
const maxBody = 1 << 20

// anyID stands for a variable part in the path of a route.
const anyID = "{id}"

// route is a path, and what its methods do.
type route struct {
	path    []string
	methods map[string]*endpoint
}

// on makes a route. Each method reads or writes, and takes a body, by its name.
func on(path string, methods map[string]endpoint) route {
	r := route{strings.Split(path, "/"), map[string]*endpoint{}}
	for method, e := range methods {
		e.update = e.update || method != http.MethodGet && method != http.MethodPost
		if method == http.MethodPost || method == http.MethodPatch {
			e.body = maxBody
		}
		r.methods[method] = &e
	}
	return r
}

// route finds out what the request asks for.
func (c *call) route(w http.ResponseWriter) error {
	segs, err := wire.Segments(c.request)
	if err != nil {
		return err
	}
	if len(segs) == 0 || !strings.EqualFold(segs[0], version) {
		got := ""
		if len(segs) > 0 {
			got = segs[0]
		}
		return badQuery("Invalid version: %.40s", got)
	}
	parts, err := splitKeys(segs[1:])
	if err != nil {
		return err
	}
	var allowed []string
	for i := range routes {
		params, ok := routes[i].match(parts)
		if !ok {
			continue
		}
		if e := routes[i].methods[c.request.Method]; e != nil {
			c.endpoint, c.params = e, params
			return nil
		}
		allowed = slices.AppendSeq(allowed, maps.Keys(routes[i].methods))
	}
	if allowed == nil {
		last := ""
		if len(segs) > 1 {
			last = segs[len(segs)-1]
		}
		return badQuery("Resource not found for the segment '%.100s'.", last)
	}
	slices.Sort(allowed)
	w.Header().Set("Allow", strings.Join(slices.Compact(allowed), ", "))
	return fault.New(fault.Unsupported, "Specified HTTP method is not allowed for the request target.").Named(codeMethodNotAllowed)
}

// part is a part of a path. One with a key stands for an object only.
type part struct {
	text string
	key  *param
}

// splitKeys takes "applications(appId='x')" apart, and "users('x')".
func splitKeys(segs []string) (parts []part, err error) {
	for _, seg := range segs {
		name, rest, ok := strings.Cut(seg, "(")
		if !ok {
			parts = append(parts, part{text: seg})
			continue
		}
		key, value, named := strings.Cut(rest, "=")
		if !named {
			key, value = "", rest
		}
		value, closed := strings.CutSuffix(strings.TrimSpace(value), ")")
		if !closed || len(value) < 2 || value[0] != '\'' || value[len(value)-1] != '\'' {
			return nil, badQuery("Resource not found for the segment '%.100s'.", seg)
		}
		value = strings.ReplaceAll(value[1:len(value)-1], "''", "'")
		parts = append(parts, part{text: name}, part{text: value, key: &param{strings.TrimSpace(key), value}})
	}
	return parts, nil
}

func (p *route) match(parts []part) (params []param, ok bool) {
	if len(parts) != len(p.path) {
		return nil, false
	}
	for i, want := range p.path {
		switch {
		case want == anyID && parts[i].key != nil:
			params = append(params, *parts[i].key)
		case want == anyID && !strings.HasPrefix(parts[i].text, "$") && parts[i].text != "":
			params = append(params, param{"", parts[i].text})
		case want == anyID || parts[i].key != nil || !strings.EqualFold(want, parts[i].text):
			return nil, false
		}
	}
	return params, true
}
