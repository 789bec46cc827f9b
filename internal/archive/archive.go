// Package archive is the form of a backup: one tar file with a fixed set of
// names, and at its end a manifest with the hash of each. It owns that form
// and refuses everything else; what is in the files and where they go is its
// caller's business. It imports the standard library only.
package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"
)

// The files of a backup.
const (
	Database = "midas.db"
	RootKey  = "root.key" // left out where the key comes from the environment
	CACert   = "ca/ca.crt"
	CAKey    = "ca/ca.key"
)

// manifestName is the last file: an archive that has it is whole.
const manifestName = "manifest.json"

// format is the version of this form. One that reads another way has another.
const format = 1

// maxSmall bounds every file but the database, in bytes.
const maxSmall = 1 << 20

// known reports whether a name is that of a file of a backup.
func known(name string) bool {
	return slices.Contains([]string{Database, RootKey, CACert, CAKey}, name)
}

// Manifest says what is in a backup.
type Manifest struct {
	Format  int               `json:"format"`
	Version string            `json:"version"` // of the program that made it
	Created time.Time         `json:"created"`
	Files   map[string]string `json:"files"` // hexadecimal SHA-256 by name
}

// Has reports whether a file is in the backup.
func (m Manifest) Has(name string) bool { _, ok := m.Files[name]; return ok }

// File is one file to put into a backup.
type File struct {
	Name    string
	Size    int64
	Content io.Reader // of exactly Size bytes
}

// Write writes an archive of files, in their order. An archive that was not
// written to its end is none: [Read] refuses it.
func Write(w io.Writer, version string, created time.Time, files []File) error {
	m := Manifest{Format: format, Version: version, Created: created.UTC().Truncate(time.Second), Files: map[string]string{}}
	t := tar.NewWriter(w)
	for _, f := range files {
		sum := sha256.New()
		if err := add(t, f.Name, f.Size, io.TeeReader(f.Content, sum), m.Created); err != nil {
			return fmt.Errorf("archive: %s: %w", f.Name, err)
		}
		m.Files[f.Name] = digest(sum)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := add(t, manifestName, int64(len(text)), bytes.NewReader(text), m.Created); err != nil {
		return fmt.Errorf("archive: %s: %w", manifestName, err)
	}
	return t.Close()
}

func add(t *tar.Writer, name string, size int64, content io.Reader, at time.Time) error {
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at}); err != nil {
		return err
	}
	n, err := io.Copy(t, content)
	if err == nil && n != size {
		err = fmt.Errorf("it has %d bytes, not %d", n, size)
	}
	return err
}

func digest(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// Read reads an archive and hands the content of each file to take, which is
// called with the names above only, each once at most. Only where Read returns
// no error is what take was given whole and unchanged.
func Read(r io.Reader, take func(name string, content io.Reader) error) (Manifest, error) {
	t := tar.NewReader(r)
	sums := map[string]string{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return Manifest{}, errors.New("it ends too early")
		}
		if err != nil {
			return Manifest{}, unreadable(err)
		}
		if h.Typeflag != tar.TypeReg || sparse(h) {
			return Manifest{}, fmt.Errorf("%.100q in it is not a file", h.Name)
		}
		if h.Name == manifestName {
			m, err := readManifest(t, h.Size, sums)
			if err != nil {
				return Manifest{}, err
			}
			if _, err := t.Next(); !errors.Is(err, io.EOF) {
				return Manifest{}, errors.New("there is more after its end")
			}
			return m, nil
		}
		_, twice := sums[h.Name]
		switch {
		case !known(h.Name):
			return Manifest{}, fmt.Errorf("%.100q is in it, which is no file of a backup that this version knows", h.Name)
		case twice:
			return Manifest{}, fmt.Errorf("%s is in it twice", h.Name)
		case h.Name != Database && h.Size > maxSmall:
			return Manifest{}, fmt.Errorf("%s in it is too large", h.Name)
		}
		sum := sha256.New()
		content := io.TeeReader(t, sum)
		if err := take(h.Name, content); errors.Is(err, io.ErrUnexpectedEOF) {
			return Manifest{}, unreadable(err)
		} else if err != nil {
			return Manifest{}, err
		}
		if _, err := io.Copy(io.Discard, content); err != nil { // what was not read counts, too
			return Manifest{}, unreadable(err)
		}
		sums[h.Name] = digest(sum)
	}
}

// sparse reports whether a file has holes: a few bytes could become any number.
func sparse(h *tar.Header) bool {
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// unreadable keeps the words of the tar reader for what they are: a cause.
func unreadable(err error) error { return fmt.Errorf("it is damaged or no backup: %w", err) }

// readManifest holds what was read against the manifest.
func readManifest(r io.Reader, size int64, sums map[string]string) (Manifest, error) {
	if size > maxSmall {
		return Manifest{}, errors.New("its manifest is too large")
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return Manifest{}, unreadable(err)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, errors.New("its manifest cannot be read")
	}
	if m.Format != format {
		return Manifest{}, fmt.Errorf("it has the form %d, and this version reads the form %d", m.Format, format)
	}
	for name := range m.Files {
		if _, ok := sums[name]; !ok {
			return Manifest{}, fmt.Errorf("%.100q is missing in it", name)
		}
	}
	for name, sum := range sums {
		if m.Files[name] != sum {
			return Manifest{}, fmt.Errorf("%s in it was changed", name)
		}
	}
	for _, name := range []string{Database, CACert, CAKey} {
		if !m.Has(name) {
			return Manifest{}, fmt.Errorf("%s is missing in it", name)
		}
	}
	return m, nil
}
