package keyvault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/vault"
)

const api = "?api-version=2026-04-01"

// TestOperations is operation × caller × model, with what the event says.
func TestOperations(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, target, body string
		status               int    // of who may
		action               string // of the event
		readerPolicy         bool   // whether "get" is enough
		readerRole           bool   // whether Key Vault Secrets User is enough
	}{
		{"PUT", "/secrets/s", `{"value":"hush-hush"}`, 200, "secrets/setSecret/action", false, false},
		{"GET", "/secrets/s", "", 200, "secrets/getSecret/action", true, true},
		{"PATCH", "/secrets/s", `{"contentType":"x"}`, 200, "secrets/update/action", false, false},
		{"GET", "/secrets", "", 200, "secrets/readMetadata/action", false, true},
		{"GET", "/secrets/s/versions", "", 200, "secrets/readMetadata/action", false, true},
		{"DELETE", "/secrets/s", "", 200, "secrets/delete", false, false},
		{"GET", "/deletedsecrets", "", 200, "secrets/readMetadata/action", false, true},
		{"GET", "/deletedsecrets/s", "", 200, "secrets/readMetadata/action", true, true},
		{"POST", "/deletedsecrets/s/recover", "", 200, "secrets/recover/action", false, false},
		{"POST", "/secrets/s/backup", "", 200, "secrets/backup/action", false, false},
		{"POST", "/secrets/restore", `{"value":"Z2FyYmFnZQ"}`, 400, "secrets/restore/action", false, false},
		{"DELETE", "/secrets/s", "", 200, "secrets/delete", false, false},
		{"DELETE", "/deletedsecrets/s", "", 204, "secrets/purge/action", false, false},
	} {
		for vaultName, host := range map[string]string{policyVault: policyHost, roleVault: roleHost} {
			denied := "AccessDenied"
			reader := c.readerPolicy
			if vaultName == roleVault {
				denied, reader = "ForbiddenByRbac", c.readerRole
			}
			url := "https://" + host + c.target + api
			w.want(http.StatusForbidden, denied, "nobody", c.method, url, c.body)
			if reader {
				w.want(c.status, "", "reader", c.method, url, c.body)
			} else {
				w.want(http.StatusForbidden, denied, "reader", c.method, url, c.body)
			}
			code := ""
			if c.status == 400 {
				code = "BadParameter"
			}
			got := w.want(c.status, code, "admin", c.method, url, c.body)
			target := vaultID(vaultName).String()
			if strings.HasSuffix(c.target, "/s") || strings.Contains(c.target, "/s/") {
				target += "/secrets/s"
			}
			if w.last.Caller != string(w.callers["admin"].ID) || w.last.Operation != "Microsoft.KeyVault/vaults/"+c.action || w.last.Target != target || w.last.Door != "keyvault" {
				t.Errorf("%s %s: the event is %+v", c.method, c.target, w.last)
			}
			if got.Code == 204 && got.Body.Len() > 0 {
				t.Errorf("a 204 has the body %q", got.Body)
			}
		}
	}
	if strings.Contains(w.log.String(), "hush-hush") || strings.Contains(w.log.String(), w.token("admin")) {
		t.Error("a value or a token is in the log")
	}
}

// TestRightsBeforeState holds that a caller without rights learns nothing of
// what is in a vault.
func TestRightsBeforeState(t *testing.T) {
	w := newWorld(t)
	w.want(200, "", "admin", "PUT", "https://"+policyHost+"/secrets/there"+api, `{"value":"","attributes":{"enabled":false}}`)
	for _, target := range []string{"/secrets/there", "/secrets/missing", "/secrets/missing/versions", "/deletedsecrets/missing"} {
		w.want(403, "AccessDenied", "nobody", "GET", "https://"+policyHost+target+api, "")
	}
	w.want(403, "AccessDenied", "nobody", "PUT", "https://"+policyHost+"/secrets/s"+api, "{")
	w.want(400, "BadParameter", "admin", "PUT", "https://"+policyHost+"/secrets/s"+api, "{")
}

