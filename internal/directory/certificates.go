package directory

import (
	"slices"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// SetCertificates makes the given certificates the only ones of an
// application, or of its service principal. One without its DER is one that is
// there and stays, by its key id. Times that are zero are the certificate's
// own; others may only shorten them.
func SetCertificates(tx *store.Tx, app azure.AppID, ofPrincipal bool, wanted []Credential) error {
	all, err := Credentials(tx, app)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, c := range all {
		if c.Kind != Certificate || c.OfPrincipal != ofPrincipal {
			continue
		}
		there[c.KeyID] = true
		kept := slices.ContainsFunc(wanted, func(w Credential) bool { return azure.Fold(w.KeyID) == c.KeyID && len(w.Certificate) == 0 })
		if !kept {
			if err := RemoveCredential(tx, app, c.KeyID); err != nil {
				return err
			}
		}
	}
	for _, w := range wanted {
		if len(w.Certificate) == 0 {
			if !there[azure.Fold(w.KeyID)] {
				return fault.New(fault.Invalid, "A new key credential needs its certificate.").At("keyCredentials")
			}
			continue
		}
		w.AppID, w.OfPrincipal = app, ofPrincipal
		if err := putCertificate(tx, w); err != nil {
			return err
		}
	}
	return nil
}

// putCertificate adds a certificate under its key id, or a new one.
func putCertificate(tx *store.Tx, c Credential) error {
	cert, err := parseCertificate(c.Certificate)
	if err != nil {
		return err
	}
	if c.KeyID == "" {
		c.KeyID = azure.NewGUID()
	}
	if c.KeyID, err = guid(c.KeyID, "key"); err != nil {
		return err
	}
	if c.StartAt.IsZero() {
		c.StartAt = cert.NotBefore
	}
	if c.EndAt.IsZero() {
		c.EndAt = cert.NotAfter
	}
	if c.StartAt.Before(cert.NotBefore) || c.EndAt.After(cert.NotAfter) {
		return fault.New(fault.Invalid, "The times of a key credential are within those of its certificate.").At("keyCredentials")
	}
	c.StartAt, c.EndAt = c.StartAt.UTC(), c.EndAt.UTC()
	return addCredential(tx, certificate(c, c.Certificate), nil)
}
