package graph

import (
	"encoding/json"
	"strconv"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
)

// check holds a filter to what a resource has. advanced is what Graph calls an
// advanced query, without which it takes neither `ne` nor `not`.
func (r *resource) check(e expression, advanced bool) error {
	switch e := e.(type) {
	case logical:
		if err := r.check(e.left, advanced); err != nil {
			return err
		}
		return r.check(e.right, advanced)
	case negation:
		if !advanced {
			return unsupported("Operator: 'Not'")
		}
		return r.check(e.of, advanced)
	case comparison:
		if !advanced && (e.op == "ne" || e.op == "endswith") {
			return unsupported("Operator: '" + e.op + "'")
		}
		form, err := r.form(e.path)
		if err != nil {
			return err
		}
		return e.value.check(form, e.op)
	case membership:
		form, err := r.form(e.path)
		for _, v := range e.values {
			if err == nil {
				err = v.check(form, "in")
			}
		}
		return err
	case anyOf:
		return r.checkAny(e)
	}
	return nil
}

func unsupported(what string) error {
	return fault.New(fault.Invalid, "%s is not supported without the header 'ConsistencyLevel: eventual' and $count=true.", what).Named(codeUnsupportedQuery)
}

// form is the template of a property by its path.
func (r *resource) form(path []string) (any, error) {
	p, ok := r.property(path[0])
	if !ok {
		return nil, badQuery("Invalid filter clause: Could not find a property named '%.100s' on type 'microsoft.graph.%s'.", path[0], r.name)
	}
	form := p.form
	for _, name := range path[1:] {
		members, ok := form.(map[string]any)
		if !ok {
			return nil, badQuery("Invalid filter clause: Could not find a property named '%.100s' on '%.100s'.", name, path[0])
		}
		if form, ok = members[name]; !ok {
			return nil, badQuery("Invalid filter clause: Could not find a property named '%.100s' on '%.100s'.", name, path[0])
		}
	}
	return form, nil
}

// checkAny holds what is asked of the elements of a list to their form.
func (r *resource) checkAny(e anyOf) error {
	form, err := r.form(e.path)
	if err != nil {
		return err
	}
	list, ok := form.([]any)
	if !ok {
		return badQuery("Invalid filter clause: Any/All may only be used following a collection.")
	}
	members, _ := list[0].(map[string]any)
	var walk func(expression) error
	walk = func(inner expression) error {
		switch i := inner.(type) {
		case logical:
			if err := walk(i.left); err != nil {
				return err
			}
			return walk(i.right)
		case comparison:
			form := list[0]
			if i.path[0] != e.name || len(i.path) > 2 {
				return badQuery("Invalid filter clause: '%.100s' is not the element of the collection.", strings.Join(i.path, "/"))
			}
			if len(i.path) == 2 {
				if form, ok = members[i.path[1]]; !ok {
					return badQuery("Invalid filter clause: Could not find a property named '%.100s'.", i.path[1])
				}
			}
			return i.value.check(form, i.op)
		}
		return badQuery("Invalid filter clause: this is not supported within any().")
	}
	return walk(e.of)
}

// check holds a literal to the form of what it is compared with.
func (l literal) check(form any, op string) error {
	name, ok := form.(string)
	if !ok {
		return badQuery("Invalid filter clause: a collection or an object cannot be compared.")
	}
	ordered := op == "lt" || op == "le" || op == "gt" || op == "ge"
	isNull := !l.quoted && l.text == "null"
	switch kind := strings.TrimSuffix(name, "?"); {
	case isNull && (op == "eq" || op == "ne"):
		ok = true
	case kind == "flag":
		ok = !l.quoted && (l.text == "true" || l.text == "false") && !ordered
	case kind == "int":
		_, err := strconv.ParseInt(l.text, 10, 64)
		ok = err == nil && !l.quoted
	case kind == "date":
		_, err := parseTime(l.text)
		ok = err == nil
	default:
		ok = l.quoted && !ordered
	}
	if !ok {
		return badQuery("Invalid filter clause: A binary operator with incompatible types was detected at '%.100s'.", l.text)
	}
	return nil
}