func TestRouting(t *testing.T) {
	w := newWorld(t)
	w.want(200, "", "admin", "PUT", "https://"+policyHost+"/secrets/s"+api, `{"value":"v"}`)
	for _, c := range []struct {
		method, url string
		status      int
		code        string
	}{
		{"GET", "https://" + policyHost + "/SECRETS/S/?API-VERSION=7.0", 200, ""},
		{"GET", "https://" + policyHost + "//secrets//s//?api%2Dversion=2026-04-01", 200, ""},
		{"GET", "https://" + policyHost + "/secrets/s/Versions/" + api, 200, ""},
		{"GET", "https://KV-POLICY.vault.azure.net.:443/%73ecrets/s" + api, 200, ""},
		{"GET", "https://" + policyHost + "/secrets/s%2Fversions" + api, 400, "BadParameter"},
		{"GET", "https://" + policyHost + "/secrets/s" + api + "&api-version=7.4", 200, ""},
		{"GET", "https://" + policyHost + "/secrets/s", 400, "BadParameter"},
		{"GET", "https://" + policyHost + "/secrets/s?api-version=", 400, "BadParameter"},
		{"GET", "https://" + policyHost + "/secrets/s?api-version=latest", 400, "BadParameter"},
		{"GET", "https://" + policyHost + "/", 404, "NotFound"},
		{"GET", "https://" + policyHost + "/keys" + api, 404, "NotFound"},
		{"GET", "https://" + policyHost + "/secrets/s/v/x" + api, 404, "NotFound"},
		{"POST", "https://" + policyHost + "/secrets/s" + api, 405, "MethodNotAllowed"},
		{"GET", "https://" + policyHost + "/secrets/restore" + api, 404, "SecretNotFound"},
		{"HEAD", "https://" + policyHost + "/secrets/restore" + api, 405, "MethodNotAllowed"},
		{"GET", "https://" + policyHost + "/secrets/s/backup" + api, 404, "SecretNotFound"},
		{"POST", "https://" + policyHost + "/SECRETS/S/BACKUP/" + api, 200, ""},
		{"DELETE", "https://" + policyHost + "/secrets/s/versions" + api, 405, "MethodNotAllowed"},
		{"PUT", "https://" + policyHost + "/secrets/s/v" + api, 405, "MethodNotAllowed"},
		{"DELETE", "https://" + policyHost + "/secrets" + api, 405, "MethodNotAllowed"},
		{"GET", "https://" + policyHost + "/deletedsecrets/s/recover" + api, 405, "MethodNotAllowed"},
		{"GET", "https://nobody-has-this.vault.azure.net/secrets/s" + api, 404, "VaultNotFound"},
		{"GET", "https://example.org/secrets/s" + api, 404, "VaultNotFound"},
	} {
		got := w.want(c.status, c.code, "admin", c.method, c.url, "")
		if allow := got.Header().Get("Allow"); (c.status == 405) != (allow != "") {
			t.Errorf("%s: Allow is %q", c.url, allow)
		}
	}
	w.want(400, "BadParameter", "admin", "GET", "https://"+policyHost+"/secrets/"+strings.Repeat("n", 128)+api, "")
	for _, name := range []string{"X-HTTP-METHOD", "X-HTTP-Request"} {
		w.want(200, "", "admin", "POST", "https://"+policyHost+"/secrets/s"+api, `{"tags":{}}`, name, "patch")
		w.want(405, "MethodNotAllowed", "admin", "POST", "https://"+policyHost+"/secrets/s"+api, `{"tags":{}}`, name, "GET")
		w.want(200, "", "admin", "GET", "https://"+policyHost+"/secrets/s"+api, "", name, "DELETE") // only a POST means another method
	}
	w.want(200, "", "admin", "POST", "https://"+policyHost+"/secrets/s"+api, "", "X-HTTP-Method", "DELETE")
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	for _, caller := range []string{"", "nobody", "admin"} {
		got := w.send(caller, "GET", "https://"+policyHost+"/secrets"+api, "", "x-ms-client-request-id", "my id")
		want := map[string]string{
			"X-Ms-Request-Id": w.last.RequestID, "X-Ms-Client-Request-Id": "my id", "X-Ms-Keyvault-Region": "eastus", "X-Ms-Keyvault-Service-Version": "1.9.1720.1",
			"X-Ms-Keyvault-Network-Info": "conn_type=Ipv4;addr=192.0.2.1;act_addr_fam=InterNetwork;", "Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1",
			"X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=31536000;includeSubDomains", "Content-Type": "application/json; charset=utf-8",
		}
		for name, value := range want {
			if got.Header().Get(name) != value {
				t.Errorf("%q: %s is %q, want %q", caller, name, got.Header().Get(name), value)
			}
		}
	}
	for peer, want := range map[string]string{
		"@": "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;", "": "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
		"[2001:db8::1]:9": "conn_type=Ipv6;addr=2001:db8::1;act_addr_fam=InterNetworkV6;", "[::ffff:10.0.0.1]:9": "conn_type=Ipv4;addr=10.0.0.1;act_addr_fam=InterNetwork;",
		"[fe80::1%eth0]:9": "conn_type=Ipv6;addr=fe80::1;act_addr_fam=InterNetworkV6;",
	} {
		if got := networkInfo(peer); got != want {
			t.Errorf("%q gives %s", peer, got)
		}
	}
}

