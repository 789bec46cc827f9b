package graph

import (
	"encoding/json"
	"maps"
	"strings"

	"midas/internal/fault"
)

// change is what a body says of an object, by the names of the properties, and
// held to their forms.
type change map[string]any

// changes reads the body as one of a resource.
func (c *call) changes(r *resource, create bool) (change, error) {
	ch := change{}
	for name, value := range c.body {
		if strings.Contains(name, "@odata.") {
			continue
		}
		p, ok := r.property(name)
		if !ok {
			return nil, invalidProperty(name)
		}
		if p.access == readOnly || p.access == onCreate && !create {
			return nil, fault.New(fault.Invalid, "Property '%s' is read-only and cannot be set.", p.name).At(p.name)
		}
		if err := conform(p.form, value, p.name, 0); err != nil {
			return nil, err
		}
		ch[p.name] = value
	}
	return ch, nil
}

// take returns a property and removes it: who takes it stores it.
func (ch change) take(name string) (value any, ok bool) {
	value, ok = ch[name]
	delete(ch, name)
	return value, ok
}

// takeText is take for a text that may not be null.
func (ch change) takeText(name string) (value string, ok bool, err error) {
	v, ok := ch.take(name)
	if !ok {
		return "", false, nil
	}
	value, is := v.(string)
	if !is || value == "" {
		return "", true, invalidValue(name)
	}
	return value, true, nil
}

// need refuses a change that lacks one of the properties.
func (ch change) need(resource string, names ...string) error {
	for _, name := range names {
		if v, ok := ch[name]; !ok || v == nil || v == "" {
			return fault.New(fault.Invalid, "A value is required for property '%s' of resource '%s'.", name, resource).At(name)
		}
	}
	return nil
}

// onto merges what was not taken into the stored properties: objects member by
// member, everything else as a whole. Null takes a property away.
func (ch change) onto(stored json.RawMessage) (json.RawMessage, error) {
	members := map[string]any{}
	if len(stored) > 0 {
		body, err := parseBody(stored)
		if err != nil {
			return nil, err
		}
		members = body
	}
	merge(members, ch)
	merged := encode(members)
	if len(merged) > maxProperties {
		return nil, fault.New(fault.Invalid, "The object is too large: its properties have %d bytes at most.", maxProperties)
	}
	return merged, nil
}

func merge(into map[string]any, from map[string]any) {
	for name, value := range from {
		inner, isObject := value.(map[string]any)
		old, wasObject := into[name].(map[string]any)
		switch {
		case value == nil:
			delete(into, name)
		case isObject && wasObject:
			kept := maps.Clone(old)
			merge(kept, inner)
			into[name] = kept
		default:
			into[name] = value
		}
	}
}
