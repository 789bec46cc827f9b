package keyvault

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"midas/internal/store"
	"midas/internal/vault"
)

// TestBackupAndRestore takes a secret with its versions from one vault into
// another, and back where it came from once its name is free.
func TestBackupAndRestore(t *testing.T) {
	w := newWorld(t)
	from, to := "https://"+policyHost, "https://"+roleHost
	first := read(t, w.want(200, "", "admin", "PUT", from+"/secrets/My-Secret"+api, `{"value":"one","tags":{"a":"b"}}`))
	second := read(t, w.want(200, "", "admin", "PUT", from+"/secrets/my-secret"+api, `{"value":"two"}`))
	var blob string
	if err := json.Unmarshal(read(t, w.want(200, "", "admin", "POST", from+"/secrets/MY-secret/backup"+api, "")).Value, &blob); err != nil {
		t.Fatal(err)
	}
	if b, err := base64.RawURLEncoding.DecodeString(blob); err != nil || strings.Contains(string(b), "one") {
		t.Errorf("the blob is %q, %v", blob, err)
	}
	body := `{"value":"` + blob + `"}`
	w.want(409, "Conflict", "admin", "POST", from+"/secrets/restore"+api, body)
	for _, b := range []string{body, `{"value":"` + blob + strings.Repeat("=", (4-len(blob)%4)%4) + `"}`} {
		got := read(t, w.want(200, "", "admin", "POST", to+"/secrets/restore"+api, b))
		if got.Value != nil || got.ID != strings.Replace(second.ID, policyHost, roleHost, 1) || got.Attributes["created"] != second.Attributes["created"] {
			t.Errorf("restored %+v", got)
		}
		w.want(200, "", "admin", "DELETE", to+"/secrets/my-secret"+api, "")
		w.want(409, "ObjectIsDeletedButRecoverable", "admin", "POST", to+"/secrets/restore"+api, body)
		w.want(204, "", "admin", "DELETE", to+"/deletedsecrets/my-secret"+api, "")
	}
	w.want(200, "", "admin", "POST", to+"/secrets/restore"+api, body)
	old := read(t, w.want(200, "", "admin", "GET", strings.Replace(first.ID, policyHost, roleHost, 1)+api, ""))
	if string(old.Value) != `"one"` || old.Tags["a"] != "b" {
		t.Errorf("the first version is %+v", old)
	}
	if strings.Contains(w.log.String(), blob) {
		t.Error("the blob is in the log")
	}
	w.want(413, "RequestEntityTooLarge", "admin", "POST", to+"/secrets/restore"+api, `{"value":"`+strings.Repeat("A", maxRestore)+`"}`)
	w.want(400, "BadParameter", "admin", "POST", to+"/secrets/restore"+api, `{"value":"`+strings.Repeat("A", maxRestore-12)+`"}`)
}

// TestMoreOfABundle holds that a secret which no certificate made has none of
// its members, and what the versions of the API leave out.
func TestMoreOfABundle(t *testing.T) {
	w := newWorld(t)
	url := "https://" + policyHost + "/secrets/s"
	w.want(200, "", "admin", "PUT", url+api, `{"value":"v","managed":true,"kid":"x"}`)
	for version, days := range map[string]bool{"2015-06-01": false, "2016-10-01": false, "7.0": false, "7.1": true, "2026-04-01": true} {
		var got map[string]any
		if err := json.Unmarshal(w.want(200, "", "admin", "GET", url+"?api-version="+version, "").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"managed", "kid", "previousVersion"} {
			if _, ok := got[name]; ok {
				t.Errorf("%s: there is %q in %v", version, name, got)
			}
		}
		if _, ok := got["attributes"].(map[string]any)["recoveryLevel"]; ok != (version != "2015-06-01") {
			t.Errorf("%s: the attributes are %v", version, got["attributes"])
		}
		if _, ok := got["attributes"].(map[string]any)["recoverableDays"]; ok != days {
			t.Errorf("%s: the attributes are %v", version, got["attributes"])
		}
	}
}

