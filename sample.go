package midas

import (
	"context"
	"net/http"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/rbac"
	"midas/internal/store"
)

// Names of what --sample makes. The vault's name must be free in the whole
// cloud, so it ends in the subscription's first digits.
const (
	sampleGroup  = "midas-sample"
	sampleVM     = "ubuntu"
	sampleSecret = "portal-phrase"
	samplePhrase = "TheCakeIsALie"
)

const settingSample = "sample"

// object is a JSON object of a request.
type object map[string]any

// makeSample makes a machine in a network with an identity, a vault with a secret, and the
// role that lets the one read the other: with an operator's token and through
// the front port, as a user would. It does so once for a data directory: what
// the user has changed or deleted since is left alone.
func (s *Server) makeSample(ctx context.Context) error {
	vault := "kv-sample-" + string(s.ids.subscription)[:6]
	s.sample = &control.Sample{ResourceGroup: sampleGroup, VM: sampleVM, Vault: vault, VaultURI: s.profile.VaultURI(vault), Secret: sampleSecret}
	var done string
	if err := s.db.View(ctx, func(tx *store.Tx) (err error) { done, err = tx.Setting(settingSample); return err }); err != nil || done != "" {
		return err
	}
	client := s.Client()
	defer client.CloseIdleConnections()
	token, err := s.operatorToken(ctx, s.profile.ResourceManager()+"/")
	if err != nil {
		return err
	}
	manager := caller{client, token.AccessToken}
	group := s.profile.ResourceManager() + "/subscriptions/" + string(s.ids.subscription) + "/resourceGroups/" + sampleGroup
	if err := manager.do(ctx, http.MethodPut, group+"?api-version=2021-04-01", object{"location": s.profile.DefaultLocation()}, nil); err != nil {
		return err
	}
	machine, err := s.sampleMachine(ctx, manager, group)
	if err != nil {
		return err
	}
	if err := s.sampleVault(ctx, manager, group+"/providers/Microsoft.KeyVault/vaults/"+vault, machine); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingSample, "made") })
}

// sampleMachine makes the virtual machine and returns its principal.
func (s *Server) sampleMachine(ctx context.Context, manager caller, group string) (azure.ObjectID, error) {
	var vm struct {
		Identity struct {
			PrincipalID azure.ObjectID `json:"principalId"`
		} `json:"identity"`
	}
	network, disk, err := s.sampleNetwork(ctx, manager, group)
	if err != nil {
		return "", err
	}
	err = manager.do(ctx, http.MethodPut, group+"/providers/Microsoft.Compute/virtualMachines/"+sampleVM+"?api-version=2024-11-01", object{
		"location": s.profile.DefaultLocation(),
		"tags":     object{"environment": "sample", "made-by": "midas"},
		"identity": object{"type": "SystemAssigned"},
		"properties": object{
			"hardwareProfile": object{"vmSize": "Standard_B1s"},
			"storageProfile": object{
				"imageReference": object{"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
				"osDisk":         object{"createOption": "FromImage", "caching": "ReadWrite", "osType": "Linux", "diskSizeGB": 30, "managedDisk": disk},
			},
			"networkProfile": network,
			"osProfile":      object{"computerName": sampleVM, "adminUsername": "azureuser"},
		},
	}, &vm)
	return vm.Identity.PrincipalID, err
}

// sampleVault makes the vault and its secret. The operator has no right to
// secrets of its own and gives itself one for just this.
func (s *Server) sampleVault(ctx context.Context, manager caller, vault string, machine azure.ObjectID) error {
	if err := manager.do(ctx, http.MethodPut, vault+"?api-version=2023-07-01", object{
		"location": s.profile.DefaultLocation(),
		"properties": object{
			"tenantId": s.ids.tenant, "sku": object{"family": "A", "name": "standard"}, "accessPolicies": []any{},
			"enableRbacAuthorization": true, "softDeleteRetentionInDays": 7,
		},
	}, nil); err != nil {
		return err
	}
	assign := func(role string, to azure.ObjectID, kind string) (string, error) {
		url := vault + "/providers/Microsoft.Authorization/roleAssignments/" + azure.NewGUID() + "?api-version=2022-04-01"
		return url, manager.do(ctx, http.MethodPut, url, object{"properties": object{
			"roleDefinitionId": rbac.DefinitionID(azure.SubscriptionScope(s.ids.subscription), role).String(), "principalId": to, "principalType": kind}}, nil)
	}
	if _, err := assign(rbac.KeyVaultSecretsUser, machine, rbac.PrincipalServicePrincipal); err != nil {
		return err
	}
	officer, err := assign(rbac.BuiltInNamed("Key Vault Secrets Officer").ID, s.ids.operator, rbac.PrincipalUser)
	if err != nil {
		return err
	}
	token, err := s.operatorToken(ctx, s.profile.VaultResource())
	if err != nil {
		return err
	}
	secret := caller{manager.client, token.AccessToken}
	if err := secret.do(ctx, http.MethodPut, s.sample.VaultURI+"secrets/"+sampleSecret+"?api-version=7.4", object{"value": samplePhrase}, nil); err != nil {
		return err
	}
	return manager.do(ctx, http.MethodDelete, officer, nil, nil)
}
