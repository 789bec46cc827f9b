package arm_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/arm"
	"midas/internal/wire"
)

// TestOrderOfChecks is control-plane.md B2: who has no rights learns nothing
// of what there is.
func TestOrderOfChecks(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const unknown = "/subscriptions/99999999-0000-0000-0000-000000000000"
	const denied = "AuthorizationFailed"
	w.run(t, []step{
		{do: "GET /subscriptions/garbage/resourceGroups/rg1", want: 400, code: "InvalidSubscriptionId", has: list{"'garbage'"}},
		{as: "app", do: "GET " + unknown + "/resourceGroups/rg1", want: 404, code: "SubscriptionNotFound", has: list{"The subscription '99999999-0000-0000-0000-000000000000' could not be found."}},
		{as: "app", do: "GET $SUB/resourceGroups/none", want: 403, code: denied},
		{as: "app", do: "HEAD $SUB/resourceGroups/none", want: 403},
		{as: "app", do: "GET $SUB/resourceGroups/none/providers/$VMS/vm1", want: 403, code: denied},
		{as: "app", do: "GET $SUB/resourceGroups/none/providers/$VMS", want: 403, code: denied},
		{as: "app", do: "GET $SUB/resourceGroups/none/resources", want: 403, code: denied},
		{as: "app", do: "GET $RG/resources", want: 403, code: denied},
		{as: "app", do: "GET $RG/providers/Nope.None/none/x", want: 403, code: denied},
		{as: "app", do: "GET $RG/providers/$VMS/vm1?api-version=2001-01-01", want: 403, code: denied},
		{as: "app", do: "PUT $RG/providers/$VMS/vm1", body: "{broken", want: 403, code: denied},
		// With rights: type and version, then the group, then the resource.
		{do: "GET $SUB/resourceGroups/none/providers/Nope.None/none/x", want: 404, code: "InvalidResourceNamespace", has: list{"The resource namespace 'Nope.None' is invalid."}},
		{do: "GET $SUB/resourceGroups/none/providers/Microsoft.Compute/none/x", want: 404, code: "InvalidResourceType", has: list{"The resource type 'none' could not be found in the namespace 'Microsoft.Compute' for api version '2024-11-01'. The supported api-versions are '2026-03-01,"}},
		{do: "GET $SUB/resourceGroups/none/providers/$VMS/vm1?api-version=2001-01-01", want: 400, code: "NoRegisteredProviderFound"},
		{do: "GET $SUB/resourceGroups/none/providers/$VMS/vm1", want: 404, code: "ResourceGroupNotFound"},
		{do: "GET $SUB/resourceGroups/none/providers/$VMS", want: 404, code: "ResourceGroupNotFound"},
		{do: "GET $SUB/resourceGroups/none/resources", want: 404, code: "ResourceGroupNotFound"},
		{do: "GET $SUB/resourceGroups/none/$ASSIGN", want: 404, code: "ResourceGroupNotFound"},
		{do: "GET $RG/providers/$VMS/vm1", want: 404, code: "ResourceNotFound", has: list{"The Resource 'Microsoft.Compute/virtualMachines/vm1' under resource group 'rg1' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"}},
		{do: "PUT $RG/providers/$KVS/none/accessPolicies/add", body: `{"properties":{"accessPolicies":[]}}`, want: 404, code: "ParentResourceNotFound", has: list{"Failed to perform 'write' on resource(s) of type 'vaults/accessPolicies', because the parent resource '$RG/providers/Microsoft.KeyVault/vaults/none' could not be found."}},
		{do: "PUT $SUB/providers/$VMS/vm1", body: `{"location":"westus"}`, want: 400, code: "MissingResourceGroup"},
		{do: "PUT /providers/$VMS/vm1", body: `{"location":"westus"}`, want: 400, code: "MissingResourceGroup"},
		{do: "PUT $RG/providers/$IDS/owner/providers/$VMS/vm1", body: `{"location":"westus"}`, want: 400, code: "MissingResourceGroup"},
		{do: "POST $RG/providers/$VMS/vm1/dance", body: `{}`, want: 404, code: "NotFound"},
		{do: "POST $SUB/providers/Microsoft.Compute/dance", body: `{}`, want: 404, code: "NotFound"},
		{do: "GET /nothing/here", want: 404, code: "NotFound"},
		{do: "GET /", want: 404, code: "NotFound"},
		{do: "GET $SUB/resourceGroups/rg1/nothing", want: 404, code: "NotFound"},
		{do: "GET $RG/providers/Microsoft.Compute", want: 404, code: "NotFound"},
		{do: "GET $RG/providers/$KVS/kv/accessPolicies", want: 405, code: "MethodNotAllowed"},
		{do: "PUT $RG/providers/$VMS", body: `{}`, want: 405, code: "MethodNotAllowed"},
		{do: "PATCH $RG/$ASSIGN/00000000-0000-0000-0000-000000000001", body: `{}`, want: 405, code: "MethodNotAllowed"},
		{do: "OPTIONS $RG/providers/$VMS/vm1", want: 405, code: "MethodNotAllowed"},
		{do: "TRACE $SUB", want: 405, code: "MethodNotAllowed"},
	})
}

