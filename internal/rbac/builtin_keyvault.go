package rbac

import "slices"

const (
	onlyRBACVaults = " Only works for key vaults that use the 'Azure role-based access control' permission model."

	secretActions = "Microsoft.KeyVault/vaults/secrets/"
	keyActions    = "Microsoft.KeyVault/vaults/keys/"
)

// vaultReads is what a role needs to find vaults: the standard entries and
// "kvread" of control-plane.md C1.
func vaultReads() []string {
	return append(standard(), under("Microsoft.KeyVault/",
		"checkNameAvailability/read", "deletedVaults/read", "locations/*/read", "vaults/*/read", "operations/read")...)
}

func keyVaultRoles() []*Definition {
	return slices.Concat([]*Definition{
		role("00482a5a-887f-4fb3-b363-3b7fe8e74483", "Key Vault Administrator",
			"Perform all data plane operations on a key vault and all objects in it, including certificates, keys, and secrets. Cannot manage key vault resources or manage role assignments."+onlyRBACVaults,
			Permission{Actions: vaultReads(), DataActions: []string{"Microsoft.KeyVault/vaults/*"}}),
		role("b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "Key Vault Secrets Officer",
			"Perform any action on the secrets of a key vault, except manage permissions."+onlyRBACVaults,
			Permission{Actions: vaultReads(), DataActions: []string{secretActions + "*"}}),
		role(KeyVaultSecretsUser, "Key Vault Secrets User",
			"Read secret contents."+onlyRBACVaults,
			Permission{DataActions: under(secretActions, "getSecret/action", "readMetadata/action")}),
		role("21090545-7ca7-4776-b22c-e363652d74d2", "Key Vault Reader",
			"Read metadata of key vaults and its certificates, keys, and secrets. Cannot read sensitive values such as secret contents or key material."+onlyRBACVaults,
			Permission{
				Actions:     vaultReads(),
				DataActions: []string{"Microsoft.KeyVault/vaults/*/read", secretActions + "readMetadata/action"},
			}),
	}, keyVaultCryptoRoles(), keyVaultCertificateRoles(), keyVaultManagementRoles())
}

func keyVaultCryptoRoles() []*Definition {
	return []*Definition{
		role("14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "Key Vault Crypto Officer",
			"Perform any action on the keys of a key vault, except manage permissions."+onlyRBACVaults,
			Permission{Actions: vaultReads(), DataActions: under("Microsoft.KeyVault/vaults/", "keys/*", "keyrotationpolicies/*")}),
		role("12338af0-0e69-4776-bea7-57ae8d297424", "Key Vault Crypto User",
			"Perform cryptographic operations using keys."+onlyRBACVaults,
			Permission{DataActions: under(keyActions, "read", "update/action", "backup/action", "encrypt/action",
				"decrypt/action", "wrap/action", "unwrap/action", "sign/action", "verify/action")}),
		role("e147488a-f6f5-4113-8e2d-b22465e65bf6", "Key Vault Crypto Service Encryption User",
			"Read metadata of keys and perform wrap/unwrap operations."+onlyRBACVaults,
			Permission{
				Actions:     under("Microsoft.EventGrid/eventSubscriptions/", "write", "read", "delete"),
				DataActions: under(keyActions, "read", "wrap/action", "unwrap/action"),
			}),
		role("08bbd89e-9f13-488c-ac41-acfcb10c90ab", "Key Vault Crypto Service Release User",
			"Release keys."+onlyRBACVaults,
			Permission{DataActions: under(keyActions, "release/action")}),
	}
}

func keyVaultCertificateRoles() []*Definition {
	return []*Definition{
		role("a4417e6f-fecd-4de8-b567-7b0420556985", "Key Vault Certificates Officer",
			"Perform any action on the certificates of a key vault, except managing permissions."+onlyRBACVaults,
			Permission{
				Actions:     vaultReads(),
				DataActions: under("Microsoft.KeyVault/vaults/", "certificatecas/*", "certificates/*", "certificatecontacts/write"),
			}),
		role("db79e9a7-68ee-4b58-9aeb-b90e7c24fcba", "Key Vault Certificate User",
			"Read entire certificate contents including secret and key portion."+onlyRBACVaults,
			Permission{DataActions: under("Microsoft.KeyVault/vaults/", "certificates/read",
				"secrets/getSecret/action", "secrets/readMetadata/action", "keys/read")}),
	}
}

func keyVaultManagementRoles() []*Definition {
	return []*Definition{
		role("f25e0fa2-a7c8-4377-a976-54943a77a395", "Key Vault Contributor",
			"Lets you manage key vaults, but not access to them.",
			Permission{
				Actions:    append(standard(), "Microsoft.KeyVault/*"),
				NotActions: under("Microsoft.KeyVault/", "locations/deletedVaults/purge/action", "hsmPools/*", "managedHsms/*"),
			}),
		role("a68e7c17-0ab2-4c09-9a58-125dae29748c", "Key Vault Purge Operator",
			"Allows permanent deletion of soft-deleted vaults.",
			Permission{Actions: under("Microsoft.KeyVault/", "deletedVaults/read",
				"locations/deletedVaults/read", "locations/deletedVaults/purge/action")}),
		role("8b54135c-b56d-4d72-a534-26097cfdc8d8", "Key Vault Data Access Administrator",
			"Manage access to Azure Key Vault by adding or removing role assignments for the Key Vault Administrator, Key Vault Certificates Officer, Key Vault Crypto Officer, Key Vault Crypto Service Encryption User, Key Vault Crypto User, Key Vault Reader, Key Vault Secrets Officer, or Key Vault Secrets User roles. Includes an ABAC condition to constrain role assignments.",
			Permission{
				Actions: []string{
					"Microsoft.Authorization/roleAssignments/write",
					"Microsoft.Authorization/roleAssignments/delete",
					"Microsoft.Authorization/*/read",
					"Microsoft.Resources/deployments/*",
					"Microsoft.Resources/subscriptions/resourceGroups/read",
					"Microsoft.Resources/subscriptions/read",
					"Microsoft.Management/managementGroups/read",
					"Microsoft.Support/*",
					"Microsoft.KeyVault/vaults/*/read",
				},
				Condition:        vaultRolesOnly("write", "@Request") + " AND " + vaultRolesOnly("delete", "@Resource"),
				ConditionVersion: "2.0",
			}),
	}
}

// vaultRolesOnly is half of the condition of Key Vault Data Access
// Administrator: a verb on role assignments, for Key Vault data roles only.
func vaultRolesOnly(verb, source string) string {
	return "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/" + verb + "'})) OR (" + source +
		"[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{" +
		"00482a5a-887f-4fb3-b363-3b7fe8e74483, a4417e6f-fecd-4de8-b567-7b0420556985, " +
		"14b46e9e-c2b7-41b4-b07b-48a6ebf60603, e147488a-f6f5-4113-8e2d-b22465e65bf6, " +
		"12338af0-0e69-4776-bea7-57ae8d297424, 21090545-7ca7-4776-b22c-e363652d74d2, " +
		"b86a8fe4-44ce-4948-aee5-eccb2c155cd7, 4633458b-17de-408a-b874-0445c86b69e6}))"
}
