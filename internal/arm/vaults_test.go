package arm_test

import (
	"fmt"
	"strings"
	"testing"

	"midas/internal/rbac"
)

// vaultWith makes a vault's body from more members of its properties.
func vaultWith(more string) string { return strings.Replace(vaultBody, `"accessPolicies":[]`, more, 1) }

func TestVault(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv = "$RG/providers/$KVS/Kv-One"
	w.run(t, []step{
		{do: "GET " + kv, want: 404, code: "ResourceNotFound"},
		{do: "PUT " + kv, body: vaultBody, want: 200, has: list{
			`{"id":"$RG/providers/Microsoft.KeyVault/vaults/Kv-One","name":"Kv-One","type":"Microsoft.KeyVault/vaults","location":"westus","tags":{}`,
			`"sku":{"family":"A","name":"standard"}`, `"tenantId":"$TENANT"`, `"accessPolicies":[]`, `"vaultUri":"https://kv-one.vault.azure.net/"`, `"provisioningState":"Succeeded"`,
			`"enableSoftDelete":true`, `"softDeleteRetentionInDays":90`, `"publicNetworkAccess":"Enabled"`,
			`"systemData":{"createdBy":"$OPERATOR","createdByType":"User","createdAt":"2026-03-04T05:06:07.8901230Z","lastModifiedBy":"$OPERATOR","lastModifiedByType":"User"`},
			hasNot: list{"enableRbacAuthorization", "enablePurgeProtection", "createMode", "etag"}},
		{do: "GET " + kv, want: 200, has: list{`"name":"Kv-One"`}},
		// az set-policy puts the whole answer back.
		{do: "PUT " + kv, body: `{"location":"westus","tags":{"a":"b"},"systemData":{"createdBy":"x"},"id":"x","name":"y","type":"z","properties":{"tenantId":"$TENANT","sku":{"family":"a","name":"Premium"},
			"accessPolicies":[{"tenantId":"$TENANT","objectId":"$APP","permissions":{"secrets":["get","LIST"],"keys":[]}}],"vaultUri":"https://elsewhere.example/","provisioningState":"Failed","enableSoftDelete":true,"softDeleteRetentionInDays":90,"publicNetworkAccess":"Enabled",
			"networkAcls":{"bypass":"AzureServices","defaultAction":"Allow","ipRules":[],"virtualNetworkRules":[]}}}`, want: 200,
			has:    list{`"name":"premium"`, `"objectId":"$APP","permissions":{"keys":[],"secrets":["get","LIST"]}`, `"vaultUri":"https://kv-one.vault.azure.net/"`, `"provisioningState":"Succeeded"`, `"tags":{"a":"b"}`},
			hasNot: list{"elsewhere", `"createdBy":"x"`, "networkAcls"}},
		{do: "PATCH " + kv, body: `{"properties":{"enabledForDeployment":true}}`, want: 200, has: list{`"enabledForDeployment":true`, `"objectId":"$APP"`, `"name":"premium"`}},
		{do: "PATCH " + kv, body: `{"tags":{"c":"d"}}`, want: 200, has: list{`"enabledForDeployment":true`, `"tags":{"c":"d"}`}},
		{do: "PATCH " + kv, body: `{"properties":{"accessPolicies":[]}}`, want: 200, has: list{`"accessPolicies":[]`}},
		{do: "GET $RG/providers/$KVS", want: 200, has: list{"Kv-One"}},
		{do: "GET $SUB/providers/$KVS", want: 200, has: list{"Kv-One"}},
		{do: "DELETE " + kv, want: 200},
		{do: "DELETE " + kv, want: 204},
		{do: "GET " + kv, want: 404, code: "ResourceNotFound"},
	})
}

