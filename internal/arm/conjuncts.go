package arm

import "strings"

// Conjuncts splits a filter at each "and" that is not inside of a quoted text.
func Conjuncts(filter string) []string {
	var parts []string
	from, quoted := 0, false
	for i := range len(filter) {
		switch {
		case filter[i] == '\'':
			quoted = !quoted
		case !quoted && i >= from && len(filter)-i >= 5 && strings.EqualFold(filter[i:i+5], " and "):
			parts = append(parts, strings.Trim(filter[from:i], " +"))
			from = i + 5
		}
	}
	return append(parts, strings.Trim(filter[from:], " +"))
}

// Equals reads a filter of the form "field eq 'value'" and returns the value.
func Equals(filter, field string) (string, bool) {
	rest, ok := CutFold(strings.TrimSpace(filter), field)
	if !ok {
		return "", false
	}
	rest, ok = CutFold(strings.TrimLeft(rest, " +"), "eq")
	if !ok {
		return "", false
	}
	rest = strings.Trim(rest, " +")
	if len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' {
		return "", false
	}
	return strings.ReplaceAll(rest[1:len(rest)-1], "''", "'"), true
}

// CutFold is [strings.CutPrefix] without regard to case.
func CutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
