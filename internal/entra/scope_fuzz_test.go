package entra

import (
	"strings"
	"testing"

	"midas/internal/cloud"
)

// FuzzDelegation: whatever scope comes, it means one resource, and what it
// asks for there can be put together again.
func FuzzDelegation(f *testing.F) {
	for _, s := range []string{armScope, "User.Read openid", "https://vault.azure.net/.default", "/.default", "a/ b", "openid", "", "api://x/y z", "//"} {
		f.Add(s)
	}
	profile, err := cloud.Lookup("AzureCloud")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, given string) {
		d, err := parseDelegation(given, profile)
		if err != nil {
			return
		}
		if d.resource == "" || d.given != given || len(d.asked) != len(d.names) {
			t.Fatalf("%q: %+v", given, d)
		}
		for i, name := range d.names {
			if name == "" || d.asked[i] != d.resource+"/"+name && d.asked[i] != name || !strings.Contains(given, d.asked[i]) {
				t.Errorf("%q: %+v", given, d)
			}
		}
		if again, err := parseDelegation(strings.Join(append(d.asked, d.oidc()...), " "), profile); err != nil || again.resource != d.resource {
			t.Errorf("%q: %+v becomes %+v, %v", given, d, again, err)
		}
	})
}
