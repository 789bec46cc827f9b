package arm_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestResourceGroups(t *testing.T) {
	w := newWorld(t)
	w.run(t, []step{
		{do: "HEAD $RG", want: 404},
		{do: "GET $RG", want: 404, code: "ResourceGroupNotFound", has: list{"Resource group 'rg1' could not be found."}},
		{do: "PUT $SUB/resourcegroups/rg1", body: `{"location":"West US","tags":{"team":"blue"}}`, want: 201,
			has: list{`"id":"$RG"`, `"name":"rg1"`, `"type":"Microsoft.Resources/resourceGroups"`, `"location":"westus"`, `"tags":{"team":"blue"}`, `"properties":{"provisioningState":"Succeeded"}`}},
		{do: "HEAD $RG", want: 204},
		{do: "GET $SUB/RESOURCEGROUPS/RG1/", want: 200, has: list{`"id":"$RG"`, `"name":"rg1"`}},
		{do: "PUT $RG", body: `{"location":"westus"}`, want: 200, hasNot: list{"blue"}},
		{do: "PUT $SUB/resourceGroups/RG1", body: `{"location":"westus","managedBy":"/x"}`, want: 200, has: list{`"name":"RG1"`, `"managedBy":"/x"`}},
		{do: "PUT $RG", body: `{"location":"westus","tags":{"a":"1","b":"2"}}`, want: 200},
		{do: "PATCH $RG", body: `{"tags":{"c":"3"}}`, want: 200, has: list{`"tags":{"c":"3"}`}},
		{do: "PATCH $RG", body: `{"location":"westus"}`, want: 200, has: list{`"tags":{"c":"3"}`}},
		{do: "PATCH $RG", body: `{"tags":{}}`, want: 200, hasNot: list{`"c"`}},
		{do: "PATCH $SUB/resourceGroups/none", body: `{"tags":{}}`, want: 404, code: "ResourceGroupNotFound"},
		{do: "PUT $RG", body: `{"location":"eastus"}`, want: 409, code: "InvalidResourceGroupLocation"},
		{do: "PATCH $RG", body: `{"location":"eastus"}`, want: 409, code: "InvalidResourceGroupLocation"},
		{do: "PUT $SUB/resourceGroups/rg2", body: `{}`, want: 400, code: "LocationRequired"},
		{do: "PUT $SUB/resourceGroups/rg2", body: `{"location":"atlantis"}`, want: 400, code: "LocationNotAvailableForResourceGroup"},
		{do: "POST $RG", body: `{}`, want: 405, code: "MethodNotAllowed"},
		{do: "DELETE $RG", want: 200},
		{do: "DELETE $RG", want: 404, code: "ResourceGroupNotFound"},
		{do: "HEAD $RG", want: 404},
	})
}

