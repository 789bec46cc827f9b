package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
)

// resource is a type of object: its name and set on the wire, and its
// properties in the order of the wire.
type resource struct {
	name       string // "servicePrincipal"
	set        string // "servicePrincipals"
	properties []property
}

// property is a member of an object.
type property struct {
	name   string
	form   any // parsed template of its value
	access access
	hidden bool // shown only when it is selected
}

// access is who writes a property.
type access int

const (
	readOnly access = iota
	onCreate        // given once
	writable
)

// shape parses lines of "name access form": access is r, c or w, with a dash
// where the property is hidden, and form a template of values in JSON:
//
//	"text" "text?" "flag" "flag?" "int?" "guid" "date?" "any"
//	[form]          a list
//	{"a": form, …}  an object with these members and no others
//
// From a template follow both what is taken and what stands where nothing was given.
func shape(name, set, lines string) *resource {
	r := &resource{name: name, set: set}
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		p := property{name: fields[0], access: map[byte]access{'r': readOnly, 'c': onCreate, 'w': writable}[fields[1][0]], hidden: strings.HasSuffix(fields[1], "-")}
		if err := json.Unmarshal([]byte(strings.Join(fields[2:], " ")), &p.form); err != nil {
			panic(fmt.Sprintf("%s: %v", line, err)) // a mistake in this file, seen by every test
		}
		r.properties = append(r.properties, p)
	}
	return r
}

// property finds a property by its name, in any case as Graph's own parser.
func (r *resource) property(name string) (*property, bool) {
	i := slices.IndexFunc(r.properties, func(p property) bool { return strings.EqualFold(p.name, name) })
	if i < 0 {
		return nil, false
	}
	return &r.properties[i], true
}

// absent is what stands where nothing was given.
func absent(form any) json.RawMessage {
	switch f := form.(type) {
	case string:
		switch f {
		case "text", "guid":
			return json.RawMessage(`""`)
		case "flag":
			return json.RawMessage(`false`)
		}
		return json.RawMessage(`null`)
	case []any:
		return json.RawMessage(`[]`)
	}
	return fill(form, nil)
}

// fill completes an object after its template, in alphabetical order: the
// order of members within an object means nothing to clients.
func fill(form any, value json.RawMessage) json.RawMessage {
	template, ok := form.(map[string]any)
	if !ok {
		if value == nil || string(value) == "null" {
			return absent(form)
		}
		if list, ok := form.([]any); ok {
			return fillEach(list[0], value)
		}
		return value
	}
	var members map[string]json.RawMessage
	json.Unmarshal(value, &members) // what is stored was checked
	var b bytes.Buffer
	b.WriteByte('{')
	names := make([]string, 0, len(template))
	for name := range template {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", name, fill(template[name], members[name]))
	}
	b.WriteByte('}')
	return b.Bytes()
}

func fillEach(form any, value json.RawMessage) json.RawMessage {
	if _, ok := form.(map[string]any); !ok {
		return value
	}
	var each []json.RawMessage
	json.Unmarshal(value, &each)
	for i := range each {
		each[i] = fill(form, each[i])
	}
	return encode(each)
}

// Limits of what an object may hold.
const (
	maxText       = 4096
	maxList       = 1200
	maxDepth      = 16
	maxProperties = 256 << 10 // bytes of all together
)

// conform holds a value to a template. at names it in messages.
func conform(form any, value any, at string, depth int) error {
	if depth > maxDepth {
		return invalidProperty(at)
	}
	switch f := form.(type) {
	case string:
		return conformScalar(f, value, at)
	case []any:
		if value == nil {
			return nil
		}
		list, ok := value.([]any)
		if !ok || len(list) > maxList {
			return invalidValue(at)
		}
		for _, v := range list {
			if err := conform(f[0], v, at, depth+1); err != nil {
				return err
			}
		}
		return unique(list, at)
	case map[string]any:
		if value == nil {
			return nil
		}
		members, ok := value.(map[string]any)
		if !ok {
			return invalidValue(at)
		}
		for name, v := range members {
			if strings.Contains(name, "@odata.") {
				continue
			}
			inner, ok := f[name]
			if !ok {
				return invalidProperty(at + "." + name)
			}
			if err := conform(inner, v, at+"."+name, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func conformScalar(form string, value any, at string) error {
	if value == nil && (strings.HasSuffix(form, "?") || form == "any") {
		return nil
	}
	ok := false
	switch strings.TrimSuffix(form, "?") {
	case "text":
		s, is := value.(string)
		ok = is && len(s) <= maxText
	case "date":
		s, is := value.(string)
		_, err := parseTime(s)
		ok = is && err == nil
	case "guid":
		s, is := value.(string)
		_, isGUID := azure.ParseGUID(s)
		ok = is && isGUID
	case "flag":
		_, ok = value.(bool)
	case "int":
		n, is := value.(json.Number)
		_, err := n.Int64()
		ok = is && err == nil
	case "any":
		ok = true
	}
	if !ok {
		return invalidValue(at)
	}
	return nil
}

// unique refuses a list of objects of which two have one id.
func unique(list []any, at string) error {
	seen := map[string]bool{}
	for _, v := range list {
		o, _ := v.(map[string]any)
		id, ok := o["id"].(string)
		if !ok {
			continue
		}
		if seen[azure.Fold(id)] {
			return fault.New(fault.Invalid, "Property %s has more than one element with the id '%.64s'.", at, id).At(at)
		}
		seen[azure.Fold(id)] = true
	}
	return nil
}

func invalidProperty(name string) error {
	return fault.New(fault.Invalid, "Invalid property '%.100s'.", name).At(name)
}

func invalidValue(at string) error {
	return fault.New(fault.Invalid, "Invalid value specified for property '%.100s' of resource.", at).At(at)
}
