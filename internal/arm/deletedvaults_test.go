package arm_test

import (
	"strings"
	"testing"
	"time"

	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/vault"
)

const (
	deletedList = "$SUB/providers/Microsoft.KeyVault/deletedVaults"
	deletedWest = "$SUB/providers/Microsoft.KeyVault/locations/westus/deletedVaults/"
)

// recoverBody is the body of az keyvault recover.
func recoverBody(location string) string {
	return `{"location":"` + location + `","properties":{"tenantId":"$TENANT","sku":{"family":"A","name":"standard"},"createMode":"recover"}}`
}

// named reads a vault by its name, as the data plane does.
func (w *world) named(t *testing.T, name string) (v *vault.Vault, err error) {
	t.Helper()
	err = w.db.View(t.Context(), func(tx *store.Tx) (err error) { v, err = vault.ByName(tx, name); return err })
	return v, err
}

// secret writes one, or reads the value of one where value is "".
func (w *world) secret(t *testing.T, in, name, value string) string {
	t.Helper()
	w.update(func(tx *store.Tx) error {
		v, err := vault.ByName(tx, in)
		if err != nil {
			return err
		}
		if value != "" {
			_, err := vault.SetSecret(tx, w.root, v, name, value, vault.Change{})
			return err
		}
		s, err := vault.GetSecret(tx, w.root, v, name, "")
		if err == nil {
			value = s.Value
		}
		return err
	})
	return value
}