func TestAPIVersions(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.run(t, []step{{do: "PUT $RG/providers/$VMS/vm1", body: `{"location":"westus"}`, want: 201}})
	const missing, invalid, none = "MissingApiVersionParameter", "InvalidApiVersionParameter", "NoRegisteredProviderFound"
	for _, c := range []struct {
		query       string
		status      int
		own, others string // codes, of a group and of a machine
	}{
		{"?", 400, missing, missing},
		{"?other=1", 400, missing, missing},
		{"?api-version=", 400, missing, missing},
		{"?api-version=garbage", 400, invalid, invalid},
		{"?api-version=2024", 400, invalid, invalid},
		{"?api-version=9999-99-99", 400, invalid, invalid},
		{"?api-version=2024-02-30", 400, invalid, invalid},
		{"?api-version=2024-11-01-nightly", 400, invalid, invalid},
		{"?api-version=2024-11-01%00", 400, "BadRequest", "BadRequest"},
		{"?api-version=2024-11-01%20", 400, invalid, invalid},
		{"?api-version=%F0%28%8C%28", 400, "BadRequest", "BadRequest"},
		{"?api-version=2024-11-01&api-version=2024-11-01", 400, invalid, invalid},
		{"?api-version=2024-11-01&API-VERSION=2021-04-01", 400, invalid, invalid},
		{"?api-version=2001-01-01", 400, invalid, none},
		{"?api-version=2014-03-31", 400, invalid, none},
		{"?api-version=0000-01-01", 400, invalid, none},
		{"?api-version=2015-06-15", 200, "", ""},
		{"?api-version=2024-11-01", 200, "", ""},
		{"?api-version=2024-11-02", 200, "", ""},
		{"?api-version=9999-12-31", 200, "", ""},
		{"?api-version=2027-01-01-preview", 200, "", ""},
		{"?api-version=2027-01-01-PrivatePreview", 200, "", ""},
		{"?api%2Dversion=2024-11-01", 200, "", ""},
		{"?API-VERSION=2024-11-01", 200, "", ""},
		{"?Api-Version=2024-11-01&unknown=1&$expand=x", 200, "", ""},
	} {
		w.run(t, []step{
			{do: "GET $RG" + c.query, want: c.status, code: c.own},
			{do: "GET $RG/providers/$VMS/vm1" + c.query, want: c.status, code: c.others},
		})
	}
	w.run(t, []step{
		{do: "GET $RG?", want: 400, code: missing, has: list{"The api-version query parameter (?api-version=) is required for all requests."}},
		{do: "GET $RG?api-version=x", want: 400, code: invalid, has: list{"The api-version 'x' is invalid. The supported versions are '2025-04-01,2024-11-01,"}},
		{do: "GET $RG/providers/$VMS/vm1?api-version=2001-01-01", want: 400, code: none, has: list{"No registered resource provider found for location 'eastus' and API version '2001-01-01' for type 'virtualMachines'. The supported api-versions are '2026-03-01, 2025-04-01, ", "2015-06-15'. The supported locations are '"}},
		{do: "GET $SUB/providers/$VMS?api-version=2001-01-01", want: 400, code: none, has: list{"for location '' and"}},
	})
}

