package imds

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/wire"
)

func TestKnownHost(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "169.254.169.254": true, "169.254.169.254:80": true, "localhost": true, "LOCALHOST:8099": true, "127.0.0.1": true, "127.0.0.1:1": true, "[::1]": true, "[::1]:50": true,
		"169.254.169.254:81": false, "169.254.169.254.evil.example": false, "evil.example": false, "localhost.evil.example": false, "127.0.0.2": false, "::1": false, "metadata": false,
	} {
		if got := knownHost(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestVersionsAreSorted(t *testing.T) {
	if !slices.IsSorted(apiVersions) {
		t.Error("apiVersions are not ascending") // knownVersion searches in them
	}
}

// TestDocumentIsInOrder checks the table of A.4: members in alphabetical
// order, and no version that is none.
func TestDocumentIsInOrder(t *testing.T) {
	vm := &resource.Resource{ID: vmID("m")}
	full(vm)
	var check func(where string, n node)
	check = func(where string, n node) {
		switch n := n.(type) {
		case list:
			for _, e := range n {
				check(where+"[]", e)
			}
		case object:
			for i, m := range n {
				if i > 0 && n[i-1].name >= m.name {
					t.Errorf("%s: %s after %s", where, m.name, n[i-1].name)
				}
				if !knownVersion(m.since) {
					t.Errorf("%s.%s: since %s", where, m.name, m.since)
				}
				check(where+"."+m.name, m.node)
			}
		}
	}
	check("", describe(vm, readProperties(vm), surroundings{}, newWorld(t).Cloud))
}

// TestPropertiesOfAnyShape: what another room stored never breaks the document.
func TestPropertiesOfAnyShape(t *testing.T) {
	for _, properties := range []string{``, `null`, `[]`, `{"vmId":{},"osProfile":"x","storageProfile":{"dataDisks":{},"osDisk":{"diskSizeGB":"7"}},"hardwareProfile":{"vmSize":"S"}}`} {
		vm := &resource.Resource{ID: vmID("m"), Properties: json.RawMessage(properties), Extra: map[string]json.RawMessage{"zones": json.RawMessage(`"1"`)}}
		p := readProperties(vm)
		if strings.Contains(properties, "vmSize") && (p.HardwareProfile.VMSize != "S" || p.StorageProfile.OSDisk.DiskSizeGB != "7") {
			t.Errorf("%s: %+v", properties, p)
		}
	}
	for in, want := range map[string]scalar{`"a\u0041"`: "aA", `1.50`: "1.50", `true`: "true", `null`: "", `{"a":1}`: "", `[1]`: ""} {
		var s scalar
		if err := json.Unmarshal([]byte(in), &s); err != nil || s != want {
			t.Errorf("%s: %q %v", in, s, err)
		}
	}
}

func TestChoose(t *testing.T) {
	principal := func(app, id, name string, enabled bool) directory.Principal {
		return directory.Principal{AppID: azure.AppID(app), ID: azure.ObjectID(id), Resource: identityID(name), Enabled: enabled}
	}
	system := identity{principal("sa", "so", "s", true), true}
	off := identity{principal("oa", "oo", "off", false), true}
	one, two := identity{principal("1a", "1o", "one", true), false}, identity{principal("2a", "2o", "two", true), false}
	for _, c := range []struct {
		name string
		have []identity
		sel  selector
		want string
		err  error
	}{
		{"none", nil, selector{}, "", errNoIdentity},
		{"system", []identity{system}, selector{}, "sa", nil},
		{"system first, wherever it stands", []identity{one, two, system}, selector{}, "sa", nil},
		{"the only one", []identity{one}, selector{}, "1a", nil},
		{"two", []identity{one, two}, selector{}, "", errMultiple},
		{"disabled system is no reason for another", []identity{off, one}, selector{}, "", errNoIdentity},
		{"in any case", []identity{one, two}, selector{"client_id", "2A"}, "2a", nil},
		{"object", []identity{one, two}, selector{"object_id", "2o"}, "2a", nil},
		{"resource", []identity{one, two}, selector{"mi_res_id", strings.ToUpper(identityID("two").String())}, "2a", nil},
		{"app id as object id", []identity{one}, selector{"object_id", "1a"}, "", errNoIdentity},
		{"odd resource", []identity{one}, selector{"msi_res_id", "one"}, "", errNoIdentity},
		{"stranger", []identity{one}, selector{"client_id", "2a"}, "", errNoIdentity},
		{"disabled", []identity{off}, selector{"client_id", "oa"}, "", errNoIdentity},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := (&state{identities: c.have}).choose(c.sel)
			if !errors.Is(err, c.err) && err != c.err || err == nil && string(id.AppID) != c.want {
				t.Errorf("%v %v", id, err)
			}
		})
	}
}

