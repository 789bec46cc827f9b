package seal

import (
	"bytes"
	"errors"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Key is a data key: what it sealed is lost for good once the sealed key is
// deleted, wherever copies of the values may be. Its methods may be called at
// the same time.
type Key struct {
	aead tink.AEAD
}

// NewDataKey makes a data key and returns it beside its sealed form, which
// opens in the place at only.
func (r *Root) NewDataKey(at Binding) (sealed []byte, key *Key, err error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, nil, err
	}
	var serialized bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewBinaryWriter(&serialized)); err != nil {
		return nil, nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, nil, err
	}
	sealed, err = r.Seal(serialized.Bytes(), at)
	if err != nil {
		return nil, nil, err
	}
	return sealed, &Key{aead: primitive}, nil
}

// OpenDataKey returns the key whose sealed form belongs to the place at. One
// that does not open is a fault of kind Unavailable.
func (r *Root) OpenDataKey(sealed []byte, at Binding) (*Key, error) {
	serialized, err := r.Open(sealed, at)
	if err != nil {
		return nil, err
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(serialized)))
	if err != nil {
		return nil, openFault(at, errors.New("it is sealed, but it is not a data key"))
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, openFault(at, errors.New("it is sealed, but it is not a data key"))
	}
	return &Key{aead: primitive}, nil
}

// Seal encrypts plaintext for the place at only.
func (k *Key) Seal(plaintext []byte, at Binding) ([]byte, error) {
	return sealWith(k.aead, plaintext, at)
}

// Open returns what this key sealed for the place at. A value that does not
// open is a fault of kind Unavailable.
func (k *Key) Open(ciphertext []byte, at Binding) ([]byte, error) {
	return openWith(k.aead, ciphertext, at)
}