func TestVaultNames(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg2")
	for name, want := range map[string]int{
		"abc": 200, "a-b-c": 200, "A1b": 200, "a" + strings.Repeat("b", 23): 200, "a" + strings.Repeat("b", 24): 400, "a-" + strings.Repeat("b", 23): 400,
		"ab": 400, "1abc": 400, "-abc": 400, "abc-": 400, "a--b": 400, "a_bc": 400, "a.bc": 400, "caf%C3%A9": 400,
	} {
		code := ""
		if want == 400 {
			code = "VaultNameNotValid"
		}
		w.run(t, []step{{do: "PUT $RG/providers/$KVS/" + name, body: vaultBody, want: want, code: code}})
	}
	check := func(body string, has ...string) step {
		return step{do: "POST $SUB/providers/Microsoft.KeyVault/checkNameAvailability", body: body, want: 200, has: has}
	}
	w.run(t, []step{
		{do: "PUT $SUB/resourceGroups/rg2/providers/$KVS/ABC", body: vaultBody, want: 409, code: "VaultAlreadyExists", has: list{"The vault name 'ABC' is already in use."}},
		{do: "PUT $RG/providers/$KVS/ABC", body: vaultBody, want: 200, has: list{`"name":"ABC"`, "https://abc.vault.azure.net/"}},
		check(`{"name":"ABC","type":"Microsoft.KeyVault/vaults"}`, `"nameAvailable":false`, `"reason":"AlreadyExists"`),
		check(`{"name":"unused","type":"microsoft.keyvault/VAULTS"}`, `{"nameAvailable":true}`),
		check(`{"name":"a--b","type":"Microsoft.KeyVault/vaults"}`, `"nameAvailable":false`, `"reason":"AccountNameInvalid"`),
		{do: "POST $SUB/providers/Microsoft.KeyVault/checkNameAvailability", body: `{"name":"x","type":"Microsoft.Compute/virtualMachines"}`, want: 400, code: "BadRequest"},
		{do: "POST $SUB/providers/Microsoft.KeyVault/checkNameAvailability", body: `{"name":7}`, want: 400, code: "InvalidRequestContent"},
		{as: "app", do: "POST $SUB/providers/Microsoft.KeyVault/checkNameAvailability", body: `{"name":"x"}`, want: 403, code: "AuthorizationFailed", has: list{"Microsoft.KeyVault/checkNameAvailability/read"}},
		{do: "DELETE $RG/providers/$KVS/abc", want: 200},
		check(`{"name":"Abc","type":"Microsoft.KeyVault/vaults"}`, `"nameAvailable":false`, `"reason":"AlreadyExists"`),
		{do: "PUT $SUB/resourceGroups/rg2/providers/$KVS/ABC", body: vaultBody, want: 409, code: "VaultAlreadyExists", has: list{"recently deleted but not purged"}},
		{do: "PUT $RG/providers/$KVS/ABC", body: vaultBody, want: 409, code: "ConflictError", has: list{"You need to either recover or purge existing key vault."}},
	})
}

func TestVaultRefused(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv = "$RG/providers/$KVS/kv-one"
	policy := func(tenant, object, permissions string) string {
		return vaultWith(`"accessPolicies":[{"tenantId":"` + tenant + `","objectId":"` + object + `","permissions":` + permissions + `}]`)
	}
	for _, c := range []struct{ body, code, target string }{
		{`{"location":"westus","properties":{}}`, "BadRequest", "properties.tenantId"},
		{`{"location":"westus"}`, "BadRequest", "properties.tenantId"},
		{strings.Replace(vaultBody, "$TENANT", "11111111-2222-3333-4444-555555555555", 1), "BadRequest", "properties.tenantId"},
		{strings.Replace(vaultBody, "standard", "platinum", 1), "BadRequest", "properties.sku"},
		{strings.Replace(vaultBody, `"A"`, `"B"`, 1), "BadRequest", "properties.sku"},
		{policy("$TENANT", "nobody", `{}`), "BadRequest", "properties.accessPolicies"},
		{policy("11111111-2222-3333-4444-555555555555", "$APP", `{}`), "BadRequest", "properties.accessPolicies"},
		{policy("$TENANT", "$APP", `{"secrets":["peek"]}`), "BadRequest", "properties.accessPolicies"},
		{policy("$TENANT", "$APP", `{"secrets":"get"}`), "InvalidRequestContent", "properties.accessPolicies.permissions.secrets"},
		{vaultWith(`"enableSoftDelete":false`), "BadRequest", "properties.enableSoftDelete"},
		{vaultWith(`"softDeleteRetentionInDays":6`), "BadRequest", "properties.softDeleteRetentionInDays"},
		{vaultWith(`"softDeleteRetentionInDays":91`), "BadRequest", "properties.softDeleteRetentionInDays"},
		{vaultWith(`"softDeleteRetentionInDays":7.5`), "InvalidRequestContent", "properties.softDeleteRetentionInDays"},
		{vaultWith(`"enablePurgeProtection":false`), "BadRequest", "properties.enablePurgeProtection"},
		{vaultWith(`"networkAcls":{"defaultAction":"Refuse"}`), "BadRequest", "properties.networkAcls.defaultAction"},
		{vaultWith(`"networkAcls":{"bypass":"Everyone"}`), "BadRequest", "properties.networkAcls.bypass"},
		{vaultWith(`"networkAcls":{"ipRules":[{"value":"10.0.0.1/8"}]}`), "BadRequest", "properties.networkAcls.ipRules"},
		{vaultWith(`"networkAcls":{"ipRules":[{"value":"10.0.0.256"}]}`), "BadRequest", "properties.networkAcls.ipRules"},
		{vaultWith(`"networkAcls":{"ipRules":[{"value":"::1"}]}`), "BadRequest", "properties.networkAcls.ipRules"},
		{vaultWith(`"networkAcls":{"ipRules":[{}]}`), "BadRequest", "properties.networkAcls.ipRules"},
		{vaultWith(`"networkAcls":{"virtualNetworkRules":[{"id":"$RG"}]}`), "BadRequest", "properties.networkAcls.virtualNetworkRules"},
		{vaultWith(`"publicNetworkAccess":"Sometimes"`), "BadRequest", "properties.publicNetworkAccess"},
		{vaultWith(`"createMode":"again"`), "BadRequest", "properties.createMode"},
		{policies(1025), "BadRequest", "properties.accessPolicies"},
	} {
		w.run(t, []step{{do: "PUT " + kv, body: c.body, want: 400, code: c.code, has: list{`"target":"` + c.target + `"`}}})
	}
	w.run(t, []step{
		{do: "GET " + kv, want: 404, code: "ResourceNotFound"},
		{do: "POST $SUB/providers/Microsoft.KeyVault/checkNameAvailability", body: `{"name":"kv-one","type":"Microsoft.KeyVault/vaults"}`, want: 200, has: list{`"nameAvailable":true`}},
	})
}

