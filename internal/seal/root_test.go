package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
)

func TestOpenRootMakesAndKeeps(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "root.key")
	first, err := OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 {
		t.Errorf("more than the key file is left: %v", entries)
	}
	sealed := mustSeal(t, first, "TheCakeIsALie", here)

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	fromEnv, err := RootFromEnv(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, root := range map[string]*Root{"file": again, "environment": fromEnv} {
		if opened, err := root.Open(sealed, here); err != nil || string(opened) != "TheCakeIsALie" {
			t.Errorf("from the %s: opened %q, %v", name, opened, err)
		}
	}
}

func TestGenerateIsForTheEnvironment(t *testing.T) {
	text := Generate()
	if text == Generate() {
		t.Fatal("two root keys are equal")
	}
	one, err := RootFromEnv(text)
	if err != nil {
		t.Fatal(err)
	}
	two, err := RootFromEnv(" " + text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := two.Open(mustSeal(t, one, "x", here), here); err != nil || string(opened) != "x" {
		t.Errorf("opened %q, %v", opened, err)
	}
}

// notRoots are texts that are no root keyset, with a part of what is said of each.
func notRoots(t testing.TB) map[string]string {
	good := Generate()
	other := func(template *tinkpb.KeyTemplate) string {
		handle, err := keyset.NewHandle(template)
		if err != nil {
			t.Fatal(err)
		}
		text, err := format(handle)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	flipped := []byte(good)
	flipped[40] ^= 1
	return map[string]string{
		"":                                   "not a root key",
		"-----BEGIN PRIVATE KEY-----":        "not a root key",
		strings.TrimPrefix(good, textPrefix): "not a root key",
		textPrefix:                           "damaged",
		textPrefix + "!":                     "damaged",
		textPrefix + base64.StdEncoding.EncodeToString([]byte("too short to be")): "damaged",
		good[:len(good)-4]: "damaged",
		good[:len(good)/2]: "damaged",
		string(flipped):    "damaged",
		// SHA-256 of nothing, cut: intact, but there is no keyset.
		textPrefix + "47DEQpj8HBQ=":                    "no keyset",
		other(aead.ChaCha20Poly1305KeyTemplate()):      "not of the kind",
		other(aead.AES256GCMNoPrefixKeyTemplate()):     "not of the kind",
		other(aead.AES128CTRHMACSHA256KeyTemplate()):   "not of the kind",
		other(aead.XAES256GCM192BitNonceKeyTemplate()): "not of the kind",
	}
}

func TestWrongRootIsAnErrorWithAHint(t *testing.T) {
	for text, want := range notRoots(t) {
		path := filepath.Join(t.TempDir(), "root.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenRoot(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "; restore") || !strings.Contains(err.Error(), path) {
			t.Errorf("file %q: %v; want %q and a hint", text, err, want)
		}
		if left, _ := os.ReadFile(path); string(left) != text {
			t.Errorf("the file %q was changed to %q", text, left)
		}
		_, envErr := RootFromEnv(text)
		if envErr == nil || !strings.Contains(envErr.Error(), want) || !strings.Contains(envErr.Error(), "; set it to") {
			t.Errorf("environment %q: %v; want %q and a hint", text, envErr, want)
		}
		if secret := strings.TrimPrefix(text, textPrefix); len(secret) > 20 && strings.Contains(fmt.Sprint(err, envErr), secret[:20]) {
			t.Errorf("an error shows the key: %v, %v", err, envErr)
		}
	}
}

func TestRootFileThatOthersMayReadIsRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620} {
		root := newTestRoot(t)
		if err := os.Chmod(root.path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenRoot(root.path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+root.path) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestRootCannotBeMade(t *testing.T) {
	if _, err := OpenRoot(filepath.Join(t.TempDir(), "missing", "root.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if _, err := OpenRoot(t.TempDir()); err == nil {
		t.Error("a folder was taken for a root key")
	}
}

func TestRotate(t *testing.T) {
	root := newTestRoot(t)
	before := mustSeal(t, root, "before", here)
	if !root.Primary(before) {
		t.Error("a fresh value is not under the primary key")
	}
	if err := root.Rotate(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(root.path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	after := mustSeal(t, root, "after", here)
	again, err := OpenRoot(root.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Root{"rotated": root, "opened again": again} {
		if r.Primary(before) || !r.Primary(after) {
			t.Errorf("%s: Primary is %v for the value before, %v for the one after", name, r.Primary(before), r.Primary(after))
		}
		for want, sealed := range map[string][]byte{"before": before, "after": after} {
			if opened, err := r.Open(sealed, here); err != nil || string(opened) != want {
				t.Errorf("%s: opened %q, %v; want %q", name, opened, err, want)
			}
		}
	}
	if root.Primary(nil) || root.Primary([]byte{1}) {
		t.Error("no value at all is under the primary key")
	}
}

func TestRotateKeepsTheKeysOfOthers(t *testing.T) {
	root := newTestRoot(t)
	other, err := OpenRoot(root.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := root.Rotate(); err == nil || !strings.Contains(err.Error(), "changed by somebody else") {
		t.Errorf("rotated over another's key: %v", err)
	}
	if err := os.Remove(root.path); err != nil {
		t.Fatal(err)
	}
	if err := root.Rotate(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("rotated without a file: %v", err)
	}
}

func TestRotateNeedsAFile(t *testing.T) {
	root, err := RootFromEnv(Generate())
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Rotate(); err == nil || !strings.Contains(err.Error(), "keep it in a file") {
		t.Errorf("got %v", err)
	}
}

func TestRotateWhileInUse(t *testing.T) {
	root := newTestRoot(t)
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 200 {
				sealed, err := root.Seal([]byte("x"), here)
				if err != nil {
					t.Error(err)
					return
				}
				if opened, err := root.Open(sealed, here); err != nil || string(opened) != "x" {
					t.Errorf("opened %q, %v", opened, err)
					return
				}
			}
		})
	}
	for range 5 {
		if err := root.Rotate(); err != nil {
			t.Error(err)
		}
	}
	users.Wait()
}

func TestDataKey(t *testing.T) {
	root := newTestRoot(t)
	place := Binding{"vaults", "data_key", "kv1"}
	sealedKey, key, err := root.NewDataKey(place)
	if err != nil {
		t.Fatal(err)
	}
	value := mustSeal(t, key, "TheCakeIsALie", here)
	if err := root.Rotate(); err != nil {
		t.Fatal(err)
	}
	again, err := root.OpenDataKey(sealedKey, place)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := again.Open(value, here); err != nil || string(opened) != "TheCakeIsALie" {
		t.Errorf("opened %q, %v", opened, err)
	}

	opened, err := root.Open(value, here)
	checkRefused(t, "the root for a data key's value", opened, err)
	_, err = root.OpenDataKey(sealedKey, Binding{"vaults", "data_key", "kv2"})
	checkRefused(t, "a data key in another vault's row", nil, err)
	_, err = root.OpenDataKey(mustSeal(t, root, "no key", place), place)
	checkRefused(t, "a value that is no data key", nil, err)
	_, other, err := root.NewDataKey(place)
	if err != nil {
		t.Fatal(err)
	}
	opened, err = other.Open(value, here)
	checkRefused(t, "another data key", opened, err)
}

// A root or a key that strays into a log line must not show itself.
func TestFormattingShowsNoKey(t *testing.T) {
	root := newTestRoot(t)
	_, key, err := root.NewDataKey(here)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimPrefix(root.keys.Load().text, textPrefix)[:20]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb+verb, root, key); strings.Contains(s, secret) || strings.Contains(s, "keyBytes") {
			t.Errorf("%s: %s", verb, s)
		}
	}
}

func FuzzParseRoot(f *testing.F) {
	for text := range notRoots(f) {
		f.Add(text)
	}
	f.Add(Generate())
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parse(text)
		if err != nil {
			return
		}
		if len(keys.primary) == 0 || !keys.has(keys.primary) {
			t.Errorf("a keyset without a usable primary key: %+v", keys)
		}
	})
}
