package federation

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// keySet is the keys of an issuer that can be used here.
type keySet []jose.JSONWebKey

const (
	maxKeys    = 100
	minRSABits = 2048
)

// parseKeys reads a key set. What it has beside public keys for signatures
// of a kind that is known here does not count, and does not spoil the rest.
func parseKeys(text []byte) (keySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("the key set: %w", err)
	}
	if len(raw.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys", len(raw.Keys))
	}
	var keys keySet
	for _, one := range raw.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(one) == nil && usable(k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that can be used")
	}
	return keys, nil
}

func usable(k jose.JSONWebKey) bool {
	if k.Use != "" && k.Use != "sig" {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSABits && key.E >= 3
	case *ecdsa.PublicKey:
		return true // the curves are those of the algorithms
	}
	return false // a private or a shared key is no key to verify with
}

// named are the keys of an id. Of several with one id, any may have signed.
func (ks keySet) named(id string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, k := range ks {
		if k.KeyID == id {
			found = append(found, k)
		}
	}
	return found
}
