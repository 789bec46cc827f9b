package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"software.sslmate.com/src/go-pkcs12"
)

// JavaTrustStorePassword opens what [Authority.JavaTrustStore] returns, as it
// opens the trust store that Java ships. So does no password.
const JavaTrustStorePassword = "changeit"

// SystemBundle is the machine's own bundle of roots, PEM, from where the
// distributions keep it; nil if there is none.
func SystemBundle() []byte {
	return firstFile(
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Alpine
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
		"/etc/pki/tls/certs/ca-bundle.crt",                  // the same, older
		"/etc/ssl/ca-bundle.pem",                            // SUSE
		"/etc/ssl/cert.pem",                                 // Alpine, macOS, BSD
	)
}

func firstFile(paths ...string) []byte {
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil && len(data) > 0 {
			return data
		}
	}
	return nil
}

// Bundle is a full trust bundle, PEM: the machine's roots, then this authority.
func (a *Authority) Bundle() []byte { return withRoots(SystemBundle(), a.CAPEM()) }

func withRoots(roots, ca []byte) []byte {
	if len(roots) > 0 && !bytes.HasSuffix(roots, []byte("\n")) {
		roots = append(bytes.Clone(roots), '\n')
	}
	return append(bytes.Clone(roots), ca...)
}

// JavaTrustStore turns a bundle, PEM, into a PKCS#12 trust store that can
// stand in for a JVM's cacerts. It is neither encrypted nor under a MAC: a JVM
// reads its cacerts without a password, and would find an encrypted one empty.
// A JVM does not apply the name constraints of a root; other clients do.
func JavaTrustStore(bundle []byte) ([]byte, error) {
	var entries []pkcs12.TrustStoreEntry
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		entries = append(entries, pkcs12.TrustStoreEntry{
			// Not parsed: it is for Java to say which roots it can read.
			Cert: &x509.Certificate{Raw: block.Bytes},
			// Java keeps one certificate per name, and roots share subjects.
			FriendlyName: fmt.Sprintf("midas-bundle-%d", len(entries)+1),
		})
	}
	store, err := pkcs12.Passwordless.EncodeTrustStoreEntries(entries, "")
	if err != nil {
		return nil, fmt.Errorf("java trust store: %w", err)
	}
	return store, nil
}
