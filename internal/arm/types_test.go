package arm_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"midas/internal/arm"
)

// TestEveryType holds each registered type to what the engine makes of its values.
func TestEveryType(t *testing.T) {
	w := newWorld(t)
	w.groups(t, "rg1")
	version := regexp.MustCompile(`^20\d\d-\d\d-\d\d(-(preview|alpha|beta|rc|privatepreview))?$`)
	for _, p := range w.providers() {
		var described struct {
			ResourceTypes []struct {
				ResourceType      string
				APIVersions       []string `json:"apiVersions"`
				DefaultAPIVersion string   `json:"defaultApiVersion"`
				Locations         []string
			}
		}
		a := w.send(t, w.request("", "GET $SUB/providers/"+p.Namespace, ""))
		if err := json.Unmarshal([]byte(a.body), &described); err != nil || len(described.ResourceTypes) != len(p.Types) {
			t.Fatalf("%s is described as %s", p.Namespace, a.body)
		}
		for i, typ := range p.Types {
			t.Run(p.Namespace+"/"+typ.Name, func(t *testing.T) {
				for j, v := range typ.Versions {
					if !version.MatchString(v) {
						t.Errorf("%q is no api-version", v)
					}
					if j > 0 && typ.Versions[j-1][:10] < v[:10] {
						t.Errorf("%s stands after %s", v, typ.Versions[j-1])
					}
				}
				if len(typ.Versions) == 0 || len(slices.Compact(slices.Sorted(slices.Values(typ.Versions)))) != len(typ.Versions) {
					t.Error("no version, or one twice")
				}
				d := described.ResourceTypes[i]
				if d.ResourceType != typ.Name || !slices.Equal(d.APIVersions, typ.Versions) || d.DefaultAPIVersion != typ.Versions[0] || typ.Tracked != (len(d.Locations) > 0) {
					t.Errorf("it is described as %+v", d)
				}
				if typ.Table != nil {
					if typ.Prepare != nil || typ.Remove != nil || typ.Show != nil || typ.Tracked || typ.Identity || typ.ETag || typ.System {
						t.Error("a table's type has hooks or members that only kept resources have")
					}
				} else if typ.Prepare == nil || typ.Extension {
					t.Error("a kept type has nothing that prepares it, or is an extension")
				}
				path := pathOf(p.Namespace, typ)
				for _, do := range []string{"GET " + path, "GET " + strings.ToUpper(path), "GET " + strings.ToLower(path) + "/"} {
					status, code := 404, ""
					if typ.Table != nil && typ.Table.Get == nil {
						status, code = 405, "MethodNotAllowed"
					}
					a := w.send(t, w.request("", do+"?api-version="+typ.Versions[0], ""))
					if strings.Contains(typ.Name, "/") && !typ.Subscription {
						status, code = 404, "ParentResourceNotFound"
					}
					if a.status != status || code != "" && a.code() != code {
						t.Errorf("%s: %d %s", do, a.status, a.body)
					}
				}
				w.run(t, []step{
					{do: "GET " + path + "/bogus/x?api-version=" + typ.Versions[0], want: 404, code: "InvalidResourceType", has: list{typ.Name + "/bogus"}},
					{do: "GET " + path + "/bogus?api-version=" + typ.Versions[0], want: 404, code: "InvalidResourceType"},
					{do: "GET " + path + "?api-version=2001-01-01", want: 400, code: "NoRegisteredProviderFound", has: list{"'" + typ.Name + "'", typ.Versions[0]}},
					{as: "app", do: "GET " + path, want: 403, code: "AuthorizationFailed", has: list{"'" + p.Namespace + "/" + typ.Name + "/read'"}},
					{as: "app", do: "DELETE " + strings.ToUpper(path), want: 403, code: "AuthorizationFailed", has: list{"'" + p.Namespace + "/" + typ.Name + "/delete'"}},
					{as: "app", do: "PUT " + path, body: "{}", want: 403, code: "AuthorizationFailed", has: list{"'" + p.Namespace + "/" + typ.Name + "/write'"}},
				})
				if typ.Tracked {
					w.trackedType(t, path, p.Namespace+"/"+typ.Name)
				}
			})
		}
	}
}

