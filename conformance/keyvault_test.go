package conformance

import (
	"net/http"
	"testing"
)

// secretsOfficer is the built-in role "Key Vault Secrets Officer".
const secretsOfficer = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"

type object = map[string]any

// TestKeyVaultSecrets runs the suite of the Go SDK's azsecrets as a machine that may do
// all with the secrets of a vault: by access policy in one vault, by role in another.
func TestKeyVaultSecrets(t *testing.T) {
	c := startCloud(t)
	suite := compile(t, "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets", 13)
	machine := c.machine(t)
	for model, makeVault := range map[string]func(*testing.T, string) string{
		"AccessPolicies": c.policyVault,
		"Roles":          c.roleVault,
	} {
		t.Run(model, func(t *testing.T) {
			suite.run(t, c,
				"AZURE_KEYVAULT_URL="+makeVault(t, machine),
				"AZURE_RECORD_MODE=live",
				"AZURE_TOKEN_CREDENTIALS=prod",
			)
		})
	}
}

// machine is the object id of the sample machine's identity.
func (c *cloud) machine(t *testing.T) string {
	var vm struct {
		Identity struct {
			PrincipalID string `json:"principalId"`
		} `json:"identity"`
	}
	c.manage(t, http.MethodGet, c.group()+"/providers/Microsoft.Compute/virtualMachines/"+c.Sample.VM+"?api-version=2024-07-01", nil, &vm)
	return vm.Identity.PrincipalID
}

// policyVault makes a vault whose access policies give the principal every
// permission to secrets ("all" is all but purge), and returns its address.
func (c *cloud) policyVault(t *testing.T, principal string) string {
	return c.vault(t, "kv-suites-policies", object{
		"enableRbacAuthorization": false,
		"accessPolicies": []object{{
			"tenantId":    c.TenantID,
			"objectId":    principal,
			"permissions": object{"secrets": []string{"all", "purge"}},
		}},
	})
}

// roleVault makes a vault in which the principal is a secrets officer.
func (c *cloud) roleVault(t *testing.T, principal string) string {
	const name = "kv-suites-roles"
	url := c.vault(t, name, object{"enableRbacAuthorization": true, "accessPolicies": []object{}})
	assignment := c.group() + "/providers/Microsoft.KeyVault/vaults/" + name +
		"/providers/Microsoft.Authorization/roleAssignments/5f3f1c1e-9d0b-4b57-8f0a-3a1d6f2b7c04?api-version=2022-04-01"
	c.manage(t, http.MethodPut, assignment, object{"properties": object{
		"roleDefinitionId": "/subscriptions/" + c.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + secretsOfficer,
		"principalId":      principal,
		"principalType":    "ServicePrincipal",
	}}, new(object))
	return url
}

func (c *cloud) vault(t *testing.T, name string, properties object) string {
	properties["tenantId"] = c.TenantID
	properties["sku"] = object{"family": "A", "name": "standard"}
	c.manage(t, http.MethodPut, c.group()+"/providers/Microsoft.KeyVault/vaults/"+name+"?api-version=2023-07-01",
		object{"location": "eastus", "properties": properties}, new(object))
	return "https://" + name + "." + c.Endpoints.VaultSuffix + "/"
}
