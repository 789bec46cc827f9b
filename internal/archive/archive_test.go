package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var whole = map[string]string{Database: strings.Repeat("database ", 10000), RootKey: "root", CACert: "cert", CAKey: "key"}

var order = []string{Database, RootKey, CACert, CAKey}

func write(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var list []File
	for _, name := range order {
		if content, ok := files[name]; ok {
			list = append(list, File{name, int64(len(content)), strings.NewReader(content)})
		}
	}
	var b bytes.Buffer
	if err := Write(&b, "1.2.3", time.Date(2026, 11, 20, 1, 2, 3, 4, time.UTC), list); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte) (map[string]string, Manifest, error) {
	got := map[string]string{}
	m, err := Read(bytes.NewReader(b), func(name string, r io.Reader) error {
		content, err := io.ReadAll(r)
		got[name] = string(content)
		return err
	})
	return got, m, err
}

func TestWriteThenRead(t *testing.T) {
	got, m, err := read(write(t, whole))
	if diff := cmp.Diff(whole, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if m.Version != "1.2.3" || !m.Created.Equal(time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC)) || !m.Has(RootKey) || len(m.Files) != 4 {
		t.Errorf("%+v", m)
	}
	noKey := map[string]string{Database: "d", CACert: "cert", CAKey: "key"}
	if got, m, err = read(write(t, noKey)); err != nil || m.Has(RootKey) || len(got) != 3 {
		t.Errorf("%v %+v %v", got, m, err)
	}
	// Who does not read a file checks it all the same.
	if _, err := Read(bytes.NewReader(write(t, whole)), func(string, io.Reader) error { return nil }); err != nil {
		t.Error(err)
	}
	stop := errors.New("stop")
	if _, err := Read(bytes.NewReader(write(t, whole)), func(string, io.Reader) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestWriteRefusesAnotherSize(t *testing.T) {
	for _, size := range []int64{3, 5} {
		if err := Write(io.Discard, "", time.Now(), []File{{Database, size, strings.NewReader("four")}}); err == nil {
			t.Errorf("four bytes were written as %d", size)
		}
	}
}

// TestEveryCutIsRefused ends an archive at every place.
func TestEveryCutIsRefused(t *testing.T) {
	b := write(t, map[string]string{Database: "d", CACert: "cert", CAKey: "key"})
	for n := range bytes.LastIndex(b, []byte("}}")) + 2 { // then zeros follow, without which it is whole, too
		if _, _, err := read(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes are a backup", n, len(b))
		}
	}
}

func TestEveryChangeIsRefused(t *testing.T) {
	b := write(t, whole)
	for _, part := range []string{"database d", "root", "cert", "key"} {
		damaged := bytes.Clone(b)
		at := bytes.Index(damaged, []byte(part))
		for i := at; i < len(damaged); i++ { // the content, not the name in a header
			if bytes.HasPrefix(damaged[i:], []byte(part)) && i%512 == 0 && !bytes.HasPrefix(damaged[i:], []byte(part+".")) {
				at = i
				break
			}
		}
		damaged[at+1] ^= 1
		if _, _, err := read(damaged); err == nil {
			t.Errorf("a change in %q is not seen", part)
		}
	}
}

// entry is one file of a tar that is none of ours.
type entry struct {
	name, content, link string
	kind                byte
}

func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o600}
		if e.kind == 0 || e.kind == tar.TypeReg {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(e.content))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, e.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Close()
	return b.Bytes()
}

