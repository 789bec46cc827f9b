package rbac

import "slices"

func machineRoles() []*Definition {
	const identities = "Microsoft.ManagedIdentity/userAssignedIdentities/"
	return []*Definition{
		role("e40ec5ca-96e0-45a2-b4ff-59039f2c2b59", "Managed Identity Contributor",
			"Create, Read, Update, and Delete User Assigned Identity",
			Permission{Actions: append(standard(), under(identities, "read", "write", "delete",
				"federatedIdentityCredentials/read", "federatedIdentityCredentials/write",
				"federatedIdentityCredentials/delete", "revokeTokens/action")...)}),
		role("f1a07417-d97a-45cb-824c-7a7467783830", "Managed Identity Operator",
			"Read and Assign User Assigned Identity",
			Permission{Actions: append(standard(), under(identities, "*/read", "*/assign/action")...)}),
		role("9980e02c-c2be-4d73-94e8-173b1dc7cf3c", "Virtual Machine Contributor",
			"Lets you manage virtual machines, but not access to them, and not the virtual network or storage account they're connected to.",
			Permission{Actions: virtualMachineActions()}),
		role("b64e21ea-ac4e-4cdf-9dc9-5b892992bee7", "Azure Connected Machine Onboarding",
			"Can onboard Azure Connected Machines.",
			Permission{Actions: slices.Concat(
				under("Microsoft.HybridCompute/", "machines/read", "machines/write", "machines/addExtensions/action",
					"settings/read", "settings/write", "gateways/read", "privateLinkScopes/read"),
				[]string{"Microsoft.GuestConfiguration/guestConfigurationAssignments/read"},
				under("Microsoft.Insights/dataCollectionRuleAssociations/", "write", "delete", "read"))}),
		role("cd570a14-e51a-42ad-bac8-bafd67325302", "Azure Connected Machine Resource Administrator",
			"Can read, write, delete and re-onboard Azure Connected Machines.",
			Permission{Actions: append(under("Microsoft.HybridCompute/", "machines/*", "machines/extensions/*",
				"machines/licenseProfiles/*", "machines/runCommands/*", "machines/UpgradeExtensions/action",
				"settings/*", "gateways/*", "privateLinkScopes/*", "licenses/*", "locations/*", "*/read"),
				"Microsoft.Resources/deployments/*")}),
	}
}

func virtualMachineActions() []string {
	return slices.Concat(standard(),
		under("Microsoft.Compute/", "availabilitySets/*", "locations/*", "virtualMachines/*",
			"virtualMachineScaleSets/*", "cloudServices/*", "disks/write", "disks/read", "disks/delete"),
		[]string{"Microsoft.DevTestLab/schedules/*"},
		under("Microsoft.Network/", "applicationGateways/backendAddressPools/join/action",
			"loadBalancers/backendAddressPools/join/action", "loadBalancers/inboundNatPools/join/action",
			"loadBalancers/inboundNatRules/join/action", "loadBalancers/probes/join/action", "loadBalancers/read",
			"locations/*", "networkInterfaces/*", "networkSecurityGroups/join/action", "networkSecurityGroups/read",
			"publicIPAddresses/join/action", "publicIPAddresses/read", "virtualNetworks/read",
			"virtualNetworks/subnets/join/action"),
		under("Microsoft.RecoveryServices/", "locations/*", "Vaults/backupFabrics/backupProtectionIntent/write",
			"Vaults/backupFabrics/protectionContainers/protectedItems/*/read",
			"Vaults/backupFabrics/protectionContainers/protectedItems/read",
			"Vaults/backupFabrics/protectionContainers/protectedItems/write",
			"Vaults/backupPolicies/read", "Vaults/backupPolicies/write", "Vaults/read", "Vaults/usages/read", "Vaults/write"),
		[]string{
			"Microsoft.ResourceHealth/availabilityStatuses/read",
			"Microsoft.SqlVirtualMachine/*",
			"Microsoft.Storage/storageAccounts/listKeys/action",
			"Microsoft.Storage/storageAccounts/read",
		})
}
