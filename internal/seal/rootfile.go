package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// The text of a root keyset is textPrefix and then, in base64, the serialized
// keyset followed by the first sumSize bytes of its SHA-256. The prefix tells
// it from other files (and secret scanners can look for it). The sum tells
// damage from another key: a flipped bit would still be a key, one that opens
// nothing.
const (
	textPrefix = "midas-root-1."
	sumSize    = 8
)

// Generate returns the text of a new root keyset with one key, for a root key
// file or MIDAS_ROOT_KEY. It is as secret as all that will be sealed.
func Generate() string {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err == nil {
		var text string
		if text, err = format(handle); err == nil {
			return text
		}
	}
	// Only a tink without AES-GCM gets here; its random source does not fail.
	panic(fmt.Sprintf("seal: no root keyset can be made: %v", err))
}

func format(handle *keyset.Handle) (string, error) {
	var serialized bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewBinaryWriter(&serialized)); err != nil {
		return "", err
	}
	sum := sha256.Sum256(serialized.Bytes())
	return textPrefix + base64.StdEncoding.EncodeToString(append(serialized.Bytes(), sum[:sumSize]...)), nil
}

// parse reads what [format] wrote. Its errors never quote the text.
func parse(text string) (*rootKeys, error) {
	text = strings.TrimSpace(text)
	encoded, ok := strings.CutPrefix(text, textPrefix)
	if !ok {
		return nil, fmt.Errorf("it is not a root key (one begins with %q)", textPrefix)
	}
	data, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(data) < sumSize {
		return nil, errors.New("it is damaged")
	}
	serialized, want := data[:len(data)-sumSize], data[len(data)-sumSize:]
	if sum := sha256.Sum256(serialized); !bytes.Equal(sum[:sumSize], want) {
		return nil, errors.New("it is damaged")
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(serialized)))
	if err != nil {
		return nil, errors.New("it holds no keyset")
	}
	return newRootKeys(text, handle)
}
