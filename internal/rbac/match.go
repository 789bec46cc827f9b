package rbac

import "strings"

// Match reports whether an action is one that a role's entry names. Case does
// not count, "*" stands for any run of characters, "/" included, and "/*/"
// also for a single "/": Managed Identity Operator has
// userAssignedIdentities/*/assign/action, and that must allow
// userAssignedIdentities/assign/action (control-plane.md C1, note, and C2).
//
// Only the last "*" ever needs to be tried again, so the time is bounded by
// the product of both lengths; nothing is allocated.
func Match(pattern, action string) bool {
	p, a := 0, 0
	resume, taken := -1, 0 // the pattern after the last "*", and the end of what that has taken
	segments := false      // the last "*" was that of "/*/": it takes nothing, or up to a slash
	for {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			segments = p > 0 && pattern[p-1] == '/' && p+1 < len(pattern) && pattern[p+1] == '/'
			p++
			if segments {
				p++
			} else if p == len(pattern) {
				return true
			}
			resume, taken = p, a
			continue
		case p == len(pattern) && a == len(action):
			return true
		case p < len(pattern) && a < len(action) && lower(pattern[p]) == lower(action[a]):
			p++
			a++
			continue
		case resume < 0 || taken == len(action):
			return false
		}
		if segments {
			slash := strings.IndexByte(action[taken:], '/')
			if slash < 0 {
				return false
			}
			taken += slash
		}
		taken++
		p, a = resume, taken
	}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// matchAny returns the first entry that names the action, or "".
func matchAny(patterns []string, action string) string {
	for _, p := range patterns {
		if Match(p, action) {
			return p
		}
	}
	return ""
}