// TestDeletedVault is the life of a vault after its deletion.
func TestDeletedVault(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	const kv, elsewhere = "$RG/providers/$KVS/Kv-One", "$SUB/resourceGroups/rg2/providers/$KVS/kv-one"
	w.run(t, []step{
		{do: "PUT " + kv, want: 200, keep: map[string]string{"$CREATED": "systemData.createdAt"},
			body: strings.Replace(vaultWith(`"softDeleteRetentionInDays":7,"enabledForDeployment":true,"accessPolicies":[{"tenantId":"$TENANT","objectId":"$APP","permissions":{"secrets":["get"]}}]`), `"location"`, `"tags":{"team":"red"},"location"`, 1)},
		{do: "PUT " + kv + "/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: assign("$READER", "$APP", ""), want: 201},
		{do: "GET " + deletedList, want: 200, has: list{`{"value":[]}`}},
		{do: "GET " + deletedWest + "kv-one", want: 404, code: "DeletedVaultNotFound"},
	})
	w.secret(t, "kv-one", "s", "a value")
	before, err := w.named(t, "KV-ONE")
	if err != nil {
		t.Fatal(err)
	}
	w.advance(time.Hour)
	const shown = `{"id":"` + deletedWest + `Kv-One","name":"Kv-One","type":"Microsoft.KeyVault/deletedVaults","properties":{"vaultId":"$RG/providers/Microsoft.KeyVault/vaults/Kv-One","location":"westus","tags":{"team":"red"},"deletionDate":"2026-03-04T06:06:07Z","scheduledPurgeDate":"2026-03-11T06:06:07Z"}}`
	w.run(t, []step{
		{do: "DELETE $SUB/resourcegroups/RG1/PROVIDERS/microsoft.keyvault/VAULTS/KV-ONE", want: 200},
		{do: "DELETE " + kv, want: 204},
		{do: "GET " + kv, want: 404, code: "ResourceNotFound"},
		{do: "GET $SUB/resources", want: 200, hasNot: list{"Kv-One"}},
		{do: "GET $SUB/$ASSIGN", want: 200, hasNot: list{"0000000000a1"}},
		{do: "GET " + deletedList, want: 200, has: list{`{"value":[` + shown + `]}`}},
		{do: "GET $SUB/PROVIDERS/microsoft.keyvault/DELETEDVAULTS?api-version=2016-10-01", want: 200, has: list{shown}},
		{do: "GET " + deletedWest + "KV-ONE", want: 200, has: list{shown}},
		{do: "GET $SUB/providers/Microsoft.KeyVault/locations/West US/deletedvaults/kv-one", want: 200, has: list{shown}},
		{do: "GET $SUB/providers/Microsoft.KeyVault/locations/eastus/deletedVaults/kv-one", want: 404, code: "DeletedVaultNotFound"},
		{do: "GET $SUB/providers/Microsoft.KeyVault/locations/atlantis/deletedVaults/kv-one", want: 404, code: "DeletedVaultNotFound"},
		{do: "GET $SUB/providers/Microsoft.KeyVault/locations/westus/deletedVaults", want: 405, code: "MethodNotAllowed"},
		{do: "DELETE " + deletedWest + "kv-one", want: 405, code: "MethodNotAllowed"},
		{do: "GET $RG/providers/Microsoft.KeyVault/deletedVaults", want: 404, code: "NotFound"},
		{do: "GET $RG/providers/Microsoft.KeyVault/locations/westus/deletedVaults/kv-one", want: 404, code: "NotFound"},
		// The name is taken, and says by what where it may.
		{do: "PUT " + kv, body: vaultBody, want: 409, code: "ConflictError"},
		{do: "PUT " + kv, body: vaultWith(`"createMode":"default"`), want: 409, code: "ConflictError"},
		{do: "PUT " + elsewhere, body: vaultBody, want: 409, code: "VaultAlreadyExists"},
		{do: "PUT " + elsewhere, body: recoverBody("westus"), want: 400, code: "SoftDeletedVaultDoesNotExist"},
		{do: "PUT " + kv, body: recoverBody("eastus"), want: 400, code: "SoftDeletedVaultDoesNotExist"},
		{do: "PUT $RG/providers/$KVS/kv-two", body: recoverBody("westus"), want: 400, code: "SoftDeletedVaultDoesNotExist"},
	})
	if _, err := w.named(t, "kv-one"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the deleted vault is seen: %v", err)
	}
	w.run(t, []step{
		{do: "PUT " + kv, body: strings.ReplaceAll(recoverBody("West US"), "recover", "Recover"), want: 200, has: list{`"id":"$RG/providers/Microsoft.KeyVault/vaults/Kv-One"`, `"tags":{"team":"red"}`, `"enabledForDeployment":true`, `"softDeleteRetentionInDays":7`, `"objectId":"$APP"`,
			`"createdAt":"$CREATED"`, `"lastModifiedAt":"2026-03-04T06:06:07.8901230Z"`}, hasNot: list{"createMode"}},
		{do: "GET " + deletedList, want: 200, has: list{`{"value":[]}`}},
		{do: "GET " + kv, want: 200, has: list{`"vaultUri":"https://kv-one.vault.azure.net/"`}},
		{do: "GET $SUB/resources", want: 200, has: list{"Kv-One"}},
		{do: "GET " + kv + "/$ASSIGN?$V&$filter=atScope()", want: 200, hasNot: list{"0000000000a1"}}, // gone for good, as on Azure
		// Once it is there, such a body is an update that may leave out the access policies.
		{do: "PUT " + kv, body: recoverBody("westus"), want: 200, has: list{`"objectId":"$APP"`}},
	})
	after, err := w.named(t, "kv-one")
	if err != nil || after.ID != before.ID || w.secret(t, "kv-one", "s", "") != "a value" {
		t.Errorf("the vault comes back as %v %v", after, err)
	}
}

// TestPurgeVault: after it, the name is free and nothing is left.
func TestPurgeVault(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	const kv, result = "$RG/providers/$KVS/kv-one", "$SUB/providers/Microsoft.KeyVault/locations/westus/operationResults/"
	w.run(t, []step{{do: "PUT " + kv, body: vaultBody, want: 200}})
	w.secret(t, "kv-one", "s", "a value")
	w.run(t, []step{
		{do: "POST " + deletedWest + "kv-one/purge", want: 404, code: "DeletedVaultNotFound"},
		{do: "DELETE " + kv, want: 200},
		{do: "POST $SUB/providers/Microsoft.KeyVault/locations/eastus/deletedVaults/kv-one/purge", want: 404, code: "DeletedVaultNotFound"},
		{do: "POST " + deletedWest + "kv-one/burn", want: 404, code: "NotFound"},
	})
	a := w.send(t, w.request("", "POST "+strings.ToUpper(w.expand(deletedWest+"kv-one/purge"))+"?$V", ""))
	path, ok := strings.CutPrefix(a.header.Get("Location"), "https://management.azure.com"+w.expand(result))
	if a.status != 202 || a.body != "" || !ok || a.header.Get("Retry-After") != "1" {
		t.Fatalf("purge is answered with %d %v %s", a.status, a.header, a.body)
	}
	w.run(t, []step{
		{do: "GET " + result + path, want: 200},
		{do: "GET " + result + "none", want: 404, code: "ResourceNotFound"},
		{do: "GET " + deletedList, want: 200, has: list{`{"value":[]}`}},
		{do: "POST " + deletedWest + "kv-one/purge", want: 404, code: "DeletedVaultNotFound"},
		{do: "PUT " + kv, body: recoverBody("westus"), want: 400, code: "SoftDeletedVaultDoesNotExist"},
		{do: "PUT $SUB/resourceGroups/rg2/providers/$KVS/kv-one", body: vaultBody, want: 200},
		{do: "GET $SUB/resourceGroups/rg2/providers/$KVS/kv-one/secrets/s", want: 404, code: "SecretNotFound"},
	})
}

// TestVaultRetention: purge protection holds until the retention is over, and
// then the name is free, before and after the sweep.
func TestVaultRetention(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	kv := func(name string) string { return "$RG/providers/$KVS/" + name }
	for _, name := range []string{"kv-one", "kv-two"} {
		w.run(t, []step{
			{do: "PUT " + kv(name), body: vaultWith(`"enablePurgeProtection":true,"softDeleteRetentionInDays":7`), want: 200},
			{do: "DELETE " + kv(name), want: 200},
			{do: "GET " + deletedWest + name, want: 200, has: list{`"purgeProtectionEnabled":true`}},
			{do: "POST " + deletedWest + name + "/purge", want: 405, code: "MethodNotAllowed", has: list{"Operation 'DeletedVaultPurge' is not allowed."}},
		})
	}
	purged := func(want int64) {
		t.Helper()
		w.update(func(tx *store.Tx) error {
			n, err := vault.PurgeExpiredVaults(tx)
			if n != want {
				t.Errorf("%d vaults were purged, not %d", n, want)
			}
			return err
		})
	}
	w.advance(7*24*time.Hour - time.Microsecond)
	w.tokens["operator"] = w.issue(w.callers["operator"])
	purged(0)
	w.run(t, []step{{do: "GET " + deletedWest + "kv-one", want: 200}, {do: "PUT " + kv("kv-one"), body: vaultBody, want: 409, code: "ConflictError"}})
	w.advance(time.Microsecond)
	w.run(t, []step{
		{do: "GET " + deletedList, want: 200, has: list{`{"value":[]}`}},
		{do: "GET " + deletedWest + "kv-one", want: 404, code: "DeletedVaultNotFound"},
		{do: "PUT " + kv("kv-one"), body: recoverBody("westus"), want: 400, code: "SoftDeletedVaultDoesNotExist"},
		{do: "POST $SUB/providers/Microsoft.KeyVault/checkNameAvailability", body: `{"name":"kv-one","type":"Microsoft.KeyVault/vaults"}`, want: 200, has: list{`"nameAvailable":true`}},
		{do: "PUT " + kv("kv-one"), body: vaultBody, want: 200, hasNot: list{"enablePurgeProtection"}},
	})
	purged(1) // the other one
	w.run(t, []step{{do: "GET " + kv("kv-one"), want: 200}, {do: "PUT " + kv("kv-two"), body: vaultBody, want: 200}})
}

// TestDeletedVaultPermissions: each verb asks for its own right, at the subscription.
func TestDeletedVaultPermissions(t *testing.T) {
	const contributor = "f25e0fa2-a7c8-4377-a976-54943a77a395" // Key Vault Contributor
	w := newWorld(t)
	w.groups(t, "rg1")
	w.run(t, []step{{do: "PUT $RG/providers/$KVS/kv-one", body: vaultBody, want: 200}, {do: "DELETE $RG/providers/$KVS/kv-one", want: 200}})
	refused := []step{
		{as: "app", do: "GET " + deletedList, want: 403, code: "AuthorizationFailed", has: list{"'Microsoft.KeyVault/deletedVaults/read'"}},
		{as: "app", do: "GET " + deletedWest + "kv-one", want: 403, code: "AuthorizationFailed", has: list{"'Microsoft.KeyVault/locations/deletedVaults/read'"}},
		{as: "app", do: "POST " + deletedWest + "kv-one/purge", want: 403, code: "AuthorizationFailed", has: list{"'Microsoft.KeyVault/locations/deletedVaults/purge/action'"}},
		{as: "app", do: "PUT $RG/providers/$KVS/kv-one", body: recoverBody("westus"), want: 403, code: "AuthorizationFailed"},
	}
	w.run(t, refused)
	w.grant("app", rbac.Contributor, "$RG") // which is not where a deleted vault is
	w.run(t, refused[:3])
	w.revoke("app")
	w.grant("app", contributor, "$SUB")
	w.run(t, []step{
		{as: "app", do: "GET " + deletedList, want: 200, has: list{"kv-one"}},
		{as: "app", do: "GET " + deletedWest + "kv-one", want: 200},
		refused[2],
	})
	w.run(t, []step{{as: "app", do: "PUT $RG/providers/$KVS/kv-one", body: recoverBody("westus"), want: 200}})
	w.run(t, []step{ // a group takes its vaults with it, and recovering one takes a group
		{do: "DELETE $RG", want: 200},
		{do: "GET " + deletedWest + "kv-one", want: 200},
		{do: "PUT $RG/providers/$KVS/kv-one", body: recoverBody("westus"), want: 404, code: "ResourceGroupNotFound"},
	})
	w.groups(t, "RG1")
	w.run(t, []step{{do: "PUT $RG/providers/$KVS/kv-one", body: recoverBody("westus"), want: 200, has: list{`"id":"$SUB/resourceGroups/RG1/providers/Microsoft.KeyVault/vaults/kv-one"`}}})
}

// TestManagedHSMs: there are none, which clients that list vaults want to hear.
func TestManagedHSMs(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const none = `{"value":[]}`
	w.run(t, []step{
		{do: "GET $SUB/providers/Microsoft.KeyVault/managedHSMs?api-version=2022-07-01", want: 200, has: list{none}},
		{do: "GET $RG/providers/microsoft.keyvault/managedhsms", want: 200, has: list{none}},
		{do: "GET $SUB/resourceGroups/rg9/providers/Microsoft.KeyVault/managedHSMs", want: 404, code: "ResourceGroupNotFound"},
		{do: "GET $SUB/providers/Microsoft.KeyVault/deletedManagedHSMs", want: 200, has: list{none}},
		{do: "GET $RG/providers/Microsoft.KeyVault/managedHSMs/hsm1", want: 404, code: "ResourceNotFound"},
		{do: "PUT $RG/providers/Microsoft.KeyVault/managedHSMs/hsm1", body: `{"location":"westus"}`, want: 405, code: "MethodNotAllowed"},
		{as: "app", do: "GET $SUB/providers/Microsoft.KeyVault/managedHSMs", want: 403, code: "AuthorizationFailed"},
	})
	w.grant("app", rbac.Reader, "$RG") // sees its part of every list, and so of this one
	w.run(t, []step{
		{as: "app", do: "GET $SUB/providers/Microsoft.KeyVault/managedHSMs", want: 200, has: list{none}},
		{as: "app", do: "GET $SUB/providers/Microsoft.KeyVault/deletedManagedHSMs", want: 403, code: "AuthorizationFailed"},
	})
}
