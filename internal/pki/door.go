package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"
)

// doorLife is the life of a door's certificate; Apple's clients refuse more
// than 398 days, others will soon refuse more than 100.
const doorLife = 90 * 24 * time.Hour

// Certificate returns the certificate of the doors, for tls.Config.GetCertificate.
// It is one for all names, so a client that asks for another name (or for none)
// gets it too and judges for itself. It is made when first asked for and
// replaced when a third of its life is left.
func (a *Authority) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := a.now()
	if door := a.door.Load(); door != nil && fresh(door.Leaf, now) {
		return door, nil
	}
	a.renew.Lock()
	defer a.renew.Unlock()
	if door := a.door.Load(); door != nil && fresh(door.Leaf, now) {
		return door, nil // another call made it meanwhile
	}
	door, err := a.issueDoor(now)
	if err != nil {
		return nil, fmt.Errorf("door certificate: %w", err)
	}
	a.door.Store(door)
	return door, nil
}

// fresh reports whether more than a third of cert's life is left.
func fresh(cert *x509.Certificate, now time.Time) bool {
	life := cert.NotAfter.Sub(cert.NotBefore)
	return !now.Before(cert.NotBefore) && now.Before(cert.NotAfter.Add(-life/3))
}

func (a *Authority) issueDoor(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "Midas"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	a.names.subjects(template)
	return a.issue(template, key, now)
}

// issue signs a certificate for a key: what the template does not say is the
// same for all.
func (a *Authority) issue(template *x509.Certificate, key crypto.Signer, now time.Time) (*tls.Certificate, error) {
	if now.After(a.cert.NotAfter) {
		return nil, fmt.Errorf("the authority in %s expired on %s; remove it and start again to make a new one", a.dir, a.cert.NotAfter.Format(time.DateOnly))
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, err
	}
	template.SubjectKeyId = id // the authority's id is added to it: Python 3.13 wants one (az-cli.md)
	template.NotBefore, template.NotAfter = now.Add(-slack), now.Add(doorLife)
	template.BasicConstraintsValid, template.KeyUsage = true, x509.KeyUsageDigitalSignature
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
