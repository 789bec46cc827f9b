package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"time"
)

// SigningCertificate returns the self-signed certificate, DER, of a key that
// signs tokens. Nobody verifies it: its thumbprint is the key's kid, and it is
// the x5c of the key set (control-plane.md A).
func SigningCertificate(key crypto.Signer, cn string, notBefore, notAfter time.Time) ([]byte, error) {
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: cn},
		NotBefore: notBefore,
		NotAfter:  notAfter,
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// Thumbprint is the x5t of a certificate: its SHA-1, base64url without padding
// (RFC 7515 section 4.1.7). It is a name, and secures nothing.
func Thumbprint(der []byte) string {
	sum := sha1.Sum(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ThumbprintSHA256 is the x5t#S256 of a certificate (RFC 7515 section 4.1.8).
func ThumbprintSHA256(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
