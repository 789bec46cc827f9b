package rbac

import (
	"regexp"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, action string
		want            bool
	}{
		{"*", "Microsoft.Compute/virtualMachines/read", true},
		{"*/read", "Microsoft.Compute/virtualMachines/read", true},
		{"*/read", "Microsoft.Compute/virtualMachines/READ", true},
		{"*/read", "Microsoft.Compute/virtualMachines/write", false},
		{"*/read", "Microsoft.Compute/virtualMachines/read/action", false},
		{"*/read", "Microsoft.Compute/virtualMachines/thread", false},
		{"Microsoft.KeyVault/vaults/read", "microsoft.keyvault/VAULTS/read", true},
		{"Microsoft.KeyVault/vaults/read", "Microsoft.KeyVault/vaults/read/action", false},
		{"Microsoft.KeyVault/vaults/*", "Microsoft.KeyVault/vaults/secrets/getSecret/action", true},
		{"Microsoft.KeyVault/vaults/*", "Microsoft.KeyVault/vaultsOfOthers/read", false},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/read", true},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/read", true},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/versions/read", true},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secretsread", false},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaultsread", false},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", true},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action", "Microsoft.ManagedIdentity/userAssignedIdentities/x/assign/action", true},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action", "Microsoft.ManagedIdentity/userAssignedIdentities/reassign/action", false},
		{"Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true},
		{"a/*/*/b", "a/b", true},
		{"a/*/*/b", "a/x/b", true},
		{"a/*/c/*/d", "a/c/x/c/d", true},
		{"a*c*b", "a-b-c-c-b", true},
		{"a*c*b", "a-b-c-c", false},
		{"*", "", true},
		{"", "a", false},
		{"", "", true},
	} {
		if got := Match(c.pattern, c.action); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.action, got)
		}
		if got := matchSlowly(c.pattern, c.action); got != c.want {
			t.Errorf("the reference gives %v for %q, %q", got, c.pattern, c.action)
		}
	}
}

// matchSlowly is the rule written as a regular expression: a "*" between
// slashes takes its second slash with it or nothing, every other one anything.
func matchSlowly(pattern, action string) bool {
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	pattern = asciiLower(pattern)
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] != '*':
			re.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case i > 0 && pattern[i-1] == '/' && strings.HasPrefix(pattern[i:], "*/"):
			re.WriteString(`(?:.*/)?`)
			i++
		default:
			re.WriteString(`.*`)
		}
	}
	return regexp.MustCompile(re.String() + `\z`).MatchString(asciiLower(action))
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{
		{"*/read", "Microsoft.Compute/virtualMachines/read"}, {"a/*/b", "a/b"}, {"a/*/*/b", "a/x/y/b"},
		{"/*/*", "//"}, {"**/a", "b/a"}, {"a/**/b", "a//b"}, {"*/*/*", "/"}, {"a/*/b/*/b", "A/b/B"}, {"a/*/", "a/"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, action string) {
		if len(pattern)+len(action) > 200 || strings.ContainsFunc(pattern+action, func(r rune) bool { return r >= 0x80 }) {
			return // the reference counts runes, actions are ASCII
		}
		if got, want := Match(pattern, action), matchSlowly(pattern, action); got != want {
			t.Fatalf("Match(%q, %q) = %v, the reference gives %v", pattern, action, got, want)
		}
	})
}

func TestMatchAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		Match("Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action", "Microsoft.ManagedIdentity/userAssignedIdentities/a/b/assign/action")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
