package pki

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
)

// attestTo verifies a document and returns its signer.
func attestTo(t *testing.T, a *Authority, at time.Time) *x509.Certificate {
	t.Helper()
	signed, err := a.Attest([]byte("facts"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := pkcs7.Parse(signed)
	if err != nil || !bytes.Equal(p.Content, []byte("facts")) {
		t.Fatalf("%v", err)
	}
	if err := p.VerifyWithChainAtTime(pool(a), at); err != nil {
		t.Error(err)
	}
	return p.GetOnlySigner()
}

func TestAttest(t *testing.T) {
	c := today()
	names := testNames
	names.Attest = "Metadata.Azure.com"
	a, err := Open(t.TempDir(), names, c.now)
	if err != nil {
		t.Fatal(err)
	}
	first := attestTo(t, a, c.at)
	if first.VerifyHostname("metadata.azure.com") != nil || first.VerifyHostname("eastus.metadata.azure.com") != nil || first.VerifyHostname("management.azure.com") == nil {
		t.Errorf("the signer is for %v", first.DNSNames)
	}
	if _, err := first.Verify(x509.VerifyOptions{Roots: pool(a), CurrentTime: c.at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("the signer of documents may be a door")
	}
	if mustDoor(t, a, "metadata.azure.com").Leaf.VerifyHostname("metadata.azure.com") == nil {
		t.Error("a door answers for the name that documents are signed under")
	}
	if again := attestTo(t, a, c.at); !again.Equal(first) {
		t.Error("each document has a signer of its own")
	}
	c.at = c.at.Add(doorLife * 3 / 4)
	if renewed := attestTo(t, a, c.at); renewed.Equal(first) {
		t.Error("the signer is not renewed")
	}
}

func TestAttestNeedsAName(t *testing.T) {
	if _, err := newTestAuthority(t, t.TempDir(), today()).Attest(nil); err == nil {
		t.Error("a document is signed under no name")
	}
	if _, err := Open(t.TempDir(), Names{Attest: "no name"}, today().now); err == nil {
		t.Error("no name is a name")
	}
}

// TestAttestNameIsCovered: an authority of before the name was needed is refused, not used.
func TestAttestNameIsCovered(t *testing.T) {
	dir, c := t.TempDir(), today()
	newTestAuthority(t, dir, c)
	names := testNames
	names.Attest = "metadata.example.org"
	if _, err := Open(dir, names, c.now); err == nil {
		t.Error("it is opened")
	}
}