// TestOrder holds the order of the checks: token, network, rights, state.
func TestOrder(t *testing.T) {
	w := newWorld(t)
	send := func(caller, client, method, url, body string) string {
		r := httptest.NewRequest(method, url, strings.NewReader(body))
		r.RemoteAddr = client
		if caller != "" {
			r.Header.Set("Authorization", "Bearer "+w.token(caller))
		}
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
		return w.last.Code
	}
	closed, private := "https://"+closedHost+"/secrets/s"+api, "https://"+privateHost+"/secrets/s"+api
	for _, c := range []struct{ caller, client, url, code string }{
		{"", "10.0.0.4:1", closed, "Unauthorized"},
		{"stranger", "10.0.0.4:1", closed, "Unauthorized"},
		{"nobody", "10.0.0.4:1", closed, vault.CodeForbiddenByFirewall},
		{"admin", "10.0.0.4:1", closed, vault.CodeForbiddenByFirewall},
		{"admin", "[2001:db8::1]:1", closed, vault.CodeForbiddenByFirewall},
		{"admin", "@", closed, vault.CodeForbiddenByFirewall},
		{"nobody", "192.0.2.1:1", closed, vault.CodeAccessDenied},
		{"admin", "192.0.2.1:1", closed, vault.CodeSecretNotFound},
		{"admin", "[::ffff:198.51.100.7]:1", closed, vault.CodeSecretNotFound},
		{"", "192.0.2.1:1", private, "Unauthorized"},
		{"nobody", "192.0.2.1:1", private, vault.CodeForbiddenByConnection},
		{"admin", "192.0.2.1:1", private, vault.CodeForbiddenByConnection},
	} {
		if got := send(c.caller, c.client, http.MethodGet, c.url, ""); got != c.code {
			t.Errorf("%q from %s at %.30s: %s, want %s", c.caller, c.client, c.url, got, c.code)
		}
		if known := c.code != "Unauthorized"; known != (w.last.Operation != "") || known != strings.HasSuffix(w.last.Target, "/secrets/s") {
			t.Errorf("%q from %s at %.30s is recorded as %+v", c.caller, c.client, c.url, w.last)
		}
	}
	for _, client := range []string{"10.0.0.4:1", "192.0.2.1:1"} {
		// What a caller says about itself is not believed.
		r := httptest.NewRequest(http.MethodGet, closed, nil)
		r.RemoteAddr = client
		r.Header.Set("Authorization", "Bearer "+w.token("admin"))
		for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Azure-ClientIP"} {
			r.Header.Set(name, "192.0.2.1")
		}
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
		if refused := w.last.Code == vault.CodeForbiddenByFirewall; refused != (client == "10.0.0.4:1") {
			t.Errorf("from %s with a header: %s", client, w.last.Code)
		}
	}
}

// TestPurgeLeavesNothingDue holds that a purge which was answered has left the
// files, too, also where several purge at the same time.
func TestPurgeLeavesNothingDue(t *testing.T) {
	w := newWorld(t)
	const secrets = 8
	for i := range secrets {
		url := fmt.Sprintf("https://%s/secrets/s%d%s", policyHost, i, api)
		w.want(200, "", "admin", "PUT", url, `{"value":"v"}`)
		w.want(200, "", "admin", "DELETE", url, "")
	}
	w.door.Record = nil // they run beside each other
	h := w.door.Routes()
	var running sync.WaitGroup
	for i := range secrets {
		r := httptest.NewRequest(http.MethodDelete, fmt.Sprintf("https://%s/deletedsecrets/s%d%s", policyHost, i, api), nil)
		r.Header.Set("Authorization", "Bearer "+w.token("admin"))
		running.Go(func() {
			out := httptest.NewRecorder()
			if h.ServeHTTP(out, r); out.Code != http.StatusNoContent {
				t.Errorf("%d %s", out.Code, out.Body)
			}
		})
	}
	running.Wait()
	w.update(func(tx *store.Tx) error {
		if due, err := tx.Setting("scrub-due"); due != "" || err != nil {
			t.Errorf("a scrub is due: %q, %v", due, err)
		}
		return nil
	})
	if strings.Contains(w.log.String(), "still in the database") {
		t.Error("a scrub failed")
	}
}