// TestShapes: real clients vary the case and the slashes of a path, and no
// redirect is ever an answer to that (clients.md 3.7).
func TestShapes(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	w.run(t, []step{{do: "PUT $RG/providers/$VMS/vm1", body: `{"location":"westus"}`, want: 201}})
	const vm = "/subscriptions/" + testSub + "/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm1"
	for _, path := range []string{
		vm, strings.ToLower(vm), strings.ToUpper(vm), vm + "/", vm + "//", "/" + vm, strings.ReplaceAll(vm, "/", "//"), strings.Replace(vm, "/virtual", "//virtual", 1),
		strings.Replace(vm, "resourceGroups", "resourcegroups", 1), strings.Replace(vm, "resourceGroups", "RESOURCEGROUPS", 1), strings.Replace(vm, "/providers", "//Providers", 1),
		strings.Replace(vm, "subscriptions", "Subscriptions", 1), strings.Replace(vm, "providers", "%70roviders", 1), strings.Replace(vm, "vm1", "%76m1", 1),
	} {
		w.run(t, []step{
			{do: "GET " + path, want: 200, has: list{`"id":"` + vm + `"`}},
			{do: "PATCH " + path, body: `{"tags":{}}`, want: 200, has: list{`"id":"` + vm + `"`}},
			{do: "HEAD " + path, want: 204},
		})
	}
	w.run(t, []step{
		{do: "GET /subscriptions/" + strings.ToUpper(testSub) + "/RESOURCEGROUPS//rg1/", want: 200},
		{do: "GET /subscriptions//" + testSub + "//resourcegroups/", want: 200, has: list{"rg1"}},
		{do: "GET $RG//providers//Microsoft.Compute//virtualmachines/", want: 200, has: list{"vm1"}},
		{do: "GET $SUB//providers//microsoft.compute/", want: 200, has: list{`"namespace":"Microsoft.Compute"`}},
		{do: "POST $SUB/providers/microsoft.compute//register", body: "{}", want: 200, has: list{`"namespace":"Microsoft.Compute"`}},
		{do: "GET //Subscriptions//", want: 200, has: list{testSub}},
		{do: "GET $RG/providers/$VMS/../vm1", want: 404, code: "InvalidResourceType"},
		{do: "GET $RG/./providers/$VMS/vm1", want: 400, code: "InvalidResourceId"},
	})
}

// TestIDsGoBack: request ids come back as they were asked for.
func TestIDsGoBack(t *testing.T) {
	w := newWorld(t)
	const id = "0A1B2C3D-0000-4000-8000-000000000001"
	for _, c := range []struct {
		heads                   list
		client, wantCorrelation string
	}{
		{list{"X-Ms-Client-Request-Id: " + id}, "", strings.ToLower(id)},
		{list{"X-Ms-Client-Request-Id: " + id, "X-Ms-Return-Client-Request-Id: true"}, strings.ToLower(id), strings.ToLower(id)},
		{list{"X-Ms-Client-Request-Id: <script>", "X-Ms-Return-Client-Request-Id: true"}, "", ""},
		{list{"X-Ms-Correlation-Request-Id: " + id}, "", strings.ToLower(id)},
	} {
		for _, do := range []string{"GET $SUB", "GET $RG", "GET /?"} {
			a := w.send(t, w.request("", do, "", c.heads...))
			if got := a.header.Get("X-Ms-Client-Request-Id"); got != c.client {
				t.Errorf("%s %v: the client's id comes back as %q", do, c.heads, got)
			}
			if got := a.header.Get("X-Ms-Correlation-Request-Id"); c.wantCorrelation != "" && got != c.wantCorrelation {
				t.Errorf("%s %v: the correlation id is %q", do, c.heads, got)
			}
		}
	}
}

// TestEvents: each request is recorded with who asked what of which resource,
// and neither the record nor the log has a secret in it.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	var events []wire.Event
	var log bytes.Buffer
	w.door = (&arm.Door{DB: w.db, Sts: w.sts, Cloud: w.cloud, Tenant: testTenant, Providers: w.providers(), Now: w.now,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), Record: func(e wire.Event) { events = append(events, e) }}).Routes()
	const vm = "$RG/providers/Microsoft.Compute/virtualMachines/vm1"
	w.run(t, []step{
		{do: "PUT " + vm, body: machineBody, want: 201},
		{as: "app", do: "DELETE " + vm, want: 403, code: "AuthorizationFailed"},
		{as: "nobody", do: "GET " + vm, want: 401, code: "AuthenticationFailed"},
		{do: "PATCH " + vm, body: `{"properties":{"osProfile":{"adminPassword":"S3cret-Passw0rd`, want: 400, code: "InvalidRequestContent"},
	})
	var got list
	for _, e := range events {
		got = append(got, fmt.Sprint(e.Door, " ", e.Caller, " ", e.Operation, " ", e.Target, " ", e.Status, " ", e.Code))
	}
	var want list
	for _, s := range []string{
		"arm $OPERATOR Microsoft.Compute/virtualMachines/write " + vm + " 201 ",
		"arm $APP Microsoft.Compute/virtualMachines/delete " + vm + " 403 AuthorizationFailed",
		"arm    401 AuthenticationFailed",
		"arm $OPERATOR Microsoft.Compute/virtualMachines/write " + vm + " 400 InvalidRequestContent",
	} {
		want = append(want, w.expand(s))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, secret := range []string{"S3cret", "eyJ", "Bearer"} {
		if all := log.String() + fmt.Sprint(events); strings.Contains(all, secret) {
			t.Errorf("%s is in the log: %s", secret, all)
		}
	}
	if !strings.Contains(log.String(), events[1].RequestID) {
		t.Error("the log has no request id")
	}
}
