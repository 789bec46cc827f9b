package arm_test

import (
	"fmt"
	"strings"
	"testing"

	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/wire"
)

// TestBadBodies: whatever is wrong with a body, the answer is ARM's own error.
func TestBadBodies(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) { badBodies(t, newWorldOn(t, fresh(t))) })
}

func badBodies(t *testing.T, w *world) {
	w.groups(t, "rg1")
	const invalid = "InvalidRequestContent"
	targets := map[string]string{ // what they are, and a body that they take
		"$SUB/resourceGroups/rg2":    `{"location":"westus"}`,
		"$RG/providers/$VMS/vm1":     `{"location":"westus","properties":{}}`,
		"$RG/providers/$IDS/id1":     `{"location":"westus"}`,
		"$RG/providers/$KVS/kv-one":  vaultBody,
		"$RG/$ROLES/" + nines("d"):   `{"properties":{"roleName":"r","assignableScopes":["$RG"],"permissions":[]}}`,
		"$RG/$ASSIGN/" + nines("a"):  assign("$READER", "$APP", ""),
		"$RG/providers/$VMS/vm1/run": "",
	}
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		code                    string
	}{
		{"too large", "application/json", `{"location":"` + strings.Repeat("x", wire.MaxBody) + `"}`, 413, wire.CodeBodyTooLarge},
		{"form", "application/x-www-form-urlencoded", "location=westus", 415, wire.CodeUnsupportedMedia},
		{"XML", "text/xml", "<location/>", 415, wire.CodeUnsupportedMedia},
		{"a media type that is none", "a/b/c", "{}", 415, wire.CodeUnsupportedMedia},
		{"not UTF-8", "application/json", "{\"location\":\"\xff\xfe\"}", 400, invalid},
		{"NUL", "application/json", `{"tags":{"a":"\u0000"}}`, 400, invalid},
		{"NUL behind a backslash", "application/json", `{"tags":{"a":"\\\u0000"}}`, 400, invalid},
		{"broken", "application/json", `{"location":`, 400, invalid},
		{"two values", "application/json", `{} {}`, 400, invalid},
		{"comment", "application/json", `{/*x*/}`, 400, invalid},
		{"not quoted", "application/json", `{location:westus}`, 400, invalid},
		{"a list", "application/json", `[]`, 400, invalid},
		{"text", "application/json", `"x"`, 400, invalid},
		{"a number", "application/json", `7`, 400, invalid},
		{"far too deep", "application/json", `{"properties":` + deep(20000) + `}`, 400, invalid},
	} {
		for target := range targets {
			for _, method := range []string{"PUT", "PATCH", "POST"} {
				if c.status == 400 && (method == "POST" || method == "PATCH" && (strings.Contains(target, "$ROLES") || strings.Contains(target, "$ASSIGN"))) || strings.HasSuffix(target, "/run") && method != "POST" {
					continue // not read
				}
				a := w.send(t, w.request("", method+" "+target, c.body, "Content-Type: "+c.contentType))
				if a.status != c.status && !(a.status == 404 && method == "PATCH") && a.status != 405 || a.status == c.status && a.code() != c.code {
					t.Errorf("%s: %s %s: %d %.500s", c.name, method, target, a.status, a.body)
				}
			}
		}
	}
	members(t, w)
	// A backslash before the letters u0000 is a text like any other.
	w.run(t, []step{{do: "PUT $RG", body: `{"location":"westus","tags":{"path":"C:\\u0000"}}`, want: 200, has: list{`C:\\u0000`}}})
	// None of it was taken.
	for target, body := range targets {
		if body != "" {
			w.run(t, []step{{do: "HEAD " + target, want: 404}})
		}
	}
}

