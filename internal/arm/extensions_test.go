package arm_test

import (
	"strings"
	"testing"

	"midas/internal/store"
)

const extensionBody = `{"location":"westus","tags":{"a":"b"},"properties":{"publisher":"Microsoft.ManagedIdentity","type":"ManagedIdentityExtensionForLinux",
	"typeHandlerVersion":"1.0","autoUpgradeMinorVersion":true,"settings":{"port":50342},"protectedSettings":{"key":"S3cret"},"ProtectedSettings":{"key":"S3cret"}}}`

func TestExtension(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const vm = "$RG/providers/$VMS/vm1"
	const msi = vm + "/extensions/ManagedIdentityExtensionForLinux"
	secrets := list{"S3cret", "rotectedSettings"}
	shown := `"id":"$RG/providers/Microsoft.Compute/virtualMachines/vm1/extensions/ManagedIdentityExtensionForLinux"`
	w.run(t, []step{
		{do: "PUT " + msi, body: extensionBody, want: 404, code: "ParentResourceNotFound"},
		{do: "PUT " + vm, body: `{"location":"westus"}`, want: 201, hasNot: list{`"resources"`}},
		{do: "GET " + vm + "/extensions", want: 200, has: list{`{"value":[]}`}},
		{do: "PUT " + vm + "/EXTENSIONS/ManagedIdentityExtensionForLinux", body: extensionBody, want: 201, hasNot: secrets,
			has: list{`{` + shown + `,"name":"ManagedIdentityExtensionForLinux","type":"Microsoft.Compute/virtualMachines/extensions","location":"westus","tags":{"a":"b"},"properties":{`,
				`"provisioningState":"Succeeded"`, `"settings":{"port":50342}`, `"autoUpgradeMinorVersion":true`, `"typeHandlerVersion":"1.0"`}},
		{do: "GET " + msi, want: 200, has: list{shown}, hasNot: append(secrets, "instanceView")},
		{do: "GET " + msi + "?$V&$expand=instanceView", want: 200, hasNot: secrets,
			has: list{`"instanceView":{"name":"ManagedIdentityExtensionForLinux","statuses":[{"code":"ProvisioningState/succeeded","level":"Info","displayStatus":"Provisioning succeeded"}],"type":"Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux","typeHandlerVersion":"1.0"}`}},
		{do: "GET " + vm + "/extensions", want: 200, has: list{`{"value":[{` + shown}, hasNot: secrets},
		{do: "GET " + vm, want: 200, has: list{`"resources":[{` + shown, `"publisher":"Microsoft.ManagedIdentity"`}, hasNot: append(secrets, "instanceView")},
		{do: "GET " + vm + "?$V&$expand=instanceView", want: 200, hasNot: secrets,
			has: list{`"instanceView":{"extensions":[{"name":"ManagedIdentityExtensionForLinux"`, `"code":"PowerState/running"`, `"code":"ProvisioningState/succeeded"`}},
		{do: "GET $RG/providers/$VMS", want: 200, hasNot: append(secrets, `"resources"`)},
		{do: "GET $RG/resources", want: 200, has: list{`"name":"vm1/ManagedIdentityExtensionForLinux"`, `"name":"vm1",`}},
		// What was shown may be sent back, and is not kept.
		{do: "PATCH " + vm, body: `{"resources":[],"properties":{"instanceView":{"statuses":[]}}}`, want: 200, has: list{`"resources":[{`}, hasNot: list{"instanceView"}},
		{do: "PATCH " + msi, body: `{"properties":{"settings":{"port":50343},"protectedSettings":{"key":"S3cret"},"provisioningState":"Failed"}}`, want: 200, hasNot: secrets,
			has: list{`"settings":{"port":50343}`, `"provisioningState":"Succeeded"`, `"publisher":"Microsoft.ManagedIdentity"`}},
		{do: "PUT " + vm + "/extensions/another", body: strings.ReplaceAll(extensionBody, "ForLinux", "forlinux"), want: 400, code: "BadRequest", has: list{"Multiple VMExtensions per handler"}},
		{do: "PUT " + vm + "/extensions/script", body: `{"location":"westus","properties":{"publisher":"Microsoft.Azure.Extensions","type":"CustomScript","typeHandlerVersion":"2.1"}}`, want: 201},
		{do: "DELETE " + msi, want: 200},
		{do: "DELETE " + msi, want: 204},
		{do: "GET " + msi, want: 404, code: "ResourceNotFound"},
		{do: "GET " + vm, want: 200, has: list{"CustomScript"}, hasNot: list{"ManagedIdentityExtension"}},
		{do: "DELETE " + vm, want: 200},
		{do: "PUT " + vm, body: `{"location":"westus"}`, want: 201},
		{do: "GET " + vm + "/extensions", want: 200, has: list{`{"value":[]}`}},
	})
	w.keepsNo(t, "S3cret")
}

func TestExtensionRefused(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	const vm = "$RG/providers/$VMS/vm1"
	w.run(t, []step{{do: "PUT " + vm, body: `{"location":"westus"}`, want: 201}})
	properties := func(settings string) string {
		return `{"location":"westus","properties":{"publisher":"p","type":"t","typeHandlerVersion":"1.0","settings":` + settings + `}}`
	}
	for _, body := range []string{
		`{"location":"westus"}`,
		`{"location":"westus","properties":{"type":"t","typeHandlerVersion":"1.0"}}`,
		`{"location":"westus","properties":{"publisher":"p","typeHandlerVersion":"1.0"}}`,
		`{"location":"westus","properties":{"publisher":"p","type":"t"}}`,
		properties(`7`), properties(`{"port":0}`), properties(`{"port":65536}`), properties(`{"port":1.5}`), properties(`{"port":"x"}`), properties(`{"port":-1}`), properties(`{"port":{}}`),
	} {
		w.run(t, []step{{do: "PUT " + vm + "/extensions/e", body: body, want: 400, code: "InvalidParameter"}})
	}
	w.run(t, []step{
		{do: "PUT " + vm + "/extensions/e", body: `{"properties":{"publisher":"p","type":"t","typeHandlerVersion":"1.0"}}`, want: 400, code: "LocationRequired"},
		{do: "PUT " + vm + "/extensions/-e", body: properties(`{}`), want: 400, code: "InvalidParameter"},
		{as: "app", do: "PUT " + vm + "/extensions/e", body: properties(`{}`), want: 403, code: "AuthorizationFailed", has: list{"Microsoft.Compute/virtualMachines/extensions/write"}},
		{as: "app", do: "GET " + vm + "/extensions", want: 403, code: "AuthorizationFailed"},
		{do: "PUT " + vm + "/extensions/e", body: properties(`{"port":"50343"}`), want: 201},
		{do: "PUT " + vm + "/extensions/e", body: properties(`null`), want: 200},
	})
}

// keepsNo looks into the store itself.
func (w *world) keepsNo(t *testing.T, text string) {
	t.Helper()
	err := w.db.View(t.Context(), func(tx *store.Tx) error {
		rows, err := store.Collect(tx, func(scan func(...any) error) (s string, err error) { return s, scan(&s) }, `SELECT body FROM resources`)
		if len(rows) == 0 || strings.Contains(strings.Join(rows, "\n"), text) {
			t.Errorf("%q is kept: %s", text, rows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
