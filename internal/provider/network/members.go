package network

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
)

// members is a JSON object of a body. What this provider does not know in it
// stays as it was given. Names compare without case.
type members map[string]any

// maxParts bounds the parts of one kind that a resource has.
const maxParts = 1000

// read decodes the properties of a resource. What is null is absent.
func read(r *resource.Resource) (members, error) {
	if r == nil {
		return members{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(r.Properties))
	d.UseNumber()
	var p map[string]any
	if err := d.Decode(&p); err != nil {
		return nil, err
	}
	return without(p).(map[string]any), nil
}

// without drops what is null, at any depth.
func without(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if value == nil {
				delete(v, name)
			} else {
				v[name] = without(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = without(v[i])
		}
	}
	return v
}

// write puts the members back as the properties of a resource.
func (m members) write(r *resource.Resource) (err error) {
	r.Properties, err = json.Marshal(m)
	return err
}

// spelled is the name as the object has it.
func (m members) spelled(name string) string {
	if _, ok := m[name]; ok {
		return name
	}
	for have := range m {
		if strings.EqualFold(have, name) {
			return have
		}
	}
	return name
}

func (m members) set(name string, value any) { m[m.spelled(name)] = value }
func (m members) remove(names ...string) {
	for _, name := range names {
		delete(m, m.spelled(name))
	}
}

// otherwise gives a member a value where it has none.
func (m members) otherwise(name string, value any) {
	if _, ok := m[m.spelled(name)]; !ok {
		m[name] = value
	}
}

// text is a member that is a text, or "".
func (m members) text(name string) string {
	s, _ := m[m.spelled(name)].(string)
	return s
}

// flag is a member that is a switch, off where it is not there.
func (m members) flag(name string) bool {
	b, _ := m[m.spelled(name)].(bool)
	return b
}

// object is a member that is an object; an empty one of no one's where it is not there.
func (m members) object(name string) members {
	o, _ := m[m.spelled(name)].(map[string]any)
	return members(o)
}

// list is a member that is a list of objects.
func (m members) list(path, name string) ([]members, error) {
	value, ok := m[m.spelled(name)]
	if !ok {
		return nil, nil
	}
	raw, ok := value.([]any)
	if !ok || len(raw) > maxParts {
		return nil, malformed(path+name, "the value of '%s%s' is not a list of at most %d items.", path, name, maxParts)
	}
	all := make([]members, len(raw))
	for i, v := range raw {
		o, ok := v.(map[string]any)
		if !ok {
			return nil, malformed(path+name, "the value of '%s%s[%d]' is not an object.", path, name, i)
		}
		all[i] = o
	}
	return all, nil
}

// texts is a member that is a list of texts.
func (m members) texts(name string) []string {
	raw, _ := m[m.spelled(name)].([]any)
	var all []string
	for _, v := range raw {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// part is an item of a list that has a name and an id of its own below its resource.
type part struct {
	members
	id         azure.ResourceID
	path       string  // where it is in the body, with a full stop: "properties.ipConfigurations[0].properties."
	properties members // its own, never nil
}

// parts reads and completes the items of a list: names, ids, states.
func parts(r *resource.Resource, p members, name string) ([]part, error) {
	raw, err := p.list("properties.", name)
	if err != nil {
		return nil, err
	}
	p.otherwise(name, []any{})
	all := make([]part, 0, len(raw))
	for i, m := range raw {
		where := fmt.Sprintf("properties.%s[%d].", name, i)
		called := m.text("name")
		if called == "" || len(called) > 80 || strings.Trim(strings.ToLower(called), "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			return nil, malformed(where+"name", "the value of '%sname' is not a name of 1 to 80 letters, digits, hyphens, underscores and full stops.", where)
		}
		id := r.ID.Join(name, called)
		if slices.ContainsFunc(all, func(other part) bool { return other.id.Equal(id) }) {
			return nil, malformed(where+"name", "the name '%s' is given twice in 'properties.%s'.", called, name)
		}
		m.otherwise("properties", map[string]any{})
		own, ok := m[m.spelled("properties")].(map[string]any)
		if !ok {
			return nil, malformed(where+"properties", "the value of '%sproperties' is not an object.", where)
		}
		m.set("id", id.String())
		m.set("type", id.Type())
		part := part{m, id, where + "properties.", own}
		part.properties.set("provisioningState", succeeded)
		all = append(all, part)
	}
	return all, nil
}

// references collects what a resource and its parts name.
type references struct {
	*arm.Change
	all []resource.Reference
}

// add takes in the resource that a member names, as {"id": …}; the zero id
// where there is none. Of what it holds beside the id nothing is kept.
func (r *references) add(from azure.ResourceID, m members, path, name, typ string, there func(azure.ResourceID) (bool, error)) (azure.ResourceID, error) {
	value, ok := m[m.spelled(name)]
	if !ok {
		return azure.ResourceID{}, nil
	}
	given, _ := value.(map[string]any)
	id, err := r.Refer(path+name+".id", members(given).text("id"), typ, join, there)
	if err != nil {
		return id, err
	}
	m.set(name, object{"id": id.String()})
	r.all = append(r.all, resource.Reference{From: from, To: id})
	return id, nil
}

// addEach is add for a list of references.
func (r *references) addEach(from azure.ResourceID, m members, path, name, typ string, there func(azure.ResourceID) (bool, error)) error {
	all, err := m.list(path, name)
	if err != nil || len(all) == 0 {
		return err
	}
	var kept []any
	for i, one := range all {
		where := fmt.Sprintf("%s%s[%d]", path, name, i)
		id, err := r.Refer(where+".id", one.text("id"), typ, join, there)
		if err != nil {
			return err
		}
		kept = append(kept, object{"id": id.String()})
		r.all = append(r.all, resource.Reference{From: from, To: id})
	}
	m.set(name, kept)
	return nil
}

// save writes the references and the properties.
func (r *references) save(p members) error {
	p.set("provisioningState", succeeded)
	if err := p.write(r.New); err != nil {
		return err
	}
	return resource.SetReferences(r.Tx, r.New.ID, r.all)
}

type object = map[string]any

// hasPart reports whether a resource in the region of the changed one has a
// part of that id.
func hasPart(c *arm.Change) func(azure.ResourceID) (bool, error) {
	return func(id azure.ResourceID) (bool, error) {
		if ok, err := c.InRegion(id.Parent()); err != nil || !ok {
			return false, err
		}
		owner, err := resource.Get(c.Tx, id.Parent())
		if err != nil {
			return false, err
		}
		p, err := read(owner)
		if err != nil {
			return false, err
		}
		segments := strings.Split(id.String(), "/")
		all, err := p.list("", segments[len(segments)-2])
		return slices.ContainsFunc(all, func(m members) bool { return strings.EqualFold(m.text("name"), id.Name()) }), err
	}
}

// users shows who names a resource or a part of one, as a list of {"id": …}.
func users(c *arm.Call, id azure.ResourceID, typ string) ([]any, error) {
	all, err := resource.ReferencesTo(c.Tx, id)
	shown := []any{}
	for _, r := range all {
		if strings.EqualFold(r.From.Type(), typ) {
			shown = append(shown, object{"id": r.From.String()})
		}
	}
	return shown, err
}

// kept returns what is at an id, nil where nothing is.
func kept(c *arm.Call, id azure.ResourceID) (*resource.Resource, error) {
	r, err := resource.Get(c.Tx, id)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return r, err
}
