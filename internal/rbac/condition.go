package rbac

import (
	"strings"

	"midas/internal/azure"
)

// ConditionVersion is the one version of the language of conditions.
const ConditionVersion = "2.0"

// maxCondition is the length of a condition in bytes (control-plane.md C3).
const maxCondition = 8 << 10

// Attributes are what is known of a request, by the attribute in lower case:
// "@resource[microsoft.keyvault/vaults/secrets:name]". What is not in it is not
// known, which is neither equal to anything nor different from it.
type Attributes map[string]string

// The attributes that conditions may ask for (control-plane.md C5, and the
// condition of Key Vault Data Access Administrator).
const (
	AttributeVault         = "@resource[microsoft.keyvault/vaults:name]"
	AttributeSecret        = "@resource[microsoft.keyvault/vaults/secrets:name]"
	AttributeSecretToWrite = "@request[microsoft.keyvault/vaults/secrets:name]"

	onResource = "@resource[microsoft.authorization/roleassignments:"
	onRequest  = "@request[microsoft.authorization/roleassignments:"
)

// attributes says of each attribute whether its values are GUIDs.
var attributes = map[string]bool{
	AttributeVault: false, AttributeSecret: false, AttributeSecretToWrite: false,
	onResource + "roledefinitionid]": true, onResource + "principalid]": true, onResource + "principaltype]": false,
	onRequest + "roledefinitionid]": true, onRequest + "principalid]": true, onRequest + "principaltype]": false,
}

// Attributes are what conditions may ask of the assignment: as it is, or with
// request as it is to be written.
func (a *Assignment) Attributes(request bool) Attributes {
	at := onResource
	if request {
		at = onRequest
	}
	return Attributes{at + "roledefinitionid]": a.RoleID, at + "principalid]": string(a.PrincipalID), at + "principaltype]": a.PrincipalType}
}

// truth is what a condition comes to. Not knowing an attribute leaves the
// outcome unknown, unless it is the same whatever the attribute is. Unknown
// never grants, negated or not.
type truth int8

const (
	isFalse truth = iota
	isUnknown
	isTrue
)

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// condition is a parsed condition, or a part of one.
type condition interface {
	eval(action string, known Attributes) truth
}

type (
	allOf         []condition
	anyOf         []condition
	negation      struct{ of condition }
	actionMatches string // a pattern of actions, as roles have them
	comparison    struct {
		attribute string
		holds     func(value string) bool
	}
)

func (all allOf) eval(action string, known Attributes) truth {
	t := isTrue
	for _, c := range all {
		t = min(t, c.eval(action, known))
	}
	return t
}

func (any anyOf) eval(action string, known Attributes) truth {
	t := isFalse
	for _, c := range any {
		t = max(t, c.eval(action, known))
	}
	return t
}

func (n negation) eval(action string, known Attributes) truth {
	return isTrue - n.of.eval(action, known)
}

func (m actionMatches) eval(action string, _ Attributes) truth {
	return truthOf(Match(string(m), action))
}

func (c comparison) eval(_ string, known Attributes) truth {
	value, ok := known[c.attribute]
	if !ok {
		return isUnknown
	}
	return truthOf(c.holds(value))
}

// settle evaluates a condition as it is stored. One that cannot be read holds
// for nobody.
func settle(text string, r Request) truth {
	c, err := parseCondition(text)
	if err != nil {
		return isFalse
	}
	return c.eval(r.Action, r.Attributes)
}

// stringOperator returns the comparison of an operator such as
// StringNotStartsWithIgnoreCase, in any case, or nil.
func stringOperator(name string) func(value, operand string) bool {
	base, ok := strings.CutPrefix(azure.Fold(name), "string")
	if !ok {
		return nil
	}
	base, ignoreCase := strings.CutSuffix(base, "ignorecase")
	base, not := strings.CutPrefix(base, "not")
	compare := map[string]func(value, operand string) bool{
		"equals":     func(value, operand string) bool { return value == operand },
		"startswith": strings.HasPrefix,
		"like":       func(value, operand string) bool { return like(operand, value) },
	}[base]
	if compare == nil {
		return nil
	}
	return func(value, operand string) bool {
		if ignoreCase {
			value, operand = azure.Fold(value), azure.Fold(operand)
		}
		return compare(value, operand) != not
	}
}

// guidOperator is [stringOperator] for GUIDs.
func guidOperator(name string) func(value, operand string) bool {
	switch azure.Fold(name) {
	case "guidequals":
		return strings.EqualFold
	case "guidnotequals":
		return func(value, operand string) bool { return !strings.EqualFold(value, operand) }
	}
	return nil
}

// like matches a pattern in which * is any run of characters, ? any one of
// them, and a backslash takes the meaning from what follows it. Only the last
// * ever needs to be tried again.
func like(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	i, j := 0, 0
	resume, taken := -1, 0
	for j < len(t) || i < len(p) {
		if i < len(p) {
			switch c := p[i]; {
			case c == '*':
				i++
				resume, taken = i, j
				continue
			case c == '?' && j < len(t):
				i, j = i+1, j+1
				continue
			case c == '\\' && i+1 < len(p) && j < len(t) && p[i+1] == t[j]:
				i, j = i+2, j+1
				continue
			case c != '\\' && c != '?' && j < len(t) && c == t[j]:
				i, j = i+1, j+1
				continue
			}
		}
		if resume < 0 || taken == len(t) {
			return false
		}
		taken++
		i, j = resume, taken
	}
	return true
}
