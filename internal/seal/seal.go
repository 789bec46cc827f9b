// Package seal owns the encryption of secrets and private keys at rest: the
// root keyset of an installation, the data keys that the root seals, and the
// binding of every sealed value to the row that holds it (design.md sections
// 6 and 8). It does not store sealed values and does not decide who may read
// them. It may import internal/fault, tink-go and the standard library.
package seal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/tink"

	"midas/internal/fault"
)

// bindingVersion opens every associated data. A new way to write a [Binding]
// down needs a new version, so that old and new are never taken for each other.
const bindingVersion = "midas.seal.1"

// Binding is the place a sealed value belongs to. A value that is moved to
// another table, column or row does not open there. All three parts are
// needed. The row of a composite key is written by the caller in a form in
// which no two keys look alike.
type Binding struct {
	Table  string
	Column string
	Row    string
}

// associatedData writes b down so that no two bindings have the same bytes:
// each part is preceded by its length.
func (b Binding) associatedData() ([]byte, error) {
	if b.Table == "" || b.Column == "" || b.Row == "" {
		return nil, fmt.Errorf("seal: the binding %+v is incomplete", b)
	}
	data := make([]byte, 0, len(bindingVersion)+3*binary.MaxVarintLen64+len(b.Table)+len(b.Column)+len(b.Row))
	data = append(data, bindingVersion...)
	for _, part := range []string{b.Table, b.Column, b.Row} {
		data = binary.AppendUvarint(data, uint64(len(part)))
		data = append(data, part...)
	}
	return data, nil
}

func sealWith(aead tink.AEAD, plaintext []byte, at Binding) ([]byte, error) {
	data, err := at.associatedData()
	if err != nil {
		return nil, err
	}
	return aead.Encrypt(plaintext, data)
}

func openWith(aead tink.AEAD, ciphertext []byte, at Binding) ([]byte, error) {
	data, err := at.associatedData()
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Decrypt(ciphertext, data)
	if err != nil {
		return nil, openFault(at, errors.New("it was changed, moved or sealed under another key"))
	}
	return plaintext, nil
}

// openFault is the answer to every value that does not open. The caller did
// nothing wrong and the value may well open once the operator has put the
// right root key back, hence Unavailable. The place is for the log only.
func openFault(at Binding, cause error) error {
	return fault.Wrap(fmt.Errorf("seal: %s.%s of row %q does not open: %w", at.Table, at.Column, at.Row, cause),
		fault.Unavailable, "A stored value cannot be opened.")
}
