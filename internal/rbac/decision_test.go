package rbac

import (
	"testing"

	"midas/internal/azure"
)

func scopeOf(t testing.TB, s string) azure.ResourceID {
	t.Helper()
	id, err := azure.ParseResourceID(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return id
}

const (
	tenant = azure.TenantID("11111111-0000-0000-0000-00000000000a")
	sub    = "/subscriptions/22222222-0000-0000-0000-00000000000b"
	rg1    = sub + "/resourceGroups/rg1"
	rg10   = sub + "/resourceGroups/rg10"
	vm     = rg1 + "/providers/Microsoft.Compute/virtualMachines/ubuntu"
	kv     = rg1 + "/providers/Microsoft.KeyVault/vaults/kv1"
	secret = kv + "/secrets/s"

	alice = azure.ObjectID("aaaaaaaa-0000-0000-0000-000000000001")
	bob   = azure.ObjectID("bbbbbbbb-0000-0000-0000-000000000002")
	staff = azure.ObjectID("cccccccc-0000-0000-0000-000000000003") // a group

	getSecret = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
	readVM    = "Microsoft.Compute/virtualMachines/read"
	writeRole = "Microsoft.Authorization/roleAssignments/write"
)

func TestAncestors(t *testing.T) {
	mg := RootManagementGroup(tenant)
	mgPath := "/providers/Microsoft.Management/managementGroups/" + string(tenant)
	for _, c := range []struct {
		id   string
		want []string
	}{
		{"/", []string{"/"}},
		{mgPath, []string{mgPath, "/"}},
		{sub, []string{sub, mgPath, "/"}},
		{secret, []string{secret, kv, rg1, sub, mgPath, "/"}},
		{vm + "/providers/Microsoft.Authorization/roleAssignments/x", []string{vm + "/providers/Microsoft.Authorization/roleAssignments/x", vm, rg1, sub, mgPath, "/"}},
		{sub + "/providers/Microsoft.KeyVault/deletedVaults/kv1", []string{sub + "/providers/Microsoft.KeyVault/deletedVaults/kv1", sub, mgPath, "/"}},
		{"/providers/Microsoft.Billing/accounts/a", []string{"/providers/Microsoft.Billing/accounts/a", "/"}},
	} {
		got := Ancestors(scopeOf(t, c.id), mg)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v", c.id, got)
			continue
		}
		for i := range got {
			if got[i].String() != c.want[i] {
				t.Errorf("%s: at %d %s, want %s", c.id, i, got[i], c.want[i])
			}
		}
	}
	if got := Ancestors(azure.ResourceID{}, mg); got != nil {
		t.Errorf("no id has ancestors: %v", got)
	}
}

