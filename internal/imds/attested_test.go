package imds

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas/internal/pki"
	"midas/internal/resource"
	"midas/internal/store"
)

// authority gives the world a CA, whose time is the machine's: so is openssl's.
func (w *world) authority() *pki.Authority {
	w.t.Helper()
	ca, err := pki.Open(filepath.Join(w.t.TempDir(), "ca"), pki.Names{Exact: w.Cloud.ExactHosts(), Attest: w.Cloud.MetadataHost}, time.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Attest = ca.Attest
	return ca
}

// attested asks for a document and returns the signed bytes.
func (m *machineUnder) attested(query string) []byte {
	m.w.t.Helper()
	rec := m.get("attested/document?" + query)
	var d struct{ Encoding, Signature string }
	if err := json.Unmarshal(rec.Body.Bytes(), &d); err != nil || rec.Code != http.StatusOK || d.Encoding != "pkcs7" {
		m.w.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	signed, err := base64.StdEncoding.DecodeString(d.Signature)
	if err != nil {
		m.w.t.Fatal(err)
	}
	return signed
}

// openssl verifies a document as a user would, and returns its content.
func openssl(t *testing.T, ca string, signed []byte, more ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "signed.der")
	if err := os.WriteFile(file, signed, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("openssl", append([]string{"smime", "-verify", "-inform", "der", "-in", file, "-CAfile", ca}, more...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && stderr.Len() == 0 {
		t.Fatalf("this test needs openssl: %v", err)
	}
	return string(out), err
}

// TestAttestedDocument verifies documents with the real openssl.
func TestAttestedDocument(t *testing.T) {
	w := newWorld(t)
	w.rich()
	ca := w.authority()
	m := w.vm("rich")
	for query, want := range map[string]string{
		"api-version=2018-10-01&nonce=1234567890": `{"nonce":"1234567890","plan":{"name":"pl","product":"pr","publisher":"pu"},"timeStamp":{"createdOn":"03/04/26 05:06:07 -0000","expiresOn":"03/04/26 11:06:07 -0000"},"vmId":"02aab8a4-74ef-476e-8182-f6d2ba4166a6"}`,
		"api-version=2019-04-30&nonce=a":          `{"nonce":"a","plan":{"name":"pl","product":"pr","publisher":"pu"},"subscriptionId":"` + testSub + `","timeStamp":{"createdOn":"03/04/26 05:06:07 -0000","expiresOn":"03/04/26 11:06:07 -0000"},"vmId":"02aab8a4-74ef-476e-8182-f6d2ba4166a6"}`,
		"api-version=2025-04-07":                  `{"licenseType":"RHEL_BYOS","nonce":"20260304-050607","plan":{"name":"pl","product":"pr","publisher":"pu"},"sku":"server","subscriptionId":"` + testSub + `","timeStamp":{"createdOn":"03/04/26 05:06:07 -0000","expiresOn":"03/04/26 11:06:07 -0000"},"vmId":"02aab8a4-74ef-476e-8182-f6d2ba4166a6"}`,
	} {
		got, err := openssl(t, ca.CAPath(), m.attested(query))
		if err != nil || got != want {
			t.Errorf("%s: %v\n%s\n%s", query, err, got, want)
		}
	}
	signed := m.attested("api-version=2025-04-07&nonce=1234567890")
	at := strings.Index(string(signed), "1234567890")
	if at < 0 {
		t.Fatal("the content is not in it")
	}
	changed := append([]byte(nil), signed...)
	changed[at] = '9'
	if out, err := openssl(t, ca.CAPath(), changed); err == nil {
		t.Errorf("a changed document verifies: %s", out)
	}
	other := newWorld(t).authority()
	if out, err := openssl(t, other.CAPath(), signed); err == nil {
		t.Errorf("another installation's CA vouches for it: %s", out)
	}
	signer := filepath.Join(t.TempDir(), "signer.pem")
	if _, err := openssl(t, ca.CAPath(), signed, "-signer", signer); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("openssl", "x509", "-in", signer, "-noout", "-subject", "-ext", "subjectAltName,extendedKeyUsage").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "DNS:metadata.azure.com, DNS:*.metadata.azure.com") || strings.Contains(string(out), "TLS Web Server") {
		t.Errorf("the signer is\n%s%v", out, err)
	}
}

func TestAttestedNonce(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", false, full)
	w.authority()
	m := w.vm("m")
	for nonce, want := range map[string]int{
		"nonce=": 400, "nonce=" + strings.Repeat("7", 32): 200, "nonce=" + strings.Repeat("7", 33): 400, "nonce=a-b": 400, "nonce=%C3%A9": 400, "nonce=a%00": 400, "nonce=Ab9": 200, "nonce=1&nonce=2": 400,
	} {
		if rec := m.get("attested/document?api-version=2020-09-01&" + nonce); rec.Code != want {
			t.Errorf("%s: %d %s", nonce, rec.Code, rec.Body)
		}
	}
	w.update(func(tx *store.Tx) error { _, err := resource.Delete(tx, vmID("m")); return err })
	if rec := m.get("attested/document?api-version=2020-09-01"); rec.Code != http.StatusNotFound {
		t.Errorf("of a deleted machine: %d %s", rec.Code, rec.Body)
	}
}

func FuzzNonce(f *testing.F) {
	for _, s := range []string{"", "1234567890", strings.Repeat("a", 33), "a b", "\x00", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := readNonce(params{{"nonce", s}}, time.Unix(0, 0))
		if err == nil && (got != s || len(s) == 0 || len(s) > 32 || strings.ContainsAny(s, `"\<>&`+"\x00\n")) {
			t.Errorf("%q is a nonce, %q", s, got)
		}
	})
}
