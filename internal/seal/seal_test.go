package seal

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/fault"
)

var here = Binding{Table: "secrets", Column: "value", Row: "42"}

func newTestRoot(t testing.TB) *Root {
	t.Helper()
	root, err := OpenRoot(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// sealer is what a root and a data key have in common.
type sealer interface {
	Seal([]byte, Binding) ([]byte, error)
	Open([]byte, Binding) ([]byte, error)
}

func sealers(t testing.TB) map[string]sealer {
	root := newTestRoot(t)
	_, key, err := root.NewDataKey(Binding{"vaults", "data_key", "1"})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]sealer{"root": root, "data key": key}
}

func mustSeal(t testing.TB, s sealer, plaintext string, at Binding) []byte {
	t.Helper()
	sealed, err := s.Seal([]byte(plaintext), at)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealThenOpen(t *testing.T) {
	for name, s := range sealers(t) {
		for _, plaintext := range []string{"", "x", "TheCakeIsALie", strings.Repeat("long ", 5000)} {
			sealed := mustSeal(t, s, plaintext, here)
			if plaintext != "" && len(plaintext) > 4 && bytes.Contains(sealed, []byte(plaintext)) {
				t.Errorf("%s: the sealed value shows its text", name)
			}
			if bytes.Equal(sealed, mustSeal(t, s, plaintext, here)) {
				t.Errorf("%s: two sealed values of one text are equal", name)
			}
			opened, err := s.Open(sealed, here)
			if err != nil || string(opened) != plaintext {
				t.Errorf("%s: opened %q, %v; want %q", name, opened, err, plaintext)
			}
		}
	}
}

func TestValueOpensOnlyInItsPlace(t *testing.T) {
	places := []Binding{
		{"secrets", "value", "43"},
		{"secrets", "value", "4"},
		{"secrets", "value", "42 "},
		{"secrets", "old_value", "42"},
		{"keys", "value", "42"},
		{"value", "secrets", "42"},
		{"secretsv", "alue", "42"},
		{"secrets", "value4", "2"},
		{"Secrets", "value", "42"},
	}
	for name, s := range sealers(t) {
		sealed := mustSeal(t, s, "TheCakeIsALie", here)
		for _, place := range places {
			opened, err := s.Open(sealed, place)
			checkRefused(t, fmt.Sprintf("%s at %v", name, place), opened, err)
		}
	}
}

func TestChangedValueDoesNotOpen(t *testing.T) {
	for name, s := range sealers(t) {
		sealed := mustSeal(t, s, "TheCakeIsALie", here)
		for i := range sealed {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			opened, err := s.Open(changed, here)
			checkRefused(t, fmt.Sprintf("%s with byte %d changed", name, i), opened, err)
			opened, err = s.Open(sealed[:i], here)
			checkRefused(t, fmt.Sprintf("%s cut at %d", name, i), opened, err)
		}
		opened, err := s.Open(append(sealed, 0), here)
		checkRefused(t, name+" with a byte more", opened, err)
	}
}

func TestAnotherRootDoesNotOpen(t *testing.T) {
	sealed := mustSeal(t, newTestRoot(t), "TheCakeIsALie", here)
	opened, err := newTestRoot(t).Open(sealed, here)
	checkRefused(t, "another root", opened, err)
	if !strings.Contains(err.Error(), "right root key?") {
		t.Errorf("the log is not told that the root key is another: %v", err)
	}
}

// checkRefused wants a fault of kind Unavailable whose message says nothing
// about the place or the value.
func checkRefused(t *testing.T, what string, opened []byte, err error) {
	t.Helper()
	if err == nil || opened != nil {
		t.Fatalf("%s: opened %q, %v", what, opened, err)
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Unavailable || f.Message != "A stored value cannot be opened." {
		t.Errorf("%s: not the fault wanted: %#v", what, err)
	}
	if strings.Contains(err.Error(), "Cake") {
		t.Errorf("%s: the error shows the value: %v", what, err)
	}
}

func TestIncompleteBindingIsRefused(t *testing.T) {
	for name, s := range sealers(t) {
		sealed := mustSeal(t, s, "x", here)
		for _, at := range []Binding{{}, {"", "c", "r"}, {"t", "", "r"}, {"t", "c", ""}} {
			if _, err := s.Seal([]byte("x"), at); err == nil {
				t.Errorf("%s: sealed at %+v", name, at)
			}
			// A mistake in the code, not an outage: no fault.
			if _, err := s.Open(sealed, at); err == nil || fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: opening at %+v: %v", name, at, err)
			}
		}
	}
}

func FuzzBindingIsUnambiguous(f *testing.F) {
	f.Add("a", "b", "c", "ab", "c", "")
	f.Add("a", "bc", "d", "ab", "c", "d")
	f.Add("t", "c", "r", "t", "c", "r")
	f.Add("a\x01b", "c", "d", "a", "b\x01c", "d")
	f.Fuzz(func(t *testing.T, t1, c1, r1, t2, c2, r2 string) {
		one, two := Binding{t1, c1, r1}, Binding{t2, c2, r2}
		data1, err1 := one.associatedData()
		data2, err2 := two.associatedData()
		if err1 != nil || err2 != nil {
			return
		}
		if (one == two) != bytes.Equal(data1, data2) {
			t.Errorf("%+v and %+v: %q and %q", one, two, data1, data2)
		}
	})
}

func FuzzOpen(f *testing.F) {
	root := newTestRoot(f)
	sealedKey, key, err := root.NewDataKey(here)
	if err != nil {
		f.Fatal(err)
	}
	valid := mustSeal(f, root, "x", here)
	f.Add([]byte(nil))
	f.Add(valid[:5])
	f.Add(valid[:len(valid)-1])
	f.Add(sealedKey[:len(sealedKey)/2])
	f.Add([]byte("\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, ciphertext []byte) {
		// Nothing but what was sealed opens, and a seed is never that.
		for _, s := range []sealer{root, key} {
			opened, err := s.Open(ciphertext, here)
			checkRefused(t, "arbitrary bytes", opened, err)
		}
		opened, err := root.OpenDataKey(ciphertext, here)
		if opened != nil {
			t.Error("arbitrary bytes are a data key")
		}
		checkRefused(t, "arbitrary bytes as a data key", nil, err)
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	for name, s := range sealers(b) {
		for _, size := range []int{64, 25 << 10} {
			plaintext := make([]byte, size)
			b.Run(fmt.Sprintf("%s/Seal/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, err := s.Seal(plaintext, here); err != nil {
						b.Fatal(err)
					}
				}
			})
			sealed := mustSeal(b, s, string(plaintext), here)
			b.Run(fmt.Sprintf("%s/Open/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, err := s.Open(sealed, here); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkOpenDataKey(b *testing.B) {
	root := newTestRoot(b)
	sealed, _, err := root.NewDataKey(here)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := root.OpenDataKey(sealed, here); err != nil {
			b.Fatal(err)
		}
	}
}