// TestDecide is about several roles at once; what is read from the store is in check_test.go.
func TestDecide(t *testing.T) {
	custom := func(name string, p ...Permission) *Definition { return &Definition{RoleName: name, Permissions: p} }
	noVM := custom("No VM", Permission{Actions: []string{"*"}, NotActions: []string{"Microsoft.Compute/*"}})
	readers := custom("Readers", Permission{Actions: []string{"*/read"}})
	blocks := custom("Blocks", Permission{Actions: []string{"*"}, NotActions: []string{"*/read"}}, Permission{Actions: []string{readVM}})
	noSecret := custom("No secret", Permission{DataActions: []string{"*"}, NotDataActions: []string{getSecret}})
	ifOnly := custom("If only", Permission{Actions: []string{readVM}, Condition: "x"})
	for name, c := range map[string]struct {
		action string
		data   bool
		roles  []*Definition
		want   Reason
		by     string
	}{
		"nothing":                                  {readVM, false, nil, NoAssignment, ""},
		"an unknown role grants nothing":           {readVM, false, []*Definition{nil}, NoAssignment, ""},
		"no action":                                {"", false, []*Definition{BuiltIn(Owner)}, NoAssignment, ""},
		"notActions of one role spare another":     {readVM, false, []*Definition{noVM, readers}, Granted, "Readers"},
		"and in the other order":                   {readVM, false, []*Definition{readers, noVM}, Granted, "Readers"},
		"notActions take away":                     {readVM, false, []*Definition{BuiltIn(KeyVaultSecretsUser), noVM}, Excluded, "No VM"},
		"blocks of one role add up":                {readVM, false, []*Definition{blocks}, Granted, "Blocks"},
		"* grants no data action":                  {getSecret, true, []*Definition{BuiltIn(Owner), BuiltIn(Contributor)}, ControlPlaneOnly, ""},
		"a role with other data actions":           {getSecret, true, []*Definition{BuiltIn(Owner), BuiltInNamed("Key Vault Reader")}, NotGranted, ""},
		"a data action grants no control action":   {"Microsoft.KeyVault/vaults/read", false, []*Definition{BuiltInNamed("Key Vault Secrets User")}, NotGranted, ""},
		"a data action is none of the other plane": {getSecret, false, []*Definition{BuiltInNamed("Key Vault Secrets User")}, NotGranted, ""},
		"notDataActions take away":                 {getSecret, true, []*Definition{noSecret}, Excluded, "No secret"},
		"a condition is not guessed":               {readVM, false, []*Definition{ifOnly}, Conditional, "If only"},
		"nor does it spoil another role":           {readVM, false, []*Definition{ifOnly, readers}, Granted, "Readers"},
	} {
		var reaching []held
		for _, d := range c.roles {
			reaching = append(reaching, held{role: d})
		}
		d := decide(Request{Principals: []azure.ObjectID{alice}, Action: c.action, Data: c.data, Scope: scopeOf(t, vm)}, reaching)
		by := ""
		if d.Role != nil {
			by = d.Role.RoleName
		}
		if d.Reason != c.want || by != c.by || d.Allowed != (c.want == Granted) {
			t.Errorf("%s: %v %s by %q, want %s by %q", name, d.Allowed, d.Reason, by, c.want, c.by)
		}
	}
	if d := decide(Request{Action: readVM}, []held{{Assignment: Assignment{Condition: "x"}, role: readers}}); d.Reason != Conditional {
		t.Errorf("an assignment with a condition: %s", d.Reason)
	}
	if (Decision{}).Allowed {
		t.Error("the zero decision allows")
	}
}

func TestDecisionString(t *testing.T) {
	at := func(scope string, principal azure.ObjectID, role *Definition) []held {
		return []held{{Assignment: Assignment{Scope: scopeOf(t, scope), PrincipalID: principal}, role: role}}
	}
	for want, c := range map[string]struct {
		action   string
		data     bool
		reaching []held
	}{
		`allowed: role "Reader", assigned to ` + string(alice) + ` at ` + rg1 + `, has the action ` + readVM + ` (*/read)`:                                                                         {readVM, false, at(rg1, alice, BuiltIn(Reader))},
		`allowed: role "Reader", assigned to ` + string(alice) + ` through ` + string(staff) + ` at /, has the action ` + readVM + ` (*/read)`:                                                     {readVM, false, at("/", staff, BuiltIn(Reader))},
		`denied: ` + string(alice) + ` has no role at or above ` + vm:                                                                                                                              {readVM, false, nil},
		`denied: none of the roles that ` + string(alice) + ` has at or above ` + vm + ` has the action x/write: Reader`:                                                                           {"x/write", false, at(rg1, alice, BuiltIn(Reader))},
		`denied: ` + getSecret + ` is a data action, and what ` + string(alice) + ` has at or above ` + vm + ` is for the control plane only: Owner`:                                               {getSecret, true, at(sub, alice, BuiltIn(Owner))},
		`denied: role "Contributor", assigned to ` + string(alice) + ` at ` + sub + `, excludes the action ` + writeRole + ` by its notActions (Microsoft.Authorization/*/Write)`:                  {writeRole, false, at(sub, alice, BuiltIn(Contributor))},
		`denied: role "Key Vault Data Access Administrator", assigned to ` + string(alice) + ` at ` + sub + `, has the action ` + writeRole + ` only under a condition, and it does not hold here`: {writeRole, false, at(sub, alice, BuiltInNamed("Key Vault Data Access Administrator"))},
	} {
		r := Request{Principals: []azure.ObjectID{alice}, Action: c.action, Data: c.data, Scope: scopeOf(t, vm)}
		if got := decide(r, c.reaching).String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got, want := (Decision{}).String(), "denied: the caller has no role at or above "; got != want {
		t.Errorf("the zero decision: %q", got)
	}
}