// pathOf is an id of a type in the group, or in the subscription. The absolute
// form is spelled out, so that it can be put into another case as a whole.
func pathOf(namespace string, typ arm.Type) string {
	path, name := "/subscriptions/"+testSub, "thing1"
	if !typ.Subscription {
		path += "/resourceGroups/rg1"
	}
	if typ.Extension {
		name = "99999999-9999-9999-9999-999999999999"
	}
	path += "/providers/" + namespace
	for word := range strings.SplitSeq(typ.Name, "/") {
		path += "/" + word + "/" + name
	}
	return path
}

// least is the least that the properties of a type say, where they say something.
var least = map[string]string{
	"Microsoft.Compute/disks":             `{"creationData":{"createOption":"Empty"},"diskSizeGB":4}`,
	"Microsoft.Network/virtualNetworks":   `{"addressSpace":{"addressPrefixes":["10.1.0.0/16"]}}`,
	"Microsoft.Network/networkInterfaces": `{"ipConfigurations":[{"name":"one","properties":{"subnet":{"id":"$SUBNET"}}}]}`,
}

// trackedType makes one and finds it again under every spelling and in every list.
func (w *world) trackedType(t *testing.T, path, typ string) {
	t.Helper()
	body := `{"location":"West US","tags":{"a":"B"}}`
	if typ == w.vars["$KVS"] {
		body = strings.Replace(vaultBody, `"location"`, `"tags":{"a":"B"},"location"`, 1)
	}
	if typ == "Microsoft.Compute/virtualMachines/extensions" {
		w.run(t, []step{{do: "PUT " + path[:strings.LastIndex(path, "/extensions/")], body: body, want: 201}})
		body = strings.Replace(extensionBody, `"a":"b"`, `"a":"B"`, 1)
	}
	if more := least[typ]; more != "" {
		w.subnet(t)
		body = strings.Replace(body, `"location"`, `"properties":`+w.expand(more)+`,"location"`, 1)
	}
	a := w.send(t, w.request("", "PUT "+strings.ToLower(path), body))
	if a.status != 200 && a.status != 201 || !strings.EqualFold(a.at("id"), path) || a.at("type") != typ || a.at("location") != "westus" || a.at("tags.a") != "B" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	upper := w.send(t, w.request("", "GET "+strings.ToUpper(path), ""))
	if upper.at("id") != a.at("id") {
		t.Errorf("its id is %s, and then %s", a.at("id"), upper.at("id"))
	}
	again := w.send(t, w.request("", "PUT "+path, body))
	if again.status != 200 || !strings.HasSuffix(again.at("id"), path[strings.Index(path, "/providers/"):]) {
		t.Errorf("%d %s", again.status, again.body)
	}
	lists := []string{"GET $RG/providers/" + typ, "GET $SUB/providers/" + strings.ToLower(typ)}
	if strings.Count(typ, "/") > 1 { // children are listed at their parent
		lists = []string{"GET " + path[:strings.LastIndex(path, "/")]}
	}
	for _, do := range append(lists, "GET $SUB/resources", "GET $RG/resources?$V&$filter=resourceType eq '"+typ+"'") {
		names, _ := w.names(t, "", do)
		if !slices.Contains(names, "thing1") && !slices.Contains(names, "thing1/thing1") { // among resources a child has its parent's name, too
			t.Errorf("%s lists %v", do, names)
		}
	}
	w.run(t, []step{
		{do: "PUT " + path, body: `{"location":"eastus"}`, want: 409, code: "InvalidResourceLocation"},
		{do: "DELETE " + path, want: 200},
		{do: "DELETE " + path, want: 204},
		{do: "PUT " + path, body: `{}`, want: 400, code: "LocationRequired"},
	})
}
