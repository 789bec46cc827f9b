package sts

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"midas/internal/seal"
	"midas/internal/store"
)

// key is one signing key. It never changes.
type key struct {
	kid       string // x5t of the certificate
	private   *rsa.PrivateKey
	cert      []byte // DER, self-signed; nobody verifies it
	signsFrom time.Time
	retiresAt time.Time // from here on no token that it signed is valid
	header1   string    // JOSE header of 1.0 tokens, base64url
	header2   string    // of 2.0 tokens
	jwk       jwk
}

// keySet is all published keys at one epoch of the store, by signsFrom
// ascending. It never changes, so requests read it without a lock.
type keySet struct {
	epoch uint64
	keys  []*key
	byKid map[string]*key
}

// signing is the newest key whose time has come; of the others the newer are
// only published yet, and the older only still published. A clock that was set
// back finds the oldest.
func (ks *keySet) signing(now time.Time) *key {
	for i := len(ks.keys) - 1; i > 0; i-- {
		if !ks.keys[i].signsFrom.After(now) {
			return ks.keys[i]
		}
	}
	return ks.keys[0]
}

// keys returns the current keys, of which there is at least one. It reads them
// again when the store's epoch has moved, and waits for the first one.
func (s *Service) keys(ctx context.Context) (*keySet, error) {
	if ks := s.snapshot.Load(); ks != nil && ks.epoch == s.DB.Epoch(store.Keys) {
		return ks, nil
	}
	for {
		ks, err := s.load(ctx)
		if err != nil || len(ks.keys) > 0 {
			return ks, err
		}
		select {
		case <-s.first:
		case <-ctx.Done():
			return nil, fmt.Errorf("sts: waiting for the first signing key: %w", ctx.Err())
		}
	}
}

// load reads the keys once for all requests that found them changed.
func (s *Service) load(ctx context.Context) (*keySet, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	epoch := s.DB.Epoch(store.Keys) // before the read: what changes after it is read again
	if ks := s.snapshot.Load(); ks != nil && ks.epoch == epoch {
		return ks, nil
	}
	var keys []*key
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		keys, err = s.readKeys(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sts: read the signing keys: %w", err)
	}
	ks := &keySet{epoch: epoch, keys: keys, byKid: make(map[string]*key, len(keys))}
	for _, k := range keys {
		ks.byKid[k.kid] = k
	}
	if len(keys) > 0 {
		s.snapshot.Store(ks)
	}
	return ks, nil
}

// binding is where a private key is sealed for.
func binding(kid string) seal.Binding {
	return seal.Binding{Table: "signing_keys", Column: "private_key", Row: kid}
}

func (s *Service) readKeys(tx *store.Tx) ([]*key, error) {
	return store.Collect(tx, func(scan func(...any) error) (*key, error) {
		var kid string
		var sealed, cert []byte
		var signs, retires int64
		if err := scan(&kid, &sealed, &cert, &signs, &retires); err != nil {
			return nil, err
		}
		der, err := s.Root.Open(sealed, binding(kid))
		if err != nil {
			return nil, err
		}
		parsed, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, err
		}
		private, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("the signing key %s is a %T", kid, parsed)
		}
		k := &key{kid: kid, private: private, cert: cert, signsFrom: store.Time(signs), retiresAt: store.Time(retires)}
		k.describe()
		return k, nil
	}, `SELECT kid, private_key, certificate, signs_from, retires_at FROM signing_keys ORDER BY signs_from, created_at`)
}

// describe fills in what is written of the key again and again.
func (k *key) describe() {
	k.header1 = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256","x5t":"` + k.kid + `","kid":"` + k.kid + `"}`))
	k.header2 = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256","kid":"` + k.kid + `"}`))
	public := &k.private.PublicKey
	k.jwk = jwk{Type: "RSA", Use: "sig", KeyID: k.kid, Thumbprint: k.kid,
		N:     base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		E:     base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
		Chain: []string{base64.StdEncoding.EncodeToString(k.cert)}}
}

// jwk is an entry of the key set as Entra writes it: without alg
// (control-plane.md A2; members of RFC 7517).
type jwk struct {
	Type       string   `json:"kty"`
	Use        string   `json:"use"`
	KeyID      string   `json:"kid"`
	Thumbprint string   `json:"x5t"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	Chain      []string `json:"x5c"`
	Issuer     string   `json:"issuer,omitempty"` // only in the key set of version 2.0
}

// JWKS is the key set as JSON: every key that has signed a valid token, and
// the next one. issuer is written into each key where it is not empty: the 2.0
// set has it, for "common" as the template with "{tenantid}".
func (s *Service) JWKS(ctx context.Context, issuer string) ([]byte, error) {
	ks, err := s.keys(ctx)
	if err != nil {
		return nil, err
	}
	set := struct {
		Keys []jwk `json:"keys"`
	}{make([]jwk, len(ks.keys))}
	for i, k := range ks.keys {
		set.Keys[i] = k.jwk
		set.Keys[i].Issuer = issuer
	}
	return json.Marshal(set)
}
