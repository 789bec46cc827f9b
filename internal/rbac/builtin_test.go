package rbac

import (
	"strings"
	"testing"

	"midas/internal/azure"
)

// TestBuiltInTable holds the table against control-plane.md C1: the names with
// their GUIDs, and how many entries each list has once it is written out.
func TestBuiltInTable(t *testing.T) {
	want := []struct {
		id, name           string
		actions, not, data int
	}{
		{"8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", 1, 0, 0},
		{"b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor", 1, 11, 0},
		{"acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", 1, 0, 0},
		{"18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator", 3, 0, 0},
		{"f58310d9-a9f6-439a-9e8d-f62e7b41a168", "Role Based Access Control Administrator", 4, 0, 0},
		{"00482a5a-887f-4fb3-b363-3b7fe8e74483", "Key Vault Administrator", 10, 0, 1},
		{"b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "Key Vault Secrets Officer", 10, 0, 1},
		{"4633458b-17de-408a-b874-0445c86b69e6", "Key Vault Secrets User", 0, 0, 2},
		{"21090545-7ca7-4776-b22c-e363652d74d2", "Key Vault Reader", 10, 0, 2},
		{"14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "Key Vault Crypto Officer", 10, 0, 2},
		{"12338af0-0e69-4776-bea7-57ae8d297424", "Key Vault Crypto User", 0, 0, 9},
		{"e147488a-f6f5-4113-8e2d-b22465e65bf6", "Key Vault Crypto Service Encryption User", 3, 0, 3},
		{"08bbd89e-9f13-488c-ac41-acfcb10c90ab", "Key Vault Crypto Service Release User", 0, 0, 1},
		{"a4417e6f-fecd-4de8-b567-7b0420556985", "Key Vault Certificates Officer", 10, 0, 3},
		{"db79e9a7-68ee-4b58-9aeb-b90e7c24fcba", "Key Vault Certificate User", 0, 0, 4},
		{"f25e0fa2-a7c8-4377-a976-54943a77a395", "Key Vault Contributor", 6, 3, 0},
		{"a68e7c17-0ab2-4c09-9a58-125dae29748c", "Key Vault Purge Operator", 3, 0, 0},
		{"8b54135c-b56d-4d72-a534-26097cfdc8d8", "Key Vault Data Access Administrator", 9, 0, 0},
		{"e40ec5ca-96e0-45a2-b4ff-59039f2c2b59", "Managed Identity Contributor", 12, 0, 0},
		{"f1a07417-d97a-45cb-824c-7a7467783830", "Managed Identity Operator", 7, 0, 0},
		{"9980e02c-c2be-4d73-94e8-173b1dc7cf3c", "Virtual Machine Contributor", 42, 0, 0},
		{"b64e21ea-ac4e-4cdf-9dc9-5b892992bee7", "Azure Connected Machine Onboarding", 11, 0, 0},
		{"cd570a14-e51a-42ad-bac8-bafd67325302", "Azure Connected Machine Resource Administrator", 12, 0, 0},
	}
	if len(builtIn) != len(want) {
		t.Errorf("%d built-in roles, want %d", len(builtIn), len(want))
	}
	for _, w := range want {
		d := BuiltIn(strings.ToUpper(w.id))
		if d == nil || d != BuiltInNamed(strings.ToLower(w.name)) || d.ID != w.id || d.RoleName != w.name {
			t.Errorf("%s (%s): found %+v", w.name, w.id, d)
			continue
		}
		p := d.Permissions[0]
		if got := [3]int{len(p.Actions), len(p.NotActions), len(p.DataActions)}; got != [3]int{w.actions, w.not, w.data} {
			t.Errorf("%s: %v entries, want %d %d %d", w.name, got, w.actions, w.not, w.data)
		}
		if p.NotDataActions == nil || d.Description == "" || d.Type != BuiltInRole || !d.AssignableAt(azure.Root()) {
			t.Errorf("%s is incomplete: %+v", w.name, d)
		}
	}
}

func TestBuiltInEntriesAreWellFormed(t *testing.T) {
	for _, d := range builtIn {
		if _, ok := azure.ParseGUID(d.ID); !ok {
			t.Errorf("%s: %q is not a GUID", d.RoleName, d.ID)
		}
		for _, p := range d.Permissions {
			for _, list := range [][]string{p.Actions, p.NotActions, p.DataActions, p.NotDataActions} {
				seen := map[string]bool{}
				for _, entry := range list {
					if !validEntry(entry) || seen[entry] {
						t.Errorf("%s: %q is malformed or twice there", d.RoleName, entry)
					}
					seen[entry] = true
				}
			}
		}
	}
}

// TestBuiltInRights is what each role is known to permit and to withhold.
func TestBuiltInRights(t *testing.T) {
	const (
		secretGet   = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
		secretRead  = "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
		secretSet   = "Microsoft.KeyVault/vaults/secrets/setSecret/action"
		vaultRead   = "Microsoft.KeyVault/vaults/read"
		vaultWrite  = "Microsoft.KeyVault/vaults/write"
		assignWrite = "Microsoft.Authorization/roleAssignments/write"
		assignRead  = "Microsoft.Authorization/roleAssignments/read"
		vmRead      = "Microsoft.Compute/virtualMachines/read"
		vmStart     = "Microsoft.Compute/virtualMachines/start/action"
		uamiAssign  = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
		uamiWrite   = "Microsoft.ManagedIdentity/userAssignedIdentities/write"
	)
	for _, c := range []struct {
		role, action string
		data         bool
		want         Reason
	}{
		{"Owner", assignWrite, false, Granted},
		{"Owner", secretGet, true, ControlPlaneOnly},
		{"Contributor", vmStart, false, Granted},
		{"Contributor", assignWrite, false, Excluded},
		{"Contributor", "Microsoft.Authorization/roleAssignments/delete", false, Excluded},
		{"Contributor", assignRead, false, Granted},
		{"Contributor", secretGet, true, ControlPlaneOnly},
		{"Reader", vmRead, false, Granted},
		{"Reader", vmStart, false, NotGranted},
		{"Reader", "Microsoft.KeyVault/vaults/keys/read", true, ControlPlaneOnly},
		{"User Access Administrator", assignWrite, false, Granted},
		{"User Access Administrator", vaultWrite, false, NotGranted},
		{"Role Based Access Control Administrator", assignWrite, false, Granted},
		{"Role Based Access Control Administrator", "Microsoft.Authorization/roleDefinitions/write", false, NotGranted},
		{"Key Vault Administrator", secretSet, true, Granted},
		{"Key Vault Administrator", vaultWrite, false, NotGranted},
		{"Key Vault Secrets Officer", secretSet, true, Granted},
		{"Key Vault Secrets Officer", "Microsoft.KeyVault/vaults/keys/read", true, NotGranted},
		{"Key Vault Secrets User", secretGet, true, Granted},
		{"Key Vault Secrets User", secretRead, true, Granted},
		{"Key Vault Secrets User", secretSet, true, NotGranted},
		{"Key Vault Secrets User", vaultRead, false, NotGranted},
		{"Key Vault Reader", vaultRead, false, Granted},
		{"Key Vault Reader", secretRead, true, Granted},
		{"Key Vault Reader", secretGet, true, NotGranted},
		{"Key Vault Crypto User", "Microsoft.KeyVault/vaults/keys/sign/action", true, Granted},
		{"Key Vault Certificate User", secretGet, true, Granted},
		{"Key Vault Contributor", vaultWrite, false, Granted},
		{"Key Vault Contributor", "Microsoft.KeyVault/locations/deletedVaults/purge/action", false, Excluded},
		{"Key Vault Contributor", secretGet, true, ControlPlaneOnly},
		{"Key Vault Purge Operator", "Microsoft.KeyVault/locations/deletedVaults/purge/action", false, Granted},
		{"Key Vault Data Access Administrator", assignWrite, false, Conditional},
		{"Managed Identity Contributor", uamiWrite, false, Granted},
		{"Managed Identity Contributor", uamiAssign, false, NotGranted},
		{"Managed Identity Operator", uamiAssign, false, Granted},
		{"Managed Identity Operator", "Microsoft.ManagedIdentity/userAssignedIdentities/read", false, Granted},
		{"Managed Identity Operator", uamiWrite, false, NotGranted},
		{"Virtual Machine Contributor", vmStart, false, Granted},
		{"Virtual Machine Contributor", "Microsoft.Network/virtualNetworks/write", false, NotGranted},
		{"Azure Connected Machine Onboarding", "Microsoft.HybridCompute/machines/write", false, Granted},
		{"Azure Connected Machine Onboarding", "Microsoft.HybridCompute/machines/delete", false, NotGranted},
		{"Azure Connected Machine Resource Administrator", "Microsoft.HybridCompute/machines/delete", false, Granted},
	} {
		if got, by, _ := BuiltInNamed(c.role).judge(Request{Action: c.action, Data: c.data}); got != c.want {
			t.Errorf("%s, %s: %s (%q), want %s", c.role, c.action, got, by, c.want)
		}
	}
}
