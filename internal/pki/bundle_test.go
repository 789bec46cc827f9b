package pki

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

func TestFirstFile(t *testing.T) {
	dir := t.TempDir()
	missing, empty, one, two := filepath.Join(dir, "missing"), filepath.Join(dir, "empty"), filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for path, text := range map[string]string{empty: "", one: "1", two: "2"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := firstFile(missing, dir, empty, one, two); string(got) != "1" {
		t.Errorf("got %q", got)
	}
	if got := firstFile(missing); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestBundleEndsWithTheAuthority(t *testing.T) {
	a := newTestAuthority(t, t.TempDir(), today())
	other := newTestAuthority(t, t.TempDir(), today()).CAPEM()
	for name, roots := range map[string][]byte{
		"no roots": nil, "roots": other, "roots without an end of line": bytes.TrimSpace(other),
	} {
		bundle := withRoots(roots, a.CAPEM())
		var blocks [][]byte
		for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
			blocks = append(blocks, block.Bytes)
		}
		want := 2
		if roots == nil {
			want = 1
		}
		if len(blocks) != want || !bytes.Equal(blocks[len(blocks)-1], a.cert.Raw) {
			t.Errorf("%s: %d certificates, the last is not the authority", name, len(blocks))
		}
	}
	if bundle := a.Bundle(); !bytes.HasPrefix(bundle, SystemBundle()) || !bytes.HasSuffix(bundle, a.CAPEM()) {
		t.Error("the bundle is not the machine's roots and then the authority")
	}
}

func TestJavaTrustStoreHoldsTheBundle(t *testing.T) {
	a := newTestAuthority(t, t.TempDir(), today())
	// Twice the same certificate: no name in the store may hide another.
	store, err := JavaTrustStore(withRoots(a.CAPEM(), a.CAPEM()))
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pkcs12.DecodeTrustStore(store, "")
	if err != nil || len(certs) != 2 || !certs[0].Equal(a.cert) || !certs[1].Equal(a.cert) {
		t.Errorf("%d certificates, %v", len(certs), err)
	}
}