func TestBodies(t *testing.T) {
	w := newWorld(t)
	url := "https://" + policyHost + "/secrets/s" + api
	escaped := `"` + strings.Repeat(`\u0041`, vault.MaxValue) + `"`
	for _, c := range []struct {
		what, body string
		status     int
		code       string
	}{
		{"nothing", "", 400, "BadParameter"},
		{"blanks", " \n", 400, "BadParameter"},
		{"null", "null", 400, "BadParameter"},
		{"no value", "{}", 400, "BadParameter"},
		{"a null value", `{"value":null}`, 400, "BadParameter"},
		{"a number", `{"value":1}`, 400, "BadParameter"},
		{"a list", `[]`, 400, "BadParameter"},
		{"broken JSON", `{"value":"s3cr3t`, 400, "BadParameter"},
		{"two documents", `{"value":"a"}{}`, 400, "BadParameter"},
		{"not UTF-8", "{\"value\":\"\xff\"}", 400, "BadParameter"},
		{"tags of another type", `{"value":"a","tags":{"a":1}}`, 400, "BadParameter"},
		{"half a second", `{"value":"a","attributes":{"exp":1.5}}`, 400, "BadParameter"},
		{"an absurd time", `{"value":"a","attributes":{"exp":9223372036854775807}}`, 400, "BadParameter"},
		{"a time before time", `{"value":"a","attributes":{"nbf":-9223372036854775808}}`, 400, "BadParameter"},
		{"a time of more than 64 bits", `{"value":"a","attributes":{"nbf":92233720368547758080}}`, 400, "BadParameter"},
		{"sixteen tags", `{"value":"a","tags":{` + sixteen() + `}}`, 400, "BadParameter"},
		{"the largest value, escaped", `{"value":` + escaped + `}`, 200, ""},
		{"one byte more", `{"value":"` + strings.Repeat("v", vault.MaxValue+1) + `"}`, 400, "BadParameter"},
		{"too large a body", `{"value":"` + strings.Repeat("v", maxBody) + `"}`, 413, "RequestEntityTooLarge"},
		{"an empty value", `{"value":""}`, 200, ""},
		{"nulls", `{"value":"a","attributes":null,"tags":null,"contentType":null}`, 200, ""},
		{"members that are not known", `{"value":"a","id":"x","attributes":{"x":1,"recoveryLevel":"x"},"y":[]}`, 200, ""},
	} {
		got := w.want(c.status, c.code, "admin", "PUT", url, c.body, "Content-Type", "application/json")
		if got.Code >= 400 && strings.Contains(got.Body.String(), "s3cr3t") {
			t.Errorf("%s: the answer is %q", c.what, got.Body)
		}
	}
	w.want(415, "UnsupportedMediaType", "admin", "PUT", url, `{"value":"a"}`, "Content-Type", "application/x-www-form-urlencoded")
	w.want(200, "", "admin", "PUT", url, `{"value":"a"}`, "Content-Type", "application/json; charset=utf-8")
	w.want(431, "RequestHeaderFieldsTooLarge", "admin", "GET", url, "", "X-Flood", strings.Repeat("x", 70_000))
	if strings.Contains(w.log.String(), "s3cr3t") {
		t.Error("a part of a body is in the log")
	}
}

