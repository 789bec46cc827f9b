package arm_test

import (
	"testing"

	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

func TestSubscriptions(t *testing.T) {
	w := newWorld(t)
	w.update(func(tx *store.Tx) error {
		_, err := directory.CreateSubscription(tx, directory.Subscription{ID: "22222222-0000-0000-0000-000000000002", Tenant: testTenant, DisplayName: "Test"})
		return err
	})
	shape := `{"id":"$SUB","authorizationSource":"RoleBased","managedByTenants":[],"subscriptionId":"` + testSub + `","tenantId":"$TENANT","displayName":"Pay","state":"Enabled","subscriptionPolicies":{`
	w.run(t, []step{
		{do: "GET /subscriptions?api-version=2019-11-01", want: 200, has: list{`{"value":[` + shape, `"displayName":"Test"`, `"count":{"type":"Total","value":2}`}},
		{do: "GET $SUB?api-version=2022-12-01", want: 200, has: list{shape}},
		{as: "app", do: "GET /subscriptions", want: 200, has: list{`{"value":[],"count":{"type":"Total","value":0}}`}},
		{as: "app", do: "GET $SUB", want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "GET $SUB/locations", want: 403, code: "AuthorizationFailed"},
		{as: "app", do: "GET $SUB/providers", want: 403, code: "AuthorizationFailed"},
		{do: "GET /subscriptions/99999999-0000-0000-0000-000000000000", want: 404, code: "SubscriptionNotFound"},
		{do: "PUT $SUB", body: "{}", want: 405, code: "MethodNotAllowed"},
		{do: "POST /subscriptions", body: "{}", want: 405, code: "MethodNotAllowed"},
	})
	// A role on one resource is enough to see the subscription that it is in.
	w.groups(t, "rg1")
	w.grant("app", rbac.Reader, "$RG/providers/$VMS/vm1")
	w.run(t, []step{
		{as: "app", do: "GET /subscriptions", want: 200, has: list{shape, `"count":{"type":"Total","value":1}`}, hasNot: list{"22222222"}},
		{as: "app", do: "GET $SUB", want: 200, has: list{shape}},
		{as: "app", do: "GET $SUB/locations", want: 200},
		{as: "app", do: "GET $SUB/resourceGroups", want: 200, has: list{`{"value":[]}`}},
		{as: "app", do: "GET /subscriptions/22222222-0000-0000-0000-000000000002", want: 403, code: "AuthorizationFailed"},
	})
}

func TestTenants(t *testing.T) {
	w := newWorld(t)
	w.update(func(tx *store.Tx) error {
		_, err := directory.CreateTenant(tx, directory.Tenant{DisplayName: "Fabrikam", Domain: "fabrikam.example"})
		return err
	})
	for _, as := range []string{"operator", "app"} {
		w.run(t, []step{{as: as, do: "GET /tenants?api-version=2022-12-01", want: 200, hasNot: list{"Fabrikam"},
			has: list{`{"value":[{"id":"/tenants/$TENANT","tenantId":"$TENANT","countryCode":"US","displayName":"Contoso","domains":["contoso.example"],"tenantCategory":"Home","defaultDomain":"contoso.example","tenantType":"AAD"}]}`}}})
	}
}

func TestProvidersAndLocations(t *testing.T) {
	w := newWorld(t)
	w.grant("app", rbac.Reader, "$SUB")
	w.run(t, []step{
		{do: "GET $SUB/locations?api-version=2022-12-01", want: 200, has: list{`{"id":"$SUB/locations/westus","name":"westus","type":"Region","displayName":"West US","regionalDisplayName":"West US","metadata":{"regionType":"Physical"`}},
		{do: "GET $SUB/providers", want: 200, has: list{`"namespace":"Microsoft.Compute"`, `"namespace":"Microsoft.KeyVault"`, `"namespace":"Microsoft.Authorization"`, `"namespace":"Microsoft.ManagedIdentity"`}},
		{do: "GET $SUB/providers/microsoft.compute", want: 200, has: list{`{"id":"$SUB/providers/Microsoft.Compute","namespace":"Microsoft.Compute","resourceTypes":[{"resourceType":"virtualMachines","locations":["East US",`, `"apiVersions":["2026-03-01"`, `"defaultApiVersion":"2026-03-01"`, `"registrationState":"Registered"`}},
		{do: "GET $SUB/providers/Nope.None", want: 404, code: "InvalidResourceNamespace"},
		{as: "machine", do: "GET /providers", want: 200, has: list{`"id":"/providers/Microsoft.Compute"`}},
		{as: "machine", do: "GET /providers/Microsoft.KeyVault", want: 200, has: list{`"resourceType":"vaults/accessPolicies"`}},
		{do: "POST $SUB/providers/Microsoft.KeyVault/register", want: 200, has: list{`"namespace":"Microsoft.KeyVault"`, `"registrationState":"Registered"`}},
		{do: "POST $SUB/providers/Nope.None/register", want: 404, code: "InvalidResourceNamespace"},
		{as: "app", do: "GET $SUB/providers/Microsoft.KeyVault", want: 200},
		{as: "app", do: "POST $SUB/providers/Microsoft.KeyVault/register", want: 403, code: "AuthorizationFailed"},
		{do: "DELETE $SUB/providers/Microsoft.KeyVault", want: 405, code: "MethodNotAllowed"},
	})
}
