package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"midas/internal/keyfile"
)

const (
	certFile = "ca.crt"
	keyFile  = "ca.key"

	caYears = 10
	// slack is how far clocks of clients may be behind ours.
	slack = time.Hour
)

// loadOrMake returns the authority in dir, which it makes only where there is
// nothing of one.
func loadOrMake(dir string, names Names, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	certPath, keyPath := filepath.Join(dir, certFile), filepath.Join(dir, keyFile)
	certPEM, certErr := os.ReadFile(certPath)
	keyPEM, keyErr := keyfile.Read(keyPath)
	noCert, noKey := errors.Is(certErr, fs.ErrNotExist), errors.Is(keyErr, fs.ErrNotExist)
	switch {
	case noCert && noKey:
		return makeCA(dir, names, now)
	case noCert && keyErr == nil:
		// A first start that was cut short between the two files: certified
		// again under the name that follows from its key.
		key, err := parseKey(keyPEM)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w; restore it from a backup, or remove it to make a new authority", keyPath, err)
		}
		return certify(dir, key, names, now)
	case noKey && certErr == nil:
		return nil, nil, fmt.Errorf("%s is there, %s is not; restore it from a backup, or remove %s too to make a new authority", certPath, keyPath, certPath)
	case certErr != nil || keyErr != nil:
		return nil, nil, errors.Join(certErr, keyErr)
	}
	cert, key, err := parseCA(certPEM, keyPEM)
	if err == nil {
		err = usable(cert, names, now)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s, %s: %w; restore both from a backup, or remove both to make a new authority (what trusted the old one must then trust the new)", certPath, keyPath, err)
	}
	return cert, key, nil
}

// makeCA writes the key first: a key alone has never been trusted by anyone.
func makeCA(dir string, names Names, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := keyfile.Write(filepath.Join(dir, keyFile), keyPEM, 0o600); err != nil {
		return nil, nil, err
	}
	return certify(dir, key, names, now)
}

// certify writes the certificate of a key that is there.
func certify(dir string, key crypto.Signer, names Names, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	cert, err := issueCA(key, names, now)
	if err != nil {
		return nil, nil, err
	}
	return cert, key, keyfile.Write(filepath.Join(dir, certFile), certificatePEM(cert.Raw), 0o644)
}

// issueCA signs the authority's certificate with its own key. Its name holds
// the start of its key id, so that two installations are told apart.
func issueCA(key crypto.Signer, names Names, now time.Time) (*x509.Certificate, error) {
	id, err := keyID(key.Public())
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: fmt.Sprintf("Midas CA %x", id[:4])},
		SubjectKeyId:          id,
		NotBefore:             now.Add(-slack),
		NotAfter:              now.AddDate(caYears, 0, 0),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it signs doors, no other authority
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	names.constrain(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// parseCA reads one certificate and its private key, and nothing beside them.
func parseCA(certPEM, keyPEM []byte) (*x509.Certificate, crypto.Signer, error) {
	certDER, err := onlyBlock(certPEM, "CERTIFICATE")
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate is damaged: %w", err)
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate is damaged: %w", err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return nil, nil, errors.New("the key is not the key of the certificate")
	}
	return cert, key, nil
}

func parseKey(keyPEM []byte) (crypto.Signer, error) {
	keyDER, err := onlyBlock(keyPEM, "PRIVATE KEY")
	if err != nil {
		return nil, fmt.Errorf("the key is damaged: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, errors.New("the key is damaged") // the cause might quote it
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	return key, nil
}

func onlyBlock(text []byte, kind string) ([]byte, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("it is not one PEM block %q", kind)
	}
	return block.Bytes, nil
}

// usable reports what keeps clients from accepting what cert signs for names.
func usable(cert *x509.Certificate, names Names, now time.Time) error {
	if !cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage&x509.KeyUsageCertSign == 0 || len(cert.SubjectKeyId) == 0 {
		return errors.New("the certificate is not that of an authority")
	}
	if now.After(cert.NotAfter) {
		return fmt.Errorf("the authority expired on %s", cert.NotAfter.Format(time.DateOnly))
	}
	if name := names.uncovered(cert); name != "" {
		return fmt.Errorf("the authority is limited to other names and may not vouch for %s", name)
	}
	return nil
}

// keyID names a public key. Any way to make an id will do (RFC 5280 section
// 4.2.1.2).
func keyID(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return sum[:20], nil
}
