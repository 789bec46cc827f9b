package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// attestBits is the size of the key that signs documents: RSA, which every
// verifier of PKCS#7 knows.
const attestBits = 2048

// Attest signs a document under the name for that: PKCS#7 signed data, with its
// content and the signer's certificate in it. The certificate is good for
// signatures and for no door. It is made when first needed and replaced when a
// third of its life is left.
func (a *Authority) Attest(content []byte) ([]byte, error) {
	signer, err := a.attestor()
	if err != nil {
		return nil, fmt.Errorf("attested document: %w", err)
	}
	data, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, err
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	// Without attributes: the times are in the content, by the cloud's clock.
	if err := data.SignWithoutAttr(signer.Leaf, signer.PrivateKey, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, err
	}
	return data.Finish()
}

// attestor returns the signer of documents.
func (a *Authority) attestor() (*tls.Certificate, error) {
	now := a.now()
	if signer := a.attest.Load(); signer != nil && fresh(signer.Leaf, now) {
		return signer, nil
	}
	a.renewAttest.Lock()
	defer a.renewAttest.Unlock()
	if signer := a.attest.Load(); signer != nil && fresh(signer.Leaf, now) {
		return signer, nil // another call made it meanwhile
	}
	if a.names.Attest == "" {
		return nil, errors.New("the authority has no name to attest under")
	}
	key, err := rsa.GenerateKey(rand.Reader, attestBits)
	if err != nil {
		return nil, err
	}
	signer, err := a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: a.names.Attest},
		DNSNames:    []string{a.names.Attest, "*." + a.names.Attest},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}, // what verifiers of signed messages look for
	}, key, now)
	if err != nil {
		return nil, err
	}
	a.attest.Store(signer)
	return signer, nil
}
