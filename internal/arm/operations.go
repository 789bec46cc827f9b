package arm

import (
	"net/http"
	"strings"

	"midas/internal/wire"
)

// operations tells what roles may allow, of every provider or of the one in
// the path, from the same values that the permissions are derived from.
func (d *Door) operations(c *Call, r *http.Request) (*Answer, error) {
	if err := c.sees("Microsoft.Authorization/providerOperations/read"); err != nil {
		return nil, err
	}
	segs, err := wire.Segments(r)
	if err != nil {
		return nil, err
	}
	if len(segs) == 4 {
		p, _ := d.find(segs[3], "")
		if p == nil {
			return nil, unknownNamespace(segs[3])
		}
		return &Answer{Status: http.StatusOK, Body: p.operations()}, nil
	}
	var all []any
	for i := range d.Providers {
		all = append(all, d.Providers[i].operations())
	}
	return list(all...), nil
}

func (p *Provider) operations() any {
	own, types := []any{}, []any{}
	for _, a := range p.Actions {
		verb := "action"
		if a.Open {
			verb = "read"
		}
		own = append(own, operation(p.Namespace+"/"+a.Name+"/"+verb, false))
	}
	for i := range p.Types {
		t := &p.Types[i]
		types = append(types, object{{"name", t.Name}, {"displayName", t.Name}, {"operations", p.operationsOf(t)}})
	}
	return object{{"id", "/providers/Microsoft.Authorization/providerOperations/" + p.Namespace}, {"name", p.Namespace}, {"type", "Microsoft.Authorization/providerOperations"},
		{"displayName", p.Namespace}, {"resourceTypes", types}, {"operations", own}}
}

// operationsOf are those of a type, with the data actions of its own resources.
func (p *Provider) operationsOf(t *Type) []any {
	all := []any{}
	for _, v := range []struct {
		verb string
		has  bool
	}{
		{"read", t.Table == nil || t.Table.Get != nil || t.Table.List != nil || t.Table.Page != nil},
		{"write", t.Table == nil || t.Table.Put != nil || t.Table.Patch != nil},
		{"delete", t.Table == nil || t.Table.Delete != nil},
	} {
		if v.has {
			all = append(all, operation(p.Namespace+"/"+t.Name+"/"+v.verb, false))
		}
	}
	for _, a := range t.Actions {
		all = append(all, operation(p.Namespace+"/"+t.Name+"/"+a.Name+"/action", false))
	}
	prefix := p.Namespace + "/" + t.Name + "/"
	for _, a := range p.DataActions {
		if rest, ok := strings.CutPrefix(a, prefix); ok && strings.Count(strings.TrimSuffix(rest, "/action"), "/") == 0 {
			all = append(all, operation(a, true))
		}
	}
	return all
}

func operation(name string, data bool) any {
	return object{{"name", name}, {"displayName", name}, {"description", name}, {"origin", "user,system"}, {"isDataAction", data}}
}
