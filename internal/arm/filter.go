package arm

import (
	"strings"

	"midas/internal/fault"
	"midas/internal/resource"
)

// filter is a parsed $filter of a resource list: conditions that must all
// hold (control-plane.md B6). The zero filter lets everything through.
type filter []condition

// condition compares one field. The fields are resourceType, resourceGroup,
// name, location, tagName and tagValue.
type condition struct {
	field string // folded
	op    string // "eq", "ne", "substringof", "startswith"
	value string
}

var filterFields = map[string]bool{"resourcetype": true, "resourcegroup": true, "name": true, "location": true, "tagname": true, "tagvalue": true}

// parseFilter reads comparisons joined by "and":
//
//	field eq 'value'   field ne 'value'
//	substringof('value', field)   startswith(field, 'value')
func parseFilter(s string) (filter, error) {
	p := &filterParser{rest: s}
	var f filter
	p.space()
	for p.rest != "" {
		c, ok := p.condition()
		if !ok || !filterFields[c.field] || len(f) == 16 {
			return nil, fault.New(fault.Invalid, "Invalid $filter '%.256s' specified in the query string.", s).Named(CodeInvalidFilter)
		}
		f = append(f, c)
		if p.space(); p.rest == "" {
			return f, nil
		}
		if !strings.EqualFold(p.word(), "and") {
			return nil, fault.New(fault.Invalid, "Invalid $filter '%.256s' specified in the query string.", s).Named(CodeInvalidFilter)
		}
		if p.space(); p.rest == "" {
			return nil, fault.New(fault.Invalid, "Invalid $filter '%.256s' specified in the query string.", s).Named(CodeInvalidFilter)
		}
	}
	return f, nil
}

type filterParser struct{ rest string }

func (p *filterParser) space() { p.rest = strings.TrimLeft(p.rest, " \t+") }

// word takes a run of letters.
func (p *filterParser) word() string {
	n := 0
	for n < len(p.rest) && (p.rest[n]|0x20 >= 'a' && p.rest[n]|0x20 <= 'z') {
		n++
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

func (p *filterParser) take(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

// text takes a quoted string; a quote within it is doubled.
func (p *filterParser) text() (string, bool) {
	if !p.take("'") {
		return "", false
	}
	var b strings.Builder
	for {
		part, rest, ok := strings.Cut(p.rest, "'")
		if !ok {
			return "", false
		}
		b.WriteString(part)
		p.rest = rest
		if !strings.HasPrefix(rest, "'") {
			return b.String(), true
		}
		b.WriteByte('\'')
		p.rest = rest[1:]
	}
}

func (p *filterParser) condition() (c condition, ok bool) {
	first := strings.ToLower(p.word())
	switch first {
	case "substringof":
		c.op = first
		ok = p.take("(")
		if ok {
			c.value, ok = p.text()
		}
		ok = ok && p.take(",")
		p.space()
		c.field = strings.ToLower(p.word())
		return c, ok && p.take(")")
	case "startswith":
		c.op = first
		ok = p.take("(")
		p.space()
		c.field = strings.ToLower(p.word())
		ok = ok && p.take(",")
		if ok {
			c.value, ok = p.text()
		}
		return c, ok && p.take(")")
	}
	c.field = first
	p.space()
	c.op = strings.ToLower(p.word())
	if c.op != "eq" && c.op != "ne" {
		return c, false
	}
	c.value, ok = p.text()
	return c, ok
}

// matches reports whether a resource meets every condition. A tag's name and
// value are looked for in the same tag.
func (f filter) matches(r *resource.Resource) bool {
	var tag []condition
	for _, c := range f {
		switch c.field {
		case "resourcetype":
			if !c.holds(r.ID.Type()) {
				return false
			}
		case "resourcegroup":
			if !c.holds(r.ID.ResourceGroup()) {
				return false
			}
		case "name":
			if !c.holds(r.ID.Name()) {
				return false
			}
		case "location":
			if !c.holds(r.Location) {
				return false
			}
		default:
			tag = append(tag, c)
		}
	}
	return len(tag) == 0 || hasTag(r.Tags, tag)
}

func hasTag(tags map[string]string, want []condition) bool {
	for name, value := range tags {
		ok := true
		for _, c := range want {
			ok = ok && (c.field == "tagname" && c.holds(name) || c.field == "tagvalue" && c.exact(value))
		}
		if ok {
			return true
		}
	}
	return false
}

// holds compares without case.
func (c condition) holds(s string) bool {
	return condition{op: c.op, value: strings.ToLower(c.value)}.exact(strings.ToLower(s))
}

func (c condition) exact(s string) bool {
	switch c.op {
	case "eq":
		return s == c.value
	case "ne":
		return s != c.value
	case "substringof":
		return strings.Contains(s, c.value)
	}
	return strings.HasPrefix(s, c.value)
}

// resourceType is the one type that the filter asks for, "" where it does not.
func (f filter) resourceType() string {
	for _, c := range f {
		if c.field == "resourcetype" && c.op == "eq" {
			return c.value
		}
	}
	return ""
}