// matches reports whether an entity passes a filter that was checked.
func (e *entity) matches(filter expression) (bool, error) {
	switch f := filter.(type) {
	case logical:
		left, err := e.matches(f.left)
		if err != nil || left != f.and {
			return left, err
		}
		return e.matches(f.right)
	case negation:
		ok, err := e.matches(f.of)
		return !ok, err
	case comparison:
		v, err := e.value(f.path)
		return err == nil && f.holds(v), err
	case membership:
		v, err := e.value(f.path)
		if err != nil {
			return false, err
		}
		for _, l := range f.values {
			if (comparison{f.path, "eq", l}).holds(v) {
				return true, nil
			}
		}
		return false, nil
	case anyOf:
		v, err := e.value(f.path)
		list, _ := v.([]any)
		for _, element := range list {
			if f.element(f.of, element) {
				return true, err
			}
		}
		return false, err
	}
	return false, nil
}

// element reports whether one element of a list passes.
func (a anyOf) element(of expression, v any) bool {
	switch of := of.(type) {
	case logical:
		if left := a.element(of.left, v); left != of.and {
			return left
		}
		return a.element(of.right, v)
	case comparison:
		if len(of.path) == 2 {
			members, _ := v.(map[string]any)
			v = members[of.path[1]]
		}
		return of.holds(v)
	}
	return false
}

// value is what an entity has at a path.
func (e *entity) value(path []string) (any, error) {
	p, ok := e.of.property(path[0])
	if !ok {
		return nil, nil
	}
	raw, err := e.get(p)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	for _, name := range path[1:] {
		members, _ := v.(map[string]any)
		v = members[name]
	}
	return v, nil
}

// holds compares a value with the literal. Texts compare without case, as in Graph.
func (c comparison) holds(v any) bool {
	if !c.value.quoted && c.value.text == "null" {
		return (v == nil) == (c.op == "eq")
	}
	switch v := v.(type) {
	case bool:
		return (strconv.FormatBool(v) == c.value.text) == (c.op == "eq")
	case float64:
		n, _ := strconv.ParseFloat(c.value.text, 64)
		return ordered(c.op, compare(v, n))
	case string:
		return c.holdsText(v)
	}
	return c.op == "ne"
}

func (c comparison) holdsText(v string) bool {
	if given, err := parseTime(c.value.text); err == nil && c.op != "startswith" && c.op != "endswith" {
		if at, err := parseTime(v); err == nil {
			return ordered(c.op, at.Compare(given))
		}
	}
	have, want := azure.Fold(v), azure.Fold(c.value.text)
	switch c.op {
	case "startswith":
		return strings.HasPrefix(have, want)
	case "endswith":
		return strings.HasSuffix(have, want)
	}
	return ordered(c.op, strings.Compare(have, want))
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func ordered(op string, sign int) bool {
	switch op {
	case "eq":
		return sign == 0
	case "ne":
		return sign != 0
	case "lt":
		return sign < 0
	case "le":
		return sign <= 0
	case "gt":
		return sign > 0
	case "ge":
		return sign >= 0
	}
	return false
}

// narrow is what every match of a filter must have: values of properties that
// an index knows, by the name of the property. It finds one object among many
// without looking at the rest.
func narrow(filter expression, into map[string]string) map[string]string {
	if into == nil {
		into = map[string]string{}
	}
	switch f := filter.(type) {
	case logical:
		if f.and {
			narrow(f.left, into)
			narrow(f.right, into)
		}
	case comparison:
		if f.op == "eq" && f.value.quoted && len(f.path) == 1 {
			into[strings.ToLower(f.path[0])] = f.value.text
		}
	case anyOf:
		if c, ok := f.of.(comparison); ok && c.op == "eq" && c.value.quoted && len(c.path) == 1 && len(f.path) == 1 {
			into[strings.ToLower(f.path[0])] = c.value.text
		}
	}
	return into
}