// TestEveryRefusalInBothDialects pins what A.3's transcripts do not reach.
func TestEveryRefusalInBothDialects(t *testing.T) {
	for _, c := range []struct {
		err                error
		status             int
		instance, identity string
	}{
		{errHost, 400, `{ "error": "Bad request. The host of the request is not the metadata service" }`, `{"error":"invalid_request","error_description":"The host of the request is not the metadata service"}`},
		{fault.New(fault.Invalid, "s3cret"), 400, `{ "error": "Bad request. The request is not valid" }`, `{"error":"invalid_request","error_description":"The request is not valid"}`},
		{fault.New(fault.NotFound, "s3cret"), 404, `{ "error": "Not found" }`, `{"error":"Not Found"}`},
		{fault.New(fault.Gone, "s3cret"), 404, `{ "error": "Not found" }`, `{"error":"Not Found"}`},
		{fault.New(fault.Unauthorized, "s3cret"), 403, `{ "error": "Forbidden" }`, `{"error":"access_denied","error_description":"Access is denied"}`},
		{fault.New(fault.Forbidden, "s3cret"), 403, `{ "error": "Forbidden" }`, `{"error":"access_denied","error_description":"Access is denied"}`},
		{fault.New(fault.Throttled, "s3cret"), 429, `{ "error": "Too many requests" }`, `{"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}`},
		{fault.New(fault.Unavailable, "s3cret"), 503, `{ "error": "Service unavailable" }`, `{"error":"service_unavailable","error_description":"The service is not available, retry later"}`},
		{fault.New(fault.Conflict, "s3cret"), 500, `{ "error": "Internal server error" }`, `{"error":"server_error","error_description":"The service failed, retry later"}`},
		{errors.New("s3cret"), 500, `{ "error": "Internal server error" }`, `{"error":"server_error","error_description":"The service failed, retry later"}`},
		{fault.New(fault.Invalid, "s3cret").Named(wire.CodeHeadersTooLarge), 431, `{ "error": "Request header fields too large" }`, `{"error":"invalid_request","error_description":"The request headers are too large"}`},
	} {
		for path, want := range map[string]string{"/metadata/instance": c.instance, "/Metadata/identity/info": c.identity} {
			rec := httptest.NewRecorder()
			fail(rec, httptest.NewRequest("GET", path, nil), c.err)
			if rec.Code != c.status || rec.Body.String() != want {
				t.Errorf("%v: %d %s, want %d %s", c.err, rec.Code, rec.Body, c.status, want)
			}
		}
	}
}

func FuzzParams(f *testing.F) {
	for _, s := range []string{"", "a=b", "api%2Dversion=2018-02-01&resource=https%3A%2F%2Fvault.azure.net", "a=1&A=2", "=&=", "a;b=c", "%zz=1", "a=%", strings.Repeat("&", 99), "a&b=c=d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseParams(nil, s)
		std, stdErr := url.ParseQuery(s)
		if err != nil {
			return
		}
		if stdErr != nil && !strings.Contains(s, ";") {
			t.Fatalf("%q is read, the library says %v", s, stdErr)
		}
		for _, p := range got {
			if !strings.Contains(s, ";") && std.Get(p.name) != p.value {
				t.Errorf("%q: %q is %q, not %q", s, p.name, p.value, std.Get(p.name))
			}
			if got.get(p.name) != p.value {
				t.Errorf("%q: %q is there twice", s, p.name)
			}
		}
	})
}

func FuzzRequest(f *testing.F) {
	w := newWorld(f)
	w.rich()
	w.authority()
	h := w.Machine(vmID("rich")).VM()
	for _, s := range []string{
		"/metadata/instance/network/interface/1/ipv6/ipAddress/0/privateIpAddress?api-version=2021-02-01&format=text", "/metadata/loadbalancer/loadbalancer/inboundRules/0?api-version=2020-10-01&format=text",
		"/metadata/loadbalancer?api-version=2025-04-07", "/metadata/attested/document?api-version=2020-09-01&nonce=1", "/metadata/attested?api-version=2020-09-01&format=text", "/metadata/attested/document/signature?api-version=2020-09-01&format=text&nonce=%30",
		"/metadata/scheduledevents?api-version=2020-07-01", "/metadata/scheduledevents/x", "/metadata/instance/network/interface/00?api-version=2021-02-01",
		"/metadata/instance/compute/tagsList/0/name?api-version=2021-02-01&format=text", "/metadata/instance?api-version=2025-04-07",
		"//Metadata/identity/oauth2/token/?api-version=2018-02-01&resource=x&client_id=%00", "/metadata/identity/info?api-version=2018-02-01",
		"/metadata/instance/network/interface/-1?api-version=2021-02-01", "/metadata/%2e%2e/x", "/metadata/versions", "/metadata?format=text&api-version=2021-02-01", "/%zz",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" {
			return
		}
		r := &http.Request{Method: "GET", URL: u, Host: "169.254.169.254", Header: http.Header{"Metadata": {"true"}}, Body: http.NoBody}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code >= 500 || rec.Code < 200 || rec.Code/100 == 3 {
			t.Errorf("%q: %d %s", target, rec.Code, rec.Body)
		}
		if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") && !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%q: %s", target, rec.Body)
		}
	})
}