func TestRefused(t *testing.T) {
	db := entry{name: Database, content: "d"}
	const sumOfD = "18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4"
	manifest := func(text string) entry { return entry{name: manifestName, content: text} }
	for says, entries := range map[string][]entry{
		"ends too early": {db},
		"\"../root.key\" is in it, which is no file":            {{name: "../root.key", content: "x"}},
		"\"/etc/passwd\" is in it, which is no file":            {{name: "/etc/passwd", content: "x"}},
		"\"ca/../midas.db\" is in it, which":                    {{name: "ca/../midas.db", content: "x"}},
		"\"./midas.db\" is in it, which is no":                  {{name: "./midas.db", content: "x"}},
		"\"control.sock\" is in it, which is":                   {{name: "control.sock", content: "x"}},
		"\"midas.db\" in it is not a file":                      {{name: Database, kind: tar.TypeSymlink, link: "/etc/passwd"}},
		"\"root.key\" in it is not a file":                      {{name: RootKey, kind: tar.TypeLink, link: Database}},
		"\"ca/\" in it is not a file":                           {{name: "ca/", kind: tar.TypeDir}},
		"midas.db is in it twice":                               {db, db},
		"root.key in it is too large":                           {{name: RootKey, content: strings.Repeat("x", maxSmall+1)}},
		"its manifest is too large":                             {manifest(strings.Repeat("x", maxSmall+1))},
		"its manifest cannot be read":                           {db, manifest("{")},
		"it has the form 2, and this version reads the form 1":  {db, manifest(`{"format":2}`)},
		"midas.db in it was changed":                            {db, manifest(`{"format":1,"files":{"midas.db":"00"}}`)},
		"\"root.key\" is missing in it":                         {db, manifest(`{"format":1,"files":{"midas.db":"` + sumOfD + `","root.key":"00"}}`)},
		"ca/ca.crt is missing in it":                            {db, manifest(`{"format":1,"files":{"midas.db":"` + sumOfD + `"}}`)},
		"midas.db is missing in it":                             {manifest(`{"format":1}`)},
		"\"ca/ca.key\" in it is not a file":                     {{name: CAKey, kind: tar.TypeFifo}},
		"\"manifest.json\" in it is not a file":                 {{name: manifestName, kind: tar.TypeSymlink, link: "x"}},
		"\"midas.db-wal\" is in it, which is no file of a back": {{name: "midas.db-wal", content: "x"}},
	} {
		_, _, err := read(archiveOf(t, entries...))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	if _, _, err := read(holes(t)); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a file of holes: %v", err)
	}
	more := write(t, whole)
	more = append(bytes.TrimRight(more, "\x00"), make([]byte, 512)...)
	more = append(more[:len(more)/512*512], archiveOf(t, entry{name: "x", content: "y"})...)
	if _, _, err := read(more); err == nil || !strings.Contains(err.Error(), "more after its end") {
		t.Errorf("a file after the manifest: %v", err)
	}
}

// holes is a tar of a file with a tebibyte of nothing. The writer makes none,
// so the records of another name are renamed.
func holes(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := append([]byte("1\n1099511627776\n0\n"), make([]byte, 494)...)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: Database, Mode: 0o600, Size: int64(len(content)), Format: tar.FormatPAX, PAXRecords: map[string]string{
		"MID.sparse.major": "1", "MID.sparse.minor": "0", "MID.sparse.realsize": "1099511627776", "MID.sparse.name": Database,
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return bytes.ReplaceAll(b.Bytes(), []byte("MID.sparse"), []byte("GNU.sparse"))
}

// FuzzRead holds that nothing but the known names comes out, and that what is
// accepted is what was written.
func FuzzRead(f *testing.F) {
	good := write(f, map[string]string{Database: "d", RootKey: "r", CACert: "cert", CAKey: "key"})
	f.Add(good)
	f.Add(good[:len(good)-1024])
	f.Add(good[:700])
	f.Add(archiveOf(f, entry{name: "../x", content: "y"}))
	f.Add(archiveOf(f, entry{name: Database, kind: tar.TypeSymlink, link: "/"}))
	f.Add(holes(f))
	f.Add([]byte("not a tar"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, m, err := read(b)
		for name := range got {
			if !known(name) || path.IsAbs(name) || strings.Contains(name, "..") {
				t.Errorf("%q came out", name)
			}
		}
		if err != nil {
			return
		}
		again, _, err := read(write(t, got))
		if diff := cmp.Diff(got, again); err != nil || diff != "" || len(m.Files) != len(got) {
			t.Error(err, diff)
		}
	})
}
