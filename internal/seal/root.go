package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"midas/internal/keyfile"
)

// Root is the keyset (AES-256-GCM) at the root of all sealing. Its methods
// may be called at the same time.
type Root struct {
	path   string // empty if the keyset did not come from a file
	rotate sync.Mutex
	keys   atomic.Pointer[rootKeys]
}

// rootKeys is one state of the root keyset. It never changes.
type rootKeys struct {
	text     string // the keyset as it is written down
	handle   *keyset.Handle
	aead     tink.AEAD
	primary  []byte   // what each value under the primary key begins with
	prefixes [][]byte // the same of every key, the primary's included
}

// OpenRoot reads the root keyset from path, or makes it if there is no such
// file. The file has mode 0600 and appears whole or not at all; its folder
// must exist. A file that is damaged, or that others may read, is an error and
// is left alone. The caller keeps other processes off path meanwhile.
func OpenRoot(path string) (*Root, error) {
	text, err := keyfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(Generate() + "\n")
		err = keyfile.Write(path, text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	keys, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("root key %s: %w; restore the file from a backup (without it nothing sealed can be read)", path, err)
	}
	return newRoot(path, keys), nil
}

// RootFromEnv reads the root keyset from the value of MIDAS_ROOT_KEY: what
// [Generate] returned, or the content of a file made by [OpenRoot].
func RootFromEnv(value string) (*Root, error) {
	keys, err := parse(value)
	if err != nil {
		return nil, fmt.Errorf("root key in MIDAS_ROOT_KEY: %w; set it to the content of the root key file", err)
	}
	return newRoot("", keys), nil
}

func newRoot(path string, keys *rootKeys) *Root {
	r := &Root{path: path}
	r.keys.Store(keys)
	return r
}

// Seal encrypts plaintext under the primary key, for the place at only.
func (r *Root) Seal(plaintext []byte, at Binding) ([]byte, error) {
	return sealWith(r.keys.Load().aead, plaintext, at)
}

// Open returns what was sealed for the place at, under whichever key of the
// root. A value that does not open is a fault of kind Unavailable.
func (r *Root) Open(ciphertext []byte, at Binding) ([]byte, error) {
	keys := r.keys.Load()
	if !keys.has(ciphertext) {
		return nil, openFault(at, errors.New("it is not under any key of this root keyset (is this the right root key?)"))
	}
	return openWith(keys.aead, ciphertext, at)
}

// Primary reports whether ciphertext is under the primary key. One that is not
// may be opened and sealed again.
func (r *Root) Primary(ciphertext []byte) bool {
	return bytes.HasPrefix(ciphertext, r.keys.Load().primary)
}

// Rotate adds a key and makes it the primary; what was sealed before still
// opens. The new keyset is in the file before it is used. A root keyset that
// came from the environment cannot be rotated.
func (r *Root) Rotate() error {
	r.rotate.Lock()
	defer r.rotate.Unlock()
	if r.path == "" {
		return errors.New("root key: one that comes from MIDAS_ROOT_KEY cannot be rotated; keep it in a file instead")
	}
	keys := r.keys.Load()
	// A key that somebody else added to the file must not be lost.
	if text, err := keyfile.Read(r.path); err != nil {
		return fmt.Errorf("root key: %w", err)
	} else if strings.TrimSpace(string(text)) != keys.text {
		return fmt.Errorf("root key %s was changed by somebody else; restart to use it, then rotate", r.path)
	}
	text, err := rotated(keys.handle)
	if err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	next, err := parse(text)
	if err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	if err := keyfile.Write(r.path, []byte(text+"\n"), 0o600); err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	r.keys.Store(next)
	return nil
}

// rotated is the text of handle's keyset with a new primary key.
func rotated(handle *keyset.Handle) (string, error) {
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return "", err
	}
	if err := manager.SetPrimary(id); err != nil {
		return "", err
	}
	next, err := manager.Handle()
	if err != nil {
		return "", err
	}
	return format(next)
}

func (k *rootKeys) has(ciphertext []byte) bool {
	for _, prefix := range k.prefixes {
		if bytes.HasPrefix(ciphertext, prefix) {
			return true
		}
	}
	return false
}

// newRootKeys refuses keys of another kind: one without a prefix would make
// every value look as if it were under it.
func newRootKeys(text string, handle *keyset.Handle) (*rootKeys, error) {
	keys := &rootKeys{text: text, handle: handle}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, err
		}
		key, ok := entry.Key().(*aesgcm.Key)
		if !ok || len(key.OutputPrefix()) == 0 {
			return nil, errors.New("it holds a key that is not of the kind used here")
		}
		keys.prefixes = append(keys.prefixes, key.OutputPrefix())
		if entry.IsPrimary() {
			keys.primary = key.OutputPrefix()
		}
	}
	var err error
	keys.aead, err = aead.New(handle)
	return keys, err
}
