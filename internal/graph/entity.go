package graph

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"midas/internal/azure"
)

// entity is an object on its way to the wire. A property that it has no member
// for is absent, or among what more finds out when it is asked for.
type entity struct {
	of      *resource
	key     azure.ObjectID // by which lists are ordered
	members map[string]json.RawMessage
	more    func() (map[string]json.RawMessage, error)
}

// get returns a property of the entity, complete.
func (e *entity) get(p *property) (json.RawMessage, error) {
	v, ok := e.members[p.name]
	if !ok && e.more != nil {
		found, err := e.more()
		if err != nil {
			return nil, err
		}
		maps.Copy(e.members, found)
		e.more = nil
		v, ok = e.members[p.name]
	}
	if !ok {
		return absent(p.form), nil
	}
	return fill(p.form, v), nil
}

// render writes an entity. selected are the properties to show, nil for those
// that are shown by default; extra are members before and after them.
func (e *entity) render(selected []string, typed bool, context string, extra map[string]json.RawMessage) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	write := func(name string, value json.RawMessage) {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(encode(name))
		b.WriteByte(':')
		b.Write(value)
	}
	if context != "" {
		write("@odata.context", encode(context))
	}
	if typed {
		write("@odata.type", encode("#microsoft.graph."+e.of.name))
	}
	for i := range e.of.properties {
		p := &e.of.properties[i]
		if selected == nil && p.hidden || selected != nil && !contains(selected, p.name) {
			continue
		}
		v, err := e.get(p)
		if err != nil {
			return nil, err
		}
		write(p.name, v)
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		write(name, extra[name])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// given are the stored properties of an object, as members.
func given(properties json.RawMessage) (members map[string]json.RawMessage, err error) {
	err = json.Unmarshal(properties, &members)
	if members == nil {
		members = map[string]json.RawMessage{}
	}
	return members, err
}
