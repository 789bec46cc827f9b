package graph

import (
	"strings"
	"unicode/utf8"
)

// A $filter is a tree of these. The grammar, whose words may be in any case:
//
//	or         = and { "or" and }
//	and        = not { "and" not }
//	not        = [ "not" ] primary
//	primary    = "(" or ")" | function | path "/any" "(" name ":" or ")" | path operator literal | path "in" "(" literal { "," literal } ")"
//	function   = ( "startswith" | "endswith" ) "(" path "," literal ")"
//	operator   = "eq" | "ne" | "lt" | "le" | "gt" | "ge"
type expression interface{ isExpression() }

type logical struct {
	and         bool
	left, right expression
}

type negation struct{ of expression }

// comparison compares a property, or calls a function of it: op is an operator,
// "startswith" or "endswith".
type comparison struct {
	path  []string
	op    string
	value literal
}

// membership is `path in (…)`.
type membership struct {
	path   []string
	values []literal
}

// anyOf is `path/any(name:…)`; within, the name stands for an element.
type anyOf struct {
	path []string
	name string
	of   expression
}

func (logical) isExpression()    {}
func (negation) isExpression()   {}
func (comparison) isExpression() {}
func (membership) isExpression() {}
func (anyOf) isExpression()      {}

// literal is a value in a filter. Times and numbers are words.
type literal struct {
	text   string
	quoted bool
}

// Limits of a filter.
const (
	maxFilter      = 16 << 10 // bytes
	maxFilterDepth = 40
	maxFilterTerms = 500
)

// parseFilter reads a $filter.
func parseFilter(s string) (expression, error) {
	if len(s) > maxFilter || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return nil, badQuery("Invalid filter clause: it is too long, or not text.")
	}
	p := &parser{rest: s}
	p.next()
	e, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.token.kind != endOfFilter {
		return nil, p.unexpected()
	}
	return e, nil
}

type tokenKind int

const (
	endOfFilter tokenKind = iota
	word
	quoted
	mark
	broken
)

type token struct {
	kind tokenKind
	text string
}

type parser struct {
	rest  string
	token token
	terms int
}

// next reads the next token.
func (p *parser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		p.token = token{}
		return
	}
	switch c := p.rest[0]; {
	case c == '\'':
		p.quoted()
	case strings.IndexByte("(),:", c) >= 0:
		p.token, p.rest = token{mark, p.rest[:1]}, p.rest[1:]
	default:
		end := strings.IndexAny(p.rest, " \t\r\n'(),")
		if end < 0 {
			end = len(p.rest)
		}
		// The name before a colon opens a lambda; the colons in a time do not.
		if i := strings.IndexByte(p.rest[:end], ':'); i > 0 && !(p.rest[0] >= '0' && p.rest[0] <= '9') {
			end = i
		}
		p.token, p.rest = token{word, p.rest[:end]}, p.rest[end:]
	}
}

// quoted reads a string, in which a quote is written twice.
func (p *parser) quoted() {
	var b strings.Builder
	rest := p.rest[1:]
	for {
		i := strings.IndexByte(rest, '\'')
		if i < 0 {
			p.token, p.rest = token{broken, p.rest}, ""
			return
		}
		b.WriteString(rest[:i])
		rest = rest[i+1:]
		if !strings.HasPrefix(rest, "'") {
			break
		}
		b.WriteByte('\'')
		rest = rest[1:]
	}
	p.token, p.rest = token{quoted, b.String()}, rest
}

func (p *parser) unexpected() error {
	if p.token.kind == endOfFilter {
		return badQuery("Invalid filter clause: it ends too early.")
	}
	return badQuery("Invalid filter clause: Syntax error at '%.100s'.", p.token.text)
}

// is reports whether the token is a word, in any case, and takes it then.
func (p *parser) is(kind tokenKind, text string) bool {
	if p.token.kind != kind || !strings.EqualFold(p.token.text, text) {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(text string) error {
	if !p.is(mark, text) {
		return p.unexpected()
	}
	return nil
}

func (p *parser) or(depth int) (expression, error) { return p.chain(depth, "or", p.and) }

func (p *parser) and(depth int) (expression, error) { return p.chain(depth, "and", p.not) }

func (p *parser) chain(depth int, joint string, of func(int) (expression, error)) (expression, error) {
	left, err := of(depth)
	for err == nil && p.is(word, joint) {
		var right expression
		if right, err = of(depth); err == nil {
			left = logical{joint == "and", left, right}
		}
	}
	return left, err
}

func (p *parser) not(depth int) (expression, error) {
	if p.terms++; depth > maxFilterDepth || p.terms > maxFilterTerms {
		return nil, badQuery("Invalid filter clause: it is too complex.")
	}
	if p.is(word, "not") {
		e, err := p.not(depth + 1)
		return negation{e}, err
	}
	return p.primary(depth)
}

func (p *parser) primary(depth int) (expression, error) {
	if p.is(mark, "(") {
		e, err := p.or(depth + 1)
		if err == nil {
			err = p.expect(")")
		}
		return e, err
	}
	if p.token.kind != word {
		return nil, p.unexpected()
	}
	name := p.token.text
	p.next()
	switch lower := strings.ToLower(name); {
	case lower == "startswith" || lower == "endswith":
		return p.function(lower)
	case strings.HasSuffix(lower, "/any"):
		return p.any(name[:len(name)-len("/any")], depth)
	}
	path, err := splitPath(name)
	if err != nil {
		return nil, err
	}
	if p.is(word, "in") {
		return p.in(path)
	}
	for _, op := range []string{"eq", "ne", "lt", "le", "gt", "ge"} {
		if p.is(word, op) {
			v, err := p.literal()
			return comparison{path, op, v}, err
		}
	}
	return nil, p.unexpected()
}

func (p *parser) function(name string) (expression, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if p.token.kind != word {
		return nil, p.unexpected()
	}
	path, err := splitPath(p.token.text)
	if err != nil {
		return nil, err
	}
	p.next()
	if err := p.expect(","); err != nil {
		return nil, err
	}
	v, err := p.literal()
	if err != nil {
		return nil, err
	}
	return comparison{path, name, v}, p.expect(")")
}

func (p *parser) any(name string, depth int) (expression, error) {
	path, err := splitPath(name)
	if err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if p.token.kind != word {
		return nil, p.unexpected()
	}
	a := anyOf{path: path, name: p.token.text}
	p.next()
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	if a.of, err = p.or(depth + 1); err != nil {
		return nil, err
	}
	return a, p.expect(")")
}

func (p *parser) in(path []string) (expression, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	m := membership{path: path}
	for {
		v, err := p.literal()
		if err != nil {
			return nil, err
		}
		if m.values = append(m.values, v); len(m.values) > maxFilterTerms {
			return nil, badQuery("Invalid filter clause: it is too complex.")
		}
		if !p.is(mark, ",") {
			return m, p.expect(")")
		}
	}
}

func (p *parser) literal() (literal, error) {
	if p.token.kind != word && p.token.kind != quoted {
		return literal{}, p.unexpected()
	}
	v := literal{p.token.text, p.token.kind == quoted}
	p.next()
	return v, nil
}

func splitPath(s string) ([]string, error) {
	path := strings.Split(s, "/")
	for _, name := range path {
		if name == "" || len(path) > 4 || strings.ContainsAny(name, "$'\"") {
			return nil, badQuery("Invalid filter clause: '%.100s' is not a property.", s)
		}
	}
	return path, nil
}
