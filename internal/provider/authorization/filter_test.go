package authorization

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/arm"
)

func TestConjuncts(t *testing.T) {
	for filter, want := range map[string][]string{
		"":                                    {""},
		"atScope()":                           {"atScope()"},
		"atScope() and assignedTo('x')":       {"atScope()", "assignedTo('x')"},
		"atScope()+ AND +assignedTo('x')":     {"atScope()", "assignedTo('x')"},
		"roleName eq 'Read and Write'":        {"roleName eq 'Read and Write'"},
		"roleName eq 'it''s and' and type":    {"roleName eq 'it''s and'", "type"},
		"a and b and c":                       {"a", "b", "c"},
		"a and and b":                         {"a", "and b"},
		"roleName eq 'never closed and ended": {"roleName eq 'never closed and ended"},
		" and ":                               {"", ""},
	} {
		if diff := cmp.Diff(want, arm.Conjuncts(filter)); diff != "" {
			t.Errorf("%q\n%s", filter, diff)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"", "Reader", "Read and Write", "it's", "' and '", "é", "a eq 'b'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, part := range arm.Conjuncts(s) {
			call(part, "assignedTo")
			arm.Equals(part, "principalId")
		}
		// Whatever a role is called, its name can be asked for.
		parts := arm.Conjuncts("type eq 'CustomRole' and roleName eq '" + strings.ReplaceAll(s, "'", "''") + "'")
		if len(parts) != 2 {
			t.Fatalf("%q gives %q", s, parts)
		}
		if got, ok := arm.Equals(parts[1], "roleName"); !ok || got != s {
			t.Errorf("%q is read as %q, %t", s, got, ok)
		}
	})
}