// TestVaultOneWay: soft delete stays on, its days stay, purge protection does
// not go away.
func TestVaultOneWay(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv = "$RG/providers/$KVS/kv-one"
	w.run(t, []step{
		{do: "PUT " + kv, body: vaultWith(`"softDeleteRetentionInDays":7`), want: 200, has: list{`"softDeleteRetentionInDays":7`}},
		{do: "PUT " + kv, body: vaultBody, want: 200, has: list{`"softDeleteRetentionInDays":7`}},
		{do: "PUT " + kv, body: vaultWith(`"softDeleteRetentionInDays":7`), want: 200},
		{do: "PUT " + kv, body: vaultWith(`"softDeleteRetentionInDays":30`), want: 400, code: "BadRequest"},
		{do: "PATCH " + kv, body: `{"properties":{"softDeleteRetentionInDays":30}}`, want: 400, code: "BadRequest"},
		{do: "PATCH " + kv, body: `{"properties":{"enableSoftDelete":false}}`, want: 400, code: "BadRequest"},
		{do: "PATCH " + kv, body: `{"properties":{"enablePurgeProtection":true}}`, want: 200, has: list{`"enablePurgeProtection":true`}},
		{do: "PATCH " + kv, body: `{"properties":{"enablePurgeProtection":false}}`, want: 400, code: "BadRequest"},
		{do: "PATCH " + kv, body: `{"properties":{"enablePurgeProtection":null,"softDeleteRetentionInDays":null}}`, want: 200, has: list{`"enablePurgeProtection":true`, `"softDeleteRetentionInDays":7`}},
		{do: "PUT " + kv, body: vaultBody, want: 200, has: list{`"enablePurgeProtection":true`}},
	})
}