func sixteen() string {
	var tags []string
	for i := range 16 {
		tags = append(tags, fmt.Sprintf(`"t%d":""`, i))
	}
	return strings.Join(tags, ",")
}

// TestIDs holds that ids are built from the port the caller used.
func TestIDs(t *testing.T) {
	w := newWorld(t)
	for host, want := range map[string]string{
		policyHost: "https://kv-policy.vault.azure.net/secrets/", policyHost + ":443": "https://kv-policy.vault.azure.net/secrets/",
		"KV-policy.vault.azure.net:8443": "https://kv-policy.vault.azure.net:8443/secrets/",
	} {
		set := read(t, w.want(200, "", "admin", "PUT", "https://"+host+"/secrets/Ids"+api, `{"value":"v"}`))
		if id, ok := strings.CutPrefix(set.ID, want+"Ids/"); !ok || len(id) != 32 {
			t.Errorf("%s: the id is %s", host, set.ID)
		}
	}
}

func TestPaging(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 26 {
		name := fmt.Sprintf("S%02d", i)
		want = append(want, "https://kv-policy.vault.azure.net/secrets/"+name)
		w.want(200, "", "admin", "PUT", "https://"+policyHost+"/secrets/"+name+api, `{"value":"v"}`)
	}
	for query, pages := range map[string]int{"": 2, "&maxresults=25": 2, "&MaxResults=1": 26, "&maxresults=13": 2} {
		var got []string
		n := 0
		for url := "https://" + policyHost + "/secrets?api-version=7.3" + query; url != ""; n++ {
			a := read(t, w.want(200, "", "admin", "GET", url, ""))
			var items []answer
			if err := json.Unmarshal(a.Value, &items); err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				got = append(got, item.ID)
			}
			url = ""
			if a.NextLink != nil {
				url = *a.NextLink
				if !strings.HasPrefix(url, "https://kv-policy.vault.azure.net:443/secrets?api-version=7.3&$skiptoken=") || strings.Contains(url, "maxresults") != (query != "") {
					t.Fatalf("the next page is at %s", url)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || n != pages {
			t.Errorf("%q: %d pages (-want +got)\n%s", query, n, diff)
		}
	}
	for _, query := range []string{"maxresults=0", "maxresults=26", "maxresults=-1", "maxresults=x", "maxresults=", "maxresults=99999999999999999999", "$skiptoken=x", "%24skiptoken=e30"} {
		w.want(400, "BadParameter", "admin", "GET", "https://"+policyHost+"/secrets"+api+"&"+query, "")
	}
}

// TestChangesAreSeen holds that nothing remembered outlives a change.
func TestChangesAreSeen(t *testing.T) {
	w := newWorld(t)
	url := "https://" + policyHost + "/secrets/s" + api
	w.want(200, "", "admin", "PUT", url, `{"value":"v"}`)
	w.want(403, "AccessDenied", "nobody", "GET", url, "")
	policies := func(p ...vault.AccessPolicy) func(*store.Tx) error {
		return func(tx *store.Tx) error { return w.putVault(tx, policyVault, vault.Properties{AccessPolicies: p}) }
	}
	w.update(policies(vault.AccessPolicy{ObjectID: w.callers["nobody"].ID, Permissions: vault.Permissions{Secrets: []string{"get"}}}))
	w.want(200, "", "nobody", "GET", url, "")
	w.want(403, "AccessDenied", "admin", "GET", url, "")
	w.update(policies())
	w.want(403, "AccessDenied", "nobody", "GET", url, "")
	w.update(policies(vault.AccessPolicy{ObjectID: w.callers["admin"].ID, Permissions: vault.Permissions{Secrets: []string{"all"}}}))
	w.want(200, "", "admin", "GET", url, "")
	w.update(func(tx *store.Tx) error {
		r, err := resource.Get(tx, vaultID(policyVault))
		if err != nil {
			return err
		}
		if err := vault.SoftDelete(tx, r); err != nil {
			return err
		}
		d, err := vault.DeletedByName(tx, r.ID.Subscription(), policyVault)
		if err != nil {
			return err
		}
		return d.Purge(tx)
	})
	w.want(404, "VaultNotFound", "admin", "GET", url, "")
	w.update(func(tx *store.Tx) error { return vault.Create(tx, w.door.Root, vaultID(policyVault), policyVault) })
	w.want(404, "SecretNotFound", "admin", "GET", url, "")
	w.update(func(tx *store.Tx) error { return directory.SetEnabled(tx, w.callers["admin"].ID, false) })
	w.want(401, "Unauthorized", "admin", "GET", url, "")
	w.want(404, "SecretNotFound", "reader", "GET", "https://"+roleHost+"/secrets/s"+api, "")
	w.clock.Advance(25 * time.Hour)
	w.want(401, "Unauthorized", "reader", "GET", "https://"+roleHost+"/secrets/s"+api, "")
}

func TestVersionForms(t *testing.T) {
	for text, days := range map[string]bool{
		"2015-06-01": false, "2016-10-01": false, "7.0": false, "7.1": true, "7.2": true, "7.3": true, "7.4": true, "7.5": true, "7.6": true, "2025-07-01": true, "2026-04-01": true,
		"7.1-preview": true, "7.3-preview": true, "7.6-preview.2": true, "7.10": true, "2031-12-31-PREVIEW": true, "7.0-preview": false,
	} {
		v, err := parseVersion(text)
		if err != nil || v.recoverableDays != days || v.text != text {
			t.Errorf("%s: %+v, %v", text, v, err)
		}
	}
	for _, text := range []string{"7", "7.", "8.0", "7.x", "2026-13-01", "2026-00-01", "2026-01-32", "1999-01-01", "2026-04-01x", " 7.4", "7.4\n", "7.4-", "latest", "7.4-preview.", strings.Repeat("7", 5000)} {
		if _, err := parseVersion(text); err == nil || len(err.Error()) > 300 {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"7.4", "2026-04-01", "7.6-preview.2", "", "7.4\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := parseVersion(s); err == nil && v.text != s || err != nil && code(err) != vault.CodeBadParameter {
			t.Errorf("%q: %+v, %v", s, v, err)
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{"", "{}", "null", `{"value":"a","attributes":{"enabled":false,"nbf":1,"exp":-1},"tags":{"a":"b"},"contentType":"x"}`, `{"attributes":{"exp":1e3}}`, "{\"value\":\"\xff\"}", `[[[[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseBody(b)
		if err != nil && code(err) != vault.CodeBadParameter {
			t.Errorf("%q gives %v", b, err)
		}
		if err == nil && c.NotBefore != nil && c.NotBefore.Unix() < -1 {
			t.Errorf("%q gives %v", b, c.NotBefore)
		}
	})
}