// members: what is unknown or of another type than it has to be is named.
func members(t *testing.T, w *world) {
	t.Helper()
	for _, c := range []struct{ body, code, has string }{
		{`{"location":"westus","colour":"red"}`, "InvalidRequestContent", "Could not find member 'colour'"},
		{`{"location":"westus","propertys":{}}`, "InvalidRequestContent", "Could not find member 'propertys'"},
		{`{"location":7}`, "InvalidRequestContent", `"target":"location"`},
		{`{"location":{}}`, "InvalidRequestContent", `"target":"location"`},
		{`{"location":"westus","tags":[]}`, "InvalidRequestContent", `"target":"tags"`},
		{`{"location":"westus","tags":"a=b"}`, "InvalidRequestContent", `"target":"tags"`},
		{`{"location":"westus","properties":[]}`, "InvalidRequestContent", `"target":"properties"`},
		{`{"location":"westus","properties":"x"}`, "InvalidRequestContent", `"target":"properties"`},
		{`{"location":"westus","identity":7}`, "InvalidRequestContent", `"target":"identity"`},
		{`{"location":"westus","properties":{"storageProfile":7}}`, "InvalidRequestContent", `"target":"properties.storageProfile"`},
		{`{"location":"westus","properties":{"osProfile":{"computerName":{}}}}`, "InvalidRequestContent", `"target":"properties.osProfile.computerName"`},
		{`{"location":"westus","properties":` + strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70) + `}`, "InvalidRequestContent", "nested too deeply"},
	} {
		w.run(t, []step{{do: "PUT $RG/providers/$VMS/vm1", body: c.body, want: 400, code: c.code, has: list{c.has}}})
	}
	w.run(t, []step{
		{do: "PUT $RG/providers/$VMS/vm2", body: `{"LOCATION":"westus","Tags":{"a":"b"},"Properties":{"new2030Member":{"x":[1,null]}},"systemData":{},"etag":"x","resources":[]}`, want: 201, has: list{`"new2030Member":{"x":[1,null]}`}},
		{do: "DELETE $RG/providers/$VMS/vm2", want: 200},
	})
}

func nines(last string) string { return "99999999-9999-9999-9999-99999999999" + last }

// TestBadRequests: floods of headers and ids that no resource has.
func TestBadRequests(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) { badRequests(t, newWorldOn(t, fresh(t))) })
}

func badRequests(t *testing.T, w *world) {
	w.groups(t, "rg1")
	var flood list
	for i := range 700 {
		flood = append(flood, fmt.Sprintf("X-Flood-%d: %s", i, strings.Repeat("x", 100)))
	}
	for _, heads := range []list{flood, {"X-Long: " + strings.Repeat("x", wire.MaxHeader)}} {
		for _, as := range []string{"operator", "nobody"} {
			if a := w.send(t, w.request(as, "GET $SUB", "", heads...)); a.status != 431 || a.code() != wire.CodeHeadersTooLarge {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	}
	long := strings.Repeat("x", 3000)
	for _, path := range []string{
		"$RG/providers/$VMS/" + long, "$SUB/resourceGroups/" + long, "$RG/providers/" + long + "/" + long + "/" + long, "/" + long, "/subscriptions/" + long,
		"$RG/providers/$VMS/%00", "$RG/providers/%00/a/b", "$RG/providers/a/%00", "$RG/providers/%FF%FE/b", "$RG/providers/a/b/%0d%0a", "/subscriptions/%00", "$RG/providers/$VMS/a%2Fb",
		"$RG/providers/$VMS/%20", "$RG/providers/$VMS/%E2%80%8B", "$RG/providers/$VMS/'--", "$RG/providers/$VMS/%25%25", "/providers/%00", "$SUB/providers/%00/register",
		strings.Repeat("$RG/providers/$VMS/vm1", 5), "/subscriptions", "/subscriptions/", "/subscriptions/%20", "/providers/providers/providers/providers",
		"$RG/providers/providers/providers/providers", "$RG/providers/$VMS/vm1/providers", "$RG/providers/Microsoft.Compute//", "/%2e%2e/%2e%2e/etc/passwd",
	} {
		for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "BREW"} {
			a := w.send(t, w.request("", method+" "+path, `{}`))
			if a.status < 400 && !strings.HasPrefix(path, "/subscriptions") && method != "DELETE" {
				t.Errorf("%s %.100s: %d %.300s", method, path, a.status, a.body)
			}
		}
	}
	for _, query := range []string{
		"$filter=name eq '%00'", "$filter=resourceType eq '%00'", "$filter=resourceType eq '%FF'", "$filter=%FF", "$skiptoken=AA", "$skiptoken=L18", "$top=%00", "$filter=" + long,
		"$filter=name eq '" + long + "'", "%00=%00", "%FF=%FF", ";;;", "%zz", "&&&=&", "$filter=principalId eq '%00'", "$filter=assignedTo('%00')", "$filter=roleName eq '%00'", "$expand=%00",
	} {
		for _, path := range []string{"$SUB/resources", "$SUB/resourceGroups", "$RG/providers/$VMS", "$RG/$ASSIGN", "$RG/$ROLES", "$SUB/providers", "/tenants"} {
			if a := w.send(t, w.request("", "GET "+path+"?$V&"+query, "")); a.status != 200 && a.status != 400 {
				t.Errorf("%s %.60s: %d %s", path, query, a.status, a.body)
			}
		}
	}
}