// TestVaultPermissionModel: roles are the default of a new vault from
// 2026-02-01 on; a change of the model needs the right to assign roles.
func TestVaultPermissionModel(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv, before, from = "$RG/providers/$KVS/", "?api-version=2025-05-01", "?api-version=2026-02-01"
	w.run(t, []step{
		{do: "PUT " + kv + "kv-old" + before, body: vaultBody, want: 200, hasNot: list{"enableRbacAuthorization"}},
		{do: "PUT " + kv + "kv-old" + from, body: vaultBody, want: 200, hasNot: list{"enableRbacAuthorization"}}, // an update
		{do: "PUT " + kv + "kv-new" + from, body: vaultBody, want: 200, has: list{`"enableRbacAuthorization":true`}},
		{do: "PUT " + kv + "kv-new" + before, body: vaultBody, want: 200, has: list{`"enableRbacAuthorization":true`}},
		{do: "PUT " + kv + "kv-pol" + from, body: vaultWith(`"enableRbacAuthorization":false`), want: 200, has: list{`"enableRbacAuthorization":false`}},
		{do: "PUT " + kv + "kv-nul" + from, body: vaultWith(`"enableRbacAuthorization":null`), want: 200, has: list{`"enableRbacAuthorization":true`}},
		{do: "PUT " + kv + "kv-rol" + before, body: vaultWith(`"enableRbacAuthorization":true`), want: 200, has: list{`"enableRbacAuthorization":true`}},
	})
	w.grant("app", rbac.Contributor, "$RG")
	const linked = "LinkedAuthorizationFailed"
	w.run(t, []step{
		{as: "app", do: "PATCH " + kv + "kv-old", body: `{"properties":{"enableRbacAuthorization":true}}`, want: 403, code: linked, has: list{"Microsoft.Authorization/roleAssignments/write", kv + "kv-old"}},
		{as: "app", do: "PUT " + kv + "kv-new", body: vaultWith(`"enableRbacAuthorization":false`), want: 403, code: linked},
		{as: "app", do: "PATCH " + kv + "kv-new", body: `{"properties":{"enableRbacAuthorization":null}}`, want: 200, has: list{`"enableRbacAuthorization":true`}},
		{as: "app", do: "PATCH " + kv + "kv-old", body: `{"properties":{"enableRbacAuthorization":false}}`, want: 200, has: list{`"createdByType":"User"`, `"lastModifiedBy":"$APP","lastModifiedByType":"Application"`}},
		{do: "PATCH " + kv + "kv-old", body: `{"properties":{"enableRbacAuthorization":true}}`, want: 200, has: list{`"enableRbacAuthorization":true`}},
	})
}

// policies is a vault's body with so many access policies.
func policies(n int) string {
	var all list
	for i := range n {
		all = append(all, fmt.Sprintf(`{"tenantId":"$TENANT","objectId":"00000000-0000-0000-0000-%012x","permissions":{"secrets":["get"]}}`, i))
	}
	return vaultWith(`"accessPolicies":[` + strings.Join(all, ",") + `]`)
}

func TestVaultNetwork(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv, subnet = "$RG/providers/$KVS/kv-one", "$RG/providers/Microsoft.Network/virtualNetworks/net1/subnets/sub1"
	w.run(t, []step{
		{do: "PUT " + kv, body: vaultWith(`"publicNetworkAccess":"disabled","networkAcls":{}`), want: 200,
			has: list{`"publicNetworkAccess":"Disabled"`, `"enabledForDeployment":false`}, hasNot: list{"networkAcls"}},
		{do: "PATCH " + kv, body: `{"properties":{"networkAcls":{"defaultAction":"deny","bypass":"none","ipRules":[{"value":"203.0.113.7"},{"value":"198.51.100.0/24"}],"virtualNetworkRules":[{"id":"` + subnet + `"}]}}}`, want: 200,
			has: list{`"networkAcls":{"bypass":"None","defaultAction":"Deny","ipRules":[{"value":"203.0.113.7/32"},{"value":"198.51.100.0/24"}],"virtualNetworkRules":[{"id":"` + subnet + `"}]}`, `"publicNetworkAccess":"Disabled"`}},
		{do: "PATCH " + kv, body: `{"properties":{"publicNetworkAccess":"Enabled","networkAcls":{"ipRules":[]}}}`, want: 200,
			has: list{`"defaultAction":"Deny","ipRules":[],`, subnet, `"publicNetworkAccess":"Enabled"`}},
		{do: "PATCH " + kv, body: `{"properties":{"networkAcls":{"defaultAction":7}}}`, want: 400, code: "InvalidRequestContent"},
		{do: "GET " + kv, want: 200, has: list{`"defaultAction":"Deny"`}},
		{do: "PATCH " + kv, body: `{"properties":{"networkAcls":null}}`, want: 200, hasNot: list{"networkAcls"}},
	})
}

