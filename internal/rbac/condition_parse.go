package rbac

import (
	"strings"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/fault"
)

// maxNesting bounds the parentheses and negations of a condition.
const maxNesting = 64

// CheckCondition refuses a condition that is not of a version, a form and
// attributes that are evaluated here: one that is not understood must not be
// taken for one that holds.
func CheckCondition(text, version string) error {
	if text == "" && version == "" {
		return nil
	}
	if version != ConditionVersion {
		return badCondition("The condition version '%.16s' is not supported. The supported version is '%s'.", version, ConditionVersion).At("conditionVersion")
	}
	if text == "" {
		return badCondition("A condition version is given without a condition.")
	}
	_, err := parseCondition(text)
	return err
}

func badCondition(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, format, args...).Named(CodeInvalidCondition).At("condition")
}

// parseCondition reads a condition (control-plane.md C5):
//
//	sequence   = unary { "AND" unary } | unary { "OR" unary }
//	unary      = [ "!" | "NOT" ] primary
//	primary    = "(" sequence ")" | "ActionMatches" "{" text "}" | attribute operator operand
//	attribute  = ( "@Resource" | "@Request" ) "[" type ":" name "]"
//	operand    = value | "{" value { "," value } "}"
//
// "&&" and "||" stand for AND and OR, which do not meet without parentheses.
func parseCondition(text string) (condition, error) {
	if len(text) > maxCondition {
		return nil, badCondition("The condition is longer than %d bytes.", maxCondition)
	}
	p := &conditionParser{rest: text, whole: text}
	p.next()
	c, err := p.sequence(0)
	if err == nil && p.token != "" {
		err = p.unexpected("the end")
	}
	return c, err
}

type conditionParser struct {
	whole, rest string
	token       string // "" at the end; a quoted text begins with its quote
}

// next takes a token: a quoted text, an attribute, a sign, or a word.
func (p *conditionParser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	n := 0
	switch {
	case p.rest == "":
	case p.rest[0] == '\'':
		n = 2 + strings.IndexByte(p.rest[1:], '\'')
		n = max(n, 1)
	case p.rest[0] == '@':
		n = 1 + strings.IndexByte(p.rest, ']')
		n = max(n, 1)
	case strings.HasPrefix(p.rest, "&&") || strings.HasPrefix(p.rest, "||"):
		n = 2
	default:
		for n < len(p.rest) && isWordByte(p.rest[n]) {
			n++
		}
		if n == 0 {
			_, n = utf8.DecodeRuneInString(p.rest)
		}
	}
	p.token, p.rest = p.rest[:n], p.rest[n:]
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ':' || c == '-' || c == '_'
}

func (p *conditionParser) unexpected(want string) error {
	at := len(p.whole) - len(p.rest) - len(p.token)
	return badCondition("The condition cannot be read at character %d: %s is expected, not '%.64s'.", utf8.RuneCountInString(p.whole[:at])+1, want, p.token)
}

// take goes on where the token is one of the words, without regard to case.
func (p *conditionParser) take(words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(p.token, w) {
			p.next()
			return true
		}
	}
	return false
}

func (p *conditionParser) sequence(depth int) (condition, error) {
	first, err := p.unary(depth)
	if err != nil {
		return nil, err
	}
	parts, word := []condition{first}, ""
	for {
		var this string
		switch {
		case p.take("AND", "&&"):
			this = "AND"
		case p.take("OR", "||"):
			this = "OR"
		case word == "":
			return first, nil
		case word == "AND":
			return allOf(parts), nil
		default:
			return anyOf(parts), nil
		}
		if word != "" && word != this {
			return nil, badCondition("The condition has AND and OR side by side: parentheses must say which comes first.")
		}
		word = this
		part, err := p.unary(depth)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
}

func (p *conditionParser) unary(depth int) (condition, error) {
	if depth > maxNesting {
		return nil, badCondition("The condition is nested too deeply.")
	}
	switch {
	case p.take("!", "NOT"):
		c, err := p.unary(depth + 1)
		return negation{c}, err
	case p.take("("):
		c, err := p.sequence(depth + 1)
		if err == nil && !p.take(")") {
			err = p.unexpected("')'")
		}
		return c, err
	case p.take("ActionMatches"):
		values, err := p.values(false)
		if err != nil {
			return nil, err
		}
		if len(values) != 1 || !validEntry(values[0]) {
			return nil, badCondition("ActionMatches takes one action in braces, such as ActionMatches{'Microsoft.KeyVault/vaults/secrets/getSecret/action'}.")
		}
		return actionMatches(values[0]), nil
	case strings.HasPrefix(p.token, "@"):
		return p.comparison()
	}
	return nil, p.unexpected("ActionMatches, an attribute or a parenthesis")
}

// comparison reads an attribute with what it is compared with.
func (p *conditionParser) comparison() (condition, error) {
	attribute := azure.Fold(strings.Join(strings.Fields(p.token), ""))
	guids, known := attributes[attribute]
	if !known {
		return nil, badCondition("The attribute '%.256s' is not supported in conditions.", p.token)
	}
	p.next()
	name := p.token
	quantifier, operator, quantified := strings.Cut(name, ":")
	if !quantified {
		quantifier, operator = "", name
	}
	compare := stringOperator(operator)
	if guids {
		compare = guidOperator(operator)
	}
	if compare == nil {
		return nil, badCondition("The operator '%.64s' is not supported with the attribute '%.256s'.", name, attribute)
	}
	p.next()
	values, err := p.values(guids)
	if err != nil {
		return nil, err
	}
	all := false // the one value on the left against those on the right
	switch azure.Fold(quantifier) {
	case "foranyofanyvalues", "forallofanyvalues":
	case "foranyofallvalues", "forallofallvalues":
		all = true
	case "":
		if len(values) != 1 {
			return nil, badCondition("The operator '%s' takes one value; ForAnyOfAnyValues:%s takes several.", operator, operator)
		}
	default:
		return nil, badCondition("The operator '%.64s' is not supported.", name)
	}
	return comparison{attribute, func(value string) bool {
		for _, v := range values {
			if compare(value, v) != all {
				return !all
			}
		}
		return all
	}}, nil
}

// values reads one value, or several in braces. GUIDs need no quotes.
func (p *conditionParser) values(guids bool) ([]string, error) {
	braces := p.take("{")
	var values []string
	for {
		v, quoted := p.token, false
		if len(v) >= 2 && v[0] == '\'' && v[len(v)-1] == '\'' {
			v, quoted = v[1:len(v)-1], true
		}
		if _, isGUID := azure.ParseGUID(v); guids && !isGUID || !guids && !quoted {
			return nil, p.unexpected("a value")
		}
		values = append(values, v)
		p.next()
		switch {
		case !braces:
			return values, nil
		case p.take("}"):
			return values, nil
		case !p.take(","):
			return nil, p.unexpected("',' or '}'")
		}
	}
}
