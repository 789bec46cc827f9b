package azure

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
)

func TestParseResourceID(t *testing.T) {
	const sub = "/subscriptions/0B1F6471-1bf0-4dda-aec3-cb9272f09590"
	for _, c := range []struct{ in, path, typ, name, parent, scope, rg string }{
		{"/", "/", TypeTenant, "", "/", "/", ""},
		{sub, sub, TypeSubscription, "0B1F6471-1bf0-4dda-aec3-cb9272f09590", "/", sub, ""},
		{sub + "/resourcegroups/Rg1/", sub + "/resourcegroups/Rg1", TypeResourceGroup, "Rg1", sub, sub + "/resourcegroups/Rg1", "Rg1"},
		{sub + "/resourceGroups/r//providers/Microsoft.Compute/virtualMachines/ubuntu", sub + "/resourceGroups/r/providers/Microsoft.Compute/virtualMachines/ubuntu",
			"Microsoft.Compute/virtualMachines", "ubuntu", sub + "/resourceGroups/r", sub + "/resourceGroups/r", "r"},
		{sub + "/resourceGroups/r/providers/N.S/a/b/c/d", sub + "/resourceGroups/r/providers/N.S/a/b/c/d", "N.S/a/c", "d", sub + "/resourceGroups/r/providers/N.S/a/b", sub + "/resourceGroups/r", "r"},
		{sub + "/resourceGroups/r/providers/N.S/a/b/providers/Microsoft.Authorization/roleAssignments/x", sub + "/resourceGroups/r/providers/N.S/a/b/providers/Microsoft.Authorization/roleAssignments/x",
			"Microsoft.Authorization/roleAssignments", "x", sub + "/resourceGroups/r/providers/N.S/a/b", sub + "/resourceGroups/r/providers/N.S/a/b", "r"},
		{"/providers/Microsoft.Management/managementGroups/mg", "/providers/Microsoft.Management/managementGroups/mg", TypeManagementGroup, "mg", "/", "/", ""},
	} {
		id, err := ParseResourceID(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		got := []string{id.String(), id.Type(), id.Name(), id.Parent().String(), id.Scope().String(), id.ResourceGroup()}
		want := []string{c.path, c.typ, c.name, c.parent, c.scope, c.rg}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: part %d is %q, want %q", c.in, i, got[i], want[i])
			}
		}
		if s := id.Subscription(); strings.HasPrefix(c.in, sub) != (s == "0b1f6471-1bf0-4dda-aec3-cb9272f09590") {
			t.Errorf("%s: subscription %q", c.in, s)
		}
	}
	for _, in := range []string{"", "x", "/subscriptions", "/subscriptions/s/resourceGroups", "/subscriptions/s/other", "/providers/a", "/providers/a/b", "/providers/a/b/c/d", "/subscriptions/\x01", "/" + strings.Repeat("a", 3000)} {
		if id, err := ParseResourceID(in); err == nil {
			t.Errorf("%q parsed as %v", in, id)
		}
	}
}

func TestCovers(t *testing.T) {
	id := func(s string) ResourceID {
		id, err := ParseResourceID(s)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for _, c := range []struct {
		scope, target string
		want          bool
	}{
		{"/", "/subscriptions/s", true},
		{"/subscriptions/s", "/SUBSCRIPTIONS/S/resourceGroups/rg10", true},
		{"/subscriptions/s/resourceGroups/rg1", "/subscriptions/s/resourcegroups/RG1", true},
		{"/subscriptions/s/resourceGroups/rg1", "/subscriptions/s/resourceGroups/rg10", false},
		{"/subscriptions/s/resourceGroups/rg1", "/subscriptions/s", false},
		{"/subscriptions/s/resourceGroups/rg1", "/subscriptions/s/resourceGroups/rg1/providers/N/t/x", true},
	} {
		if got := id(c.scope).Covers(id(c.target)); got != c.want {
			t.Errorf("%s covers %s: %v", c.scope, c.target, got)
		}
	}
	if (ResourceID{}).Covers(Root()) || Root().Covers(ResourceID{}) {
		t.Error("no id covers, and is covered by, nothing")
	}
}

// FuzzParseResourceID holds the parser against the Azure SDK's own where both accept an id.
func FuzzParseResourceID(f *testing.F) {
	for _, s := range []string{"/", "/subscriptions/s", "/subscriptions/s/resourceGroups/r/providers/N.S/a/b/c/d", "//providers//a/b/c/", "/providers/N/t/x/providers/M/u/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseResourceID(s)
		if err != nil {
			return
		}
		again, err := ParseResourceID(id.String())
		if err != nil || again != id {
			t.Fatalf("%q is not stable: %v, %v", s, again, err)
		}
		if !id.Parent().Covers(id) || !id.Scope().Covers(id) || !id.Covers(id) {
			t.Fatalf("%q is not covered by its own ancestors", s)
		}
		theirs, err := arm.ParseResourceID(id.String())
		if err != nil || id.typ == TypeTenant || strings.HasPrefix(id.Key(), "/providers/") {
			return
		}
		if typ := theirs.ResourceType.String(); !strings.EqualFold(typ, strings.Replace(id.Type(), TypeResourceGroup, "Microsoft.Resources/resourceGroups", 1)) || theirs.Name != id.Name() {
			t.Fatalf("%q: ours %s %q, theirs %s %q", id, id.Type(), id.Name(), typ, theirs.Name)
		}
	})
}

func TestNewGUID(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := NewGUID()
		folded, ok := ParseGUID(id)
		if !ok || folded != id || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) || seen[id] {
			t.Fatalf("%q is not a fresh version 4 GUID in lower case", id)
		}
		seen[id] = true
	}
	for _, bad := range []string{"", "x", strings.Repeat("0", 36), "0b1f6471-1bf0-4dda-aec3-cb9272f0959g", "{0b1f6471-1bf0-4dda-aec3-cb9272f0959}"} {
		if _, ok := ParseGUID(bad); ok {
			t.Errorf("%q is a GUID", bad)
		}
	}
}
