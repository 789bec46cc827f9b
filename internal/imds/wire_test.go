package imds

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/scheduledevents"
	"midas/internal/store"
	"midas/internal/wire/wiretest"
)

// full is a machine with something in every field that we fill.
func full(vm *resource.Resource) {
	vm.Tags = map[string]string{"team": "blue & \"green\"", "cost-center": "42"}
	vm.Extra = map[string]json.RawMessage{"zones": json.RawMessage(`["2"]`), "plan": json.RawMessage(`{"name":"pl","product":"pr","publisher":"pu"}`)}
	vm.Properties = json.RawMessage(`{
		"vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6", "hardwareProfile": {"vmSize": "Standard_B1s"}, "userData": "aGVsbG8=", "licenseType": null,
		"priority": "Spot", "evictionPolicy": "Deallocate",
		"storageProfile": {
			"imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest", "exactVersion": "24.04.202601010"},
			"osDisk": {"name": "system_OsDisk_1", "osType": "Linux", "caching": "ReadWrite", "createOption": "FromImage", "diskSizeGB": 30, "managedDisk": {"id": "/d", "storageAccountType": null}},
			"dataDisks": [{"lun": 0, "name": "data", "createOption": "Empty", "diskSizeGB": 4, "writeAcceleratorEnabled": true, "managedDisk": {"storageAccountType": "UltraSSD_LRS"}}]},
		"osProfile": {"computerName": "system", "adminUsername": "azureuser", "linuxConfiguration": {"disablePasswordAuthentication": true, "ssh": {"publicKeys": [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-rsa AAAA"}]}}},
		"securityProfile": {"securityType": "TrustedLaunch", "uefiSettings": {"secureBootEnabled": true, "vTpmEnabled": true}},
		"networkProfile": {"networkInterfaces": [{"id": "/n"}]}}`)
}

// goldenWorld has a machine of each kind, and returns what is random in it.
func goldenWorld(t *testing.T) (*world, []string) {
	w := newWorld(t)
	one, two := w.userIdentity("one"), w.userIdentity("two")
	system := w.putVM("system", true, full)
	w.putVM("user", false, nil, one)
	w.putVM("two", false, nil, one, two)
	both := w.putVM("both", true, nil, one)
	w.putVM("none", false, nil)
	w.putVM("windows", true, func(vm *resource.Resource) {
		vm.Properties = json.RawMessage(`{"storageProfile":{"osDisk":{"osType":"Windows"}}}`)
	})
	disabled := w.putVM("disabled", true, nil, one)
	w.rich()
	w.authority()
	event := w.event("rich", scheduledevents.Freeze, 15*time.Minute, 9*time.Second)
	var v1, v2 directory.Application
	w.update(func(tx *store.Tx) (err error) {
		if err := directory.SetEnabled(tx, disabled.ID, false); err != nil {
			return err
		}
		if v1, err = directory.CreateApplication(tx, directory.Application{Tenant: testTenant, DisplayName: "v1", IdentifierURIs: []string{"api://orders"}}); err != nil {
			return err
		}
		if v2, err = directory.CreateApplication(tx, directory.Application{Tenant: testTenant, DisplayName: "v2", TokenVersion: 2, IdentifierURIs: []string{"api://modern"}}); err != nil {
			return err
		}
		if _, err = directory.CreateServicePrincipal(tx, v1); err != nil {
			return err
		}
		_, err = directory.CreateServicePrincipal(tx, v2)
		if err != nil {
			return err
		}
		_, err = directory.CreateApplication(tx, directory.Application{Tenant: testTenant, DisplayName: "unused", IdentifierURIs: []string{"api://unused"}})
		return err
	})
	w.extend("system", `{"publisher":"Microsoft.ManagedIdentity","type":"ManagedIdentityExtensionForLinux","settings":{"port":50342}}`)
	w.extend("none", `{"publisher":"microsoft.managedidentity","type":"managedidentityextensionforwindows"}`)
	var names []string
	for name, p := range map[string]directory.Principal{"SYSTEM": system, "BOTH": both, "DISABLED": disabled, "ONE": one, "TWO": two} {
		names = append(names, "$"+name+"_CLIENT", string(p.AppID), "$"+name+"_OBJECT", string(p.ID))
	}
	return w, append(names, "$V1_APP", string(v1.AppID), "$V2_APP", string(v2.AppID), "$EVENT", event.ID)
}

var token = regexp.MustCompile(`"access_token":"[^"]+"`)

// secret is the credential of the endpoints that have one.
const secret = "3f1c9a77e04d"

// endpoints are those of a machine, by the archives' names for them.
func endpoints(m *Machine, name string) http.Handler {
	switch name {
	case "extension":
		return m.Extension(50342, "")
	case "extension-behind-a-secret":
		return m.Extension(50342, secret)
	case "appservice":
		return m.AppService(secret)
	case "appservice2017":
		return m.AppService2017(secret)
	case "machinelearning":
		return m.MachineLearning(secret)
	case "cloudshell":
		return m.CloudShell("")
	case "cloudshell-behind-a-secret":
		return m.CloudShell(secret)
	case "servicefabric":
		return m.ServiceFabric(secret)
	}
	return m.VM()
}

// TestWire replays testdata/wire: in each archive a file MACHINE/CASE.request
// is an HTTP request, and the file after it is the whole response. For an
// endpoint other than the metadata service the name is MACHINE/ENDPOINT/CASE.
func TestWire(t *testing.T) {
	w, names := goldenWorld(t)
	expand := strings.NewReplacer(names...)
	reversed := slices.Clone(names)
	slices.Reverse(reversed)
	contract := strings.NewReplacer(reversed...)
	wiretest.Replay(t, func(t *testing.T) func(name, request string) string {
		return func(name, request string) string {
			machine, rest, _ := strings.Cut(name, "/")
			endpoint, _, _ := strings.Cut(rest, "/")
			return contract.Replace(replay(t, endpoints(w.Machine(vmID(machine)), endpoint), expand.Replace(request)))
		}
	})
}

// replay sends a request and writes the response as text.
func replay(t *testing.T, h http.Handler, request string) string {
	t.Helper()
	head, content, _ := strings.Cut(strings.TrimRight(request, "\n"), "\n\n")
	line, rest, _ := strings.Cut(strings.ReplaceAll(head, "\n", "\r\n")+"\r\n", "\r\n")
	if content != "" {
		rest += fmt.Sprintf("Content-Length: %d\r\n", len(content))
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(line + " HTTP/1.1\r\n" + rest + "\r\n" + content)))
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	id := rec.Header().Get("X-Ms-Request-Id") + rec.Header().Get("X-Correlation-Id") // each endpoint has one of them
	if id == "" {
		t.Errorf("%s: no request id", request)
	}
	rec.Header().Del("X-Ms-Request-Id")
	rec.Header().Del("X-Correlation-Id")
	var b strings.Builder
	fmt.Fprintln(&b, rec.Code)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range rec.Header() {
			if !yield(name) {
				return
			}
		}
	}) {
		if name != "Content-Length" || !strings.Contains(rec.Body.String(), `"access_token"`) { // tokens vary in length
			fmt.Fprintf(&b, "%s: %s\n", name, rec.Header().Get(name))
		}
	}
	body := token.ReplaceAllString(rec.Body.String(), `"access_token":"$$TOKEN"`)
	fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(body, id, "$REQUEST_ID"))
	return b.String()
}