func TestResourceGroupNames(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]int{
		"a": 201, "a.b-c_(d)": 201, "caf%C3%A9-%E6%97%A5%E6%9C%AC": 201, strings.Repeat("x", 90): 201,
		strings.Repeat("x", 91): 400, "ends.": 400, "a%20b": 400, "a%2Bb": 400, "a$b": 400, "a*b": 400,
	} {
		code := ""
		if want == 400 {
			code = "InvalidResourceGroupName"
		}
		w.run(t, []step{{do: "PUT $SUB/resourceGroups/" + name, body: `{"location":"westus"}`, want: want, code: code}})
	}
	w.run(t, []step{
		{do: "PUT $SUB/resourceGroups/a%2Fb", body: `{"location":"westus"}`, want: 400, code: "InvalidResourceName"},
		{do: "PUT $SUB/resourceGroups/a%00b", body: `{"location":"westus"}`, want: 400, code: "InvalidResourceName"},
		{do: "PUT $SUB/resourceGroups/a%FFb", body: `{"location":"westus"}`, want: 400, code: "InvalidResourceName"},
		{do: "GET $SUB/resourceGroups/caf%C3%A9-%E6%97%A5%E6%9C%AC", want: 200, has: list{`"name":"café-日本"`}},
	})
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	tags := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"t%d":"v"`, i))
		}
		return strings.Join(all, ",")
	}
	for _, c := range []struct {
		name, tags string
		want       int
		code       string
	}{
		{"fifty", tags(50), 200, ""},
		{"fifty-one", tags(51), 400, "TooManyTags"},
		{"longest name", `"` + strings.Repeat("n", 512) + `":""`, 200, ""},
		{"name too long", `"` + strings.Repeat("n", 513) + `":""`, 400, "InvalidTagNameOrValue"},
		{"longest value", `"n":"` + strings.Repeat("é", 256) + `"`, 200, ""},
		{"value too long", `"n":"` + strings.Repeat("é", 257) + `"`, 400, "InvalidTagNameOrValue"},
		{"no name", `"":"v"`, 400, "InvalidTagNameOrValue"},
		{"slash", `"a/b":"v"`, 400, "InvalidTagNameOrValue"},
		{"percent", `"a%":"v"`, 400, "InvalidTagNameOrValue"},
		{"control", `"a\u0001":"v"`, 400, "InvalidTagNameOrValue"},
		{"same name in another case", `"A":"1","a":"2"`, 400, "InvalidTagNameOrValue"},
		{"values keep their case", `"Team":"BLUE & <green>"`, 200, ""},
		{"not text", `"a":1`, 400, "InvalidRequestContent"},
		{"nested", `"a":{"b":"c"}`, 400, "InvalidRequestContent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.groups(t, "rg1")
			w.run(t, []step{
				{do: "PUT $RG", body: `{"location":"westus","tags":{` + c.tags + `}}`, want: c.want, code: c.code},
				{do: "PATCH $RG", body: `{"tags":{` + c.tags + `}}`, want: c.want, code: c.code},
				{do: "DELETE $RG", want: 200},
			})
		})
	}
	w.groups(t, "rg1")
	w.run(t, []step{{do: "PUT $RG", body: `{"location":"westus","tags":{"Team":"BLUE & <green>"}}`, want: 200, has: list{`{"Team":"BLUE & <green>"}`}}})
}

// TestDeleteGroup shows that everything in a group goes with it.
func TestDeleteGroup(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1", "rg10")
	w.run(t, []step{
		{do: "PUT $RG/providers/$VMS/vm1", body: `{"location":"westus","identity":{"type":"SystemAssigned"},"properties":{}}`, want: 201, keep: map[string]string{"$VMOID": "identity.principalId"}},
		{do: "PUT $RG/providers/$IDS/id1", body: `{"location":"westus"}`, want: 201, keep: map[string]string{"$IDOID": "properties.principalId"}},
		{do: "PUT $RG/providers/$KVS/kv-one", body: vaultBody, want: 200},
		{do: "PUT $SUB/resourceGroups/rg10/providers/$VMS/vm1", body: `{"location":"westus","properties":{}}`, want: 201},
		{do: "PUT $RG/$ASSIGN/00000000-0000-0000-0000-0000000000a1", body: assign("$READER", "$APP", ""), want: 201},
		{do: "PUT $RG/providers/$VMS/vm1/$ASSIGN/00000000-0000-0000-0000-0000000000a2", body: assign("$READER", "$APP", ""), want: 201},
		{do: "PUT $SUB/$ASSIGN/00000000-0000-0000-0000-0000000000a3", body: assign("$READER", "$VMOID", ""), want: 201},
		{do: "PUT $SUB/resourceGroups/rg10/$ASSIGN/00000000-0000-0000-0000-0000000000a4", body: assign("$READER", "$APP", ""), want: 201},
		{do: "DELETE $RG", want: 200},
		{do: "GET $SUB/resources", want: 200, has: list{"rg10"}, hasNot: list{"rg1/"}},
		{do: "GET $SUB/$ASSIGN", want: 200, has: list{"00a3", "00a4"}, hasNot: list{"00a1", "00a2"}},
		{do: "GET $RG/providers/$VMS/vm1", want: 404, code: "ResourceGroupNotFound"},
		{do: "POST $SUB/providers/Microsoft.KeyVault/checkNameAvailability", body: `{"name":"kv-one","type":"Microsoft.KeyVault/vaults"}`, want: 200, has: list{`"nameAvailable":false`}},
		{do: "GET $SUB/providers/Microsoft.KeyVault/deletedVaults", want: 200, has: list{`"vaultId":"$RG/providers/Microsoft.KeyVault/vaults/kv-one"`}},
		// The principals are gone: nobody can be given a role by their ids.
		{do: "PUT $SUB/$ASSIGN/00000000-0000-0000-0000-0000000000a5", body: assign("$CONTRIBUTOR", "$VMOID", ""), want: 400, code: "PrincipalNotFound"},
		{do: "PUT $SUB/$ASSIGN/00000000-0000-0000-0000-0000000000a5", body: assign("$CONTRIBUTOR", "$IDOID", ""), want: 400, code: "PrincipalNotFound"},
	})
}

// vaultBody makes a vault with access policies.
const vaultBody = `{"location":"westus","properties":{"tenantId":"$TENANT","sku":{"family":"A","name":"standard"},"accessPolicies":[]}}`

// assign is the body of a role assignment; typ may be "".
func assign(role, principal, typ string) string {
	if typ != "" {
		typ = `,"principalType":"` + typ + `"`
	}
	return `{"properties":{"roleDefinitionId":"$SUB/$ROLES/` + role + `","principalId":"` + principal + `"` + typ + `}}`
}