// TestVaultRoundTrip: clients put back what they got, members that nobody may
// write included, and nothing changes but who wrote last and when.
func TestVaultRoundTrip(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv = "$RG/providers/$KVS/kv-one"
	full := vaultWith(`"accessPolicies":[{"tenantId":"$TENANT","objectId":"$APP","applicationId":"$MACHINE","permissions":{"keys":["all"],"secrets":["Get"],"certificates":[],"storage":["set"]}}],
		"enabledForDeployment":false,"enabledForDiskEncryption":true,"enabledForTemplateDeployment":true,"enablePurgeProtection":true,"enableRbacAuthorization":false,"softDeleteRetentionInDays":30,
		"networkAcls":{"bypass":"None","defaultAction":"Deny","ipRules":[{"value":"203.0.113.0/24"}],"virtualNetworkRules":[]}`)
	w.run(t, []step{{do: "PUT " + kv, body: strings.Replace(full, `"location"`, `"tags":{"a":"b"},"location"`, 1), want: 200}})
	for _, version := range []string{"2015-06-01", "2019-09-01", "2022-07-01", "2026-02-01", "2026-03-01-preview"} {
		do := kv + "?api-version=" + version
		got := w.send(t, w.request("", "GET "+do, ""))
		again := w.send(t, w.request("", "PUT "+do, got.body))
		if again.status != 200 || again.body != got.body {
			t.Errorf("%s: %s\nis answered with %d %s", version, got.body, again.status, again.body)
		}
	}
	w.run(t, []step{
		{do: "PUT " + kv, body: policies(1024), want: 200},
		{do: "PATCH " + kv, body: `{"properties":{"sku":{"family":"A","name":"PREMIUM"}}}`, want: 200, has: list{`"sku":{"family":"A","name":"premium"}`, `"objectId":"00000000-0000-0000-0000-0000000003ff"`}},
		{do: "PUT " + kv + "/accessPolicies/add", body: `{"properties":{"accessPolicies":[{"tenantId":"$TENANT","objectId":"$APP","permissions":{}}]}}`, want: 400, code: "BadRequest", has: list{"1024"}},
	})
}

func TestAccessPolicies(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const kv = "$RG/providers/$KVS/kv-one"
	change := func(operation, object, permissions string, has ...string) step {
		return step{do: "PUT " + kv + "/accessPolicies/" + operation, want: 200, has: has,
			body: `{"properties":{"accessPolicies":[{"tenantId":"$TENANT","objectId":"` + object + `","permissions":` + permissions + `}]}}`}
	}
	bad := func(s step, code string, status int) step { s.want, s.code = status, code; return s }
	w.run(t, []step{
		{do: "PUT " + kv, body: vaultBody, want: 200},
		change("add", "$APP", `{"secrets":["get"]}`, `{"id":"`+kv+`/accessPolicies/","type":"Microsoft.KeyVault/vaults/accessPolicies","location":"westus","properties":{"accessPolicies":[{"tenantId":"$TENANT","objectId":"$APP","permissions":{"secrets":["get"]}}]}}`),
		change("Add", "$APP", `{"secrets":["GET","list"],"keys":["sign"]}`, `"secrets":["GET","list"]`, `"keys":["sign"]`),
		change("add", "$MACHINE", `{"secrets":["set"]}`, `"objectId":"$APP"`, `"objectId":"$MACHINE"`),
		change("remove", "$APP", `{"secrets":["Get"]}`, `"secrets":["list"]`, `"keys":["sign"]`),
		change("replace", "$APP", `{"secrets":["purge"]}`, `"objectId":"$APP","permissions":{"secrets":["purge"]}`),
		{do: "GET " + kv, want: 200, has: list{`"secrets":["purge"]`, `"secrets":["set"]`}, hasNot: list{"sign"}},
		change("remove", "$APP", `{"secrets":["purge"]}`, "$MACHINE"),
		{do: "GET " + kv, want: 200, hasNot: list{"$APP"}},
		change("remove", "$OPERATOR", `{"secrets":["get"]}`, "$MACHINE"), // nothing to remove
		bad(change("toggle", "$APP", `{}`), "BadRequest", 400),
		bad(change("add", "nobody", `{}`), "BadRequest", 400),
		bad(change("add", "$APP", `{"secrets":["peek"]}`), "BadRequest", 400),
		bad(change("add", "$APP", `7`), "InvalidRequestContent", 400),
		{do: "GET " + kv + "/accessPolicies/add", want: 405, code: "MethodNotAllowed"},
		{do: "DELETE " + kv + "/accessPolicies/add", want: 405, code: "MethodNotAllowed"},
		{as: "app", do: "PUT " + kv + "/accessPolicies/add", body: `{}`, want: 403, code: "AuthorizationFailed", has: list{"Microsoft.KeyVault/vaults/accessPolicies/write"}},
	})
}
