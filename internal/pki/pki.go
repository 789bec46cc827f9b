// Package pki owns the installation's own certificate authority and what hangs
// off it: the certificate of the doors, the trust bundles for clients, and the
// self-signed certificates that give token signing keys their names. It does
// not listen, and it never changes the trust of the machine. It may import the
// standard library and go-pkcs12.
package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Authority is the certificate authority of one installation. Its methods may
// be called at the same time.
type Authority struct {
	dir   string
	names Names
	now   func() time.Time
	cert  *x509.Certificate
	key   crypto.Signer

	renew sync.Mutex
	door  atomic.Pointer[tls.Certificate]

	renewAttest sync.Mutex
	attest      atomic.Pointer[tls.Certificate]
}

// Open reads the authority from dir/ca.crt and dir/ca.key, or makes both (and
// dir) if neither is there. The authority can vouch for names and what lies
// below them, and for nothing else. Files that are damaged, do not belong
// together, are expired or do not cover names are an error and are left alone.
// The caller keeps other processes off dir meanwhile. now must be the time that
// clients have, not that of a clock that users move.
func Open(dir string, names Names, now func() time.Time) (*Authority, error) {
	names, err := names.normal()
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	a := &Authority{dir: dir, names: names, now: now}
	a.cert, a.key, err = loadOrMake(dir, names, now())
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	return a, nil
}

// CAPath is the file with the authority's certificate, PEM.
func (a *Authority) CAPath() string { return filepath.Join(a.dir, certFile) }

// CAPEM is the authority's certificate.
func (a *Authority) CAPEM() []byte { return certificatePEM(a.cert.Raw) }

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
