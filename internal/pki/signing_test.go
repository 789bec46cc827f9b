package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"
)

func TestSigningCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	der, err := SigningCertificate(key, "accounts.accesscontrol.windows.net", from, from.AddDate(5, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Subject.CommonName != "accounts.accesscontrol.windows.net" || cert.Issuer.String() != cert.Subject.String() || cert.IsCA {
		t.Errorf("subject %v, issuer %v, authority %v", cert.Subject, cert.Issuer, cert.IsCA)
	}
	if !cert.NotBefore.Equal(from) || !cert.NotAfter.Equal(from.AddDate(5, 0, 0)) {
		t.Errorf("valid from %v to %v", cert.NotBefore, cert.NotAfter)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		t.Error("it has another key")
	}
	if err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
		t.Error(err)
	}
	again, err := SigningCertificate(key, "accounts.accesscontrol.windows.net", from, from.AddDate(5, 0, 0))
	if err != nil || Thumbprint(again) == Thumbprint(der) {
		t.Errorf("two certificates of one key have one kid: %v", err)
	}
}

func TestThumbprints(t *testing.T) {
	// The SHA-1 and SHA-256 of "abc" are in FIPS 180-4's examples.
	if got, want := Thumbprint([]byte("abc")), "qZk-NkcGgWq6PiVxeFDCbJzQ2J0"; got != want {
		t.Errorf("x5t %s, want %s", got, want)
	}
	if got, want := ThumbprintSHA256([]byte("abc")), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"; got != want {
		t.Errorf("x5t#S256 %s, want %s", got, want)
	}
}
