package arm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

// ficBody is a federated credential for a subject.
func ficBody(subject string) string {
	return `{"properties":{"issuer":"https://issuer.example/","subject":"` + subject + `","audiences":["api://AzureADTokenExchange"]}}`
}

// TestFederatedCredentials: their life on a user-assigned identity, in the
// words of control-plane.md D1.
func TestFederatedCredentials(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const id = "$RG/providers/$IDS/id1"
	const all = id + "/federatedIdentityCredentials"
	const one = all + "/Job-1"
	job := ficBody("system:serviceaccount:ci:job")
	w.run(t, []step{
		{do: "PUT " + one, body: job, want: 404, code: "ParentResourceNotFound"},
		{do: "GET " + all, want: 404, code: "ResourceNotFound"},
		{do: "PUT " + id, body: `{"location":"westus"}`, want: 201},
		{do: "GET " + one, want: 404, code: "ResourceNotFound", has: list{"Job-1"}},
		{do: "GET " + all, want: 200, has: list{`{"value":[]}`}},
		{do: "PUT " + one, body: job, want: 201, has: list{`{"id":"$SUB/resourcegroups/rg1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1/federatedIdentityCredentials/Job-1","name":"Job-1","type":"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials","properties":{"issuer":"https://issuer.example/","subject":"system:serviceaccount:ci:job","audiences":["api://AzureADTokenExchange"]}}`}},
		{do: "PUT " + strings.ToUpper(all) + "/JOB-1", body: ficBody("system:serviceaccount:ci:other"), want: 200, has: list{`"name":"Job-1"`, "ci:other"}},
		{do: "GET " + one + "?api-version=2025-01-31-preview", want: 200, has: list{"ci:other"}, hasNot: list{"tags", "location"}},
		{do: "GET " + one + "?api-version=2018-11-30", want: 400, code: "NoRegisteredProviderFound"},
		{do: "PUT " + all + "/job-2", body: ficBody("system:serviceaccount:ci:other"), want: 409, code: directory.CodeFederatedCredentialDuplicate, has: list{"must be unique", `"target":"subject"`}},
		{do: "PUT " + all + "/jo", body: job, want: 400, code: "BadRequest", has: list{`"target":"name"`}},
		{do: "PUT " + all + "/job-2", body: `{}`, want: 400, code: "BadRequest", has: list{"must specify 'issuer', 'subject' and 'audience'"}},
		{do: "PUT " + all + "/job-2", body: strings.Replace(job, "https:", "http:", 1), want: 400, code: "BadRequest", has: list{`"target":"issuer"`}},
		{do: "PUT " + all + "/job-2", body: `{"properties":{"issuer":7}}`, want: 400, code: "InvalidRequestContent"},
		{do: "PUT " + all + "/job-2", body: `{"properties":{"claimsMatchingExpression":{"value":"x","languageVersion":1}}}`, want: 400, code: "BadRequest", has: list{`"target":"properties.claimsMatchingExpression"`}},
		{do: "PATCH " + one, body: job, want: 405, code: "MethodNotAllowed"},
		{as: "app", do: "GET " + one, want: 403, code: "AuthorizationFailed", has: list{"'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read'"}},
		{as: "app", do: "PUT " + one, body: job, want: 403, code: "AuthorizationFailed", has: list{"federatedIdentityCredentials/write'"}},
		{do: "DELETE " + one, want: 200},
		{do: "DELETE " + one, want: 204},
	})
	w.grant("app", rbac.Reader, "$RG")
	w.run(t, []step{
		{as: "app", do: "GET " + all, want: 200},
		{as: "app", do: "DELETE " + one, want: 403, code: "AuthorizationFailed"},
	})
	var want list
	for i := range 20 {
		want = append(want, fmt.Sprintf("job-%02d", i))
		w.run(t, []step{{do: "PUT " + all + "/" + want[i], body: ficBody(want[i]), want: 201}})
	}
	w.run(t, []step{{do: "PUT " + all + "/job-20", body: ficBody("job-20"), want: 400, code: directory.CodeTooManyFederatedCredentials}})
	for query, pages := range map[string]int{"": 1, "&$top=7": 3, "&$top=20": 1, "&$top=1": 20} {
		got, n := w.names(t, "", "GET "+all+"?$V"+query)
		if !slices.Equal(got, want) || n != pages {
			t.Errorf("%q lists %v in %d pages", query, got, n)
		}
	}
	// They go with their identity, and the next of its name has none.
	old := w.principalOf(t, id)
	w.run(t, []step{
		{do: "DELETE " + id, want: 200},
		{do: "PUT " + id, body: `{"location":"westus"}`, want: 201},
		{do: "GET " + all, want: 200, has: list{`{"value":[]}`}},
	})
	if err := w.db.View(t.Context(), func(tx *store.Tx) error {
		left, err := directory.FederatedCredentials(tx, old.AppID)
		if len(left) != 0 {
			t.Errorf("left are %v", left)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
