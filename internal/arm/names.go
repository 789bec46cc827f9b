package arm

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/fault"
)

// NameRule is what a type's names may be. The zero rule is the general one of
// control-plane.md B10.
type NameRule struct {
	Pattern *regexp.Regexp
	Code    string // wire code of a refusal; "" is InvalidResourceName
	Says    string // the rule in words, for the message
}

const maxName = 260

// check reports a name that the rule does not allow.
func (n NameRule) check(typ, name string) error {
	if n.Pattern != nil {
		if n.Pattern.MatchString(name) {
			return nil
		}
		code := n.Code
		if code == "" {
			code = CodeInvalidName
		}
		return fault.New(fault.Invalid, "The name '%s' of the resource of type '%s' is not valid: %s.", name, typ, n.Says).Named(code).At("name")
	}
	if utf8.RuneCountInString(name) > maxName || strings.ContainsAny(name, `<>%&:\?/`) || strings.ContainsFunc(name, unicode.IsControl) || strings.HasSuffix(name, ".") {
		return fault.New(fault.Invalid, "The name '%s' of the resource of type '%s' is not valid: at most 260 characters, none of < > %% & : \\ ? / and no control character, and not a full stop at the end.", name, typ).Named(CodeInvalidName).At("name")
	}
	return nil
}

// groupName is the rule of resource groups: 1 to 90 letters, digits, and
// - _ ( ) . but not a full stop at the end.
func groupName(name string) error {
	n := utf8.RuneCountInString(name)
	ok := n >= 1 && n <= 90 && !strings.HasSuffix(name, ".") && !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_().", r)
	})
	if ok {
		return nil
	}
	return fault.New(fault.Invalid, "The provided resource group name '%s' has these invalid characters or length: it can be 1 to 90 letters, digits, periods, underscores, hyphens and parenthesis, and cannot end with a period.", name).Named("InvalidResourceGroupName")
}

// checkTags holds the limits of control-plane.md B10.
func checkTags(tags map[string]string) error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, format, args...).Named("InvalidTagNameOrValue").At("tags")
	}
	if len(tags) > 50 {
		return fault.New(fault.Invalid, "The number of tags '%d' exceeds the maximum of '50' allowed on a resource.", len(tags)).Named("TooManyTags").At("tags")
	}
	seen := make(map[string]bool, len(tags))
	for k, v := range tags {
		switch {
		case k == "" || utf8.RuneCountInString(k) > 512 || strings.ContainsAny(k, `<>%&\?/`) || strings.ContainsFunc(k, unicode.IsControl):
			return bad("The tag name '%.64s' is not valid: 1 to 512 characters, none of < > %% & \\ ? / and no control character.", k)
		case utf8.RuneCountInString(v) > 256:
			return bad("The value of the tag '%s' is longer than 256 characters.", k)
		case seen[strings.ToLower(k)]:
			return bad("The tag name '%s' is given twice: tag names compare without case.", k)
		}
		seen[strings.ToLower(k)] = true
	}
	return nil
}
