package midas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"midas/internal/archive"
	"midas/internal/control"
	"midas/internal/keyfile"
)

// Restored is what was restored.
type Restored struct {
	archive.Manifest
	Report control.Report // of the restored data
}

// Restore makes a data directory of a backup. The directory must be missing or
// empty, and stays so where the backup is not whole or not in order.
func Restore(ctx context.Context, c Config, backup io.Reader) (_ Restored, err error) {
	_, existed := os.Stat(c.DataDir)
	if err := privateDir(c.DataDir); err != nil {
		return Restored{}, err
	}
	there, err := os.ReadDir(c.DataDir)
	if err != nil {
		return Restored{}, err
	}
	if len(there) > 0 {
		return Restored{}, fmt.Errorf("%s is not empty: it has %s\nhint: name a new directory with --data; a restore never writes over anything", c.DataDir, there[0].Name())
	}
	work, err := os.MkdirTemp(c.DataDir, restoreWork)
	if err != nil {
		return Restored{}, err
	}
	defer func() {
		os.RemoveAll(work)
		if err != nil && existed != nil {
			os.Remove(c.DataDir) // it was made here, and is empty again
		}
	}()
	r, err := unpack(ctx, c, backup, work)
	if err != nil {
		return r, err
	}
	return r, place(work, c.DataDir)
}

// unpack writes a backup into a directory and looks through it there.
func unpack(ctx context.Context, c Config, backup io.Reader, work string) (r Restored, err error) {
	r.Manifest, err = archive.Read(reader{ctx, backup}, func(name string, content io.Reader) error {
		return create(filepath.Join(work, filepath.FromSlash(name)), content)
	})
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if err != nil {
		return r, fmt.Errorf("the backup cannot be used: %w\nhint: is it the whole file that `midas backup` wrote?", err)
	}
	if !r.Has(archive.RootKey) && c.RootKey == "" {
		return r, errors.New("the backup has no root key, since that was in MIDAS_ROOT_KEY\nhint: set MIDAS_ROOT_KEY to the key the data was sealed with")
	}
	c.DataDir = work
	if r.Report, err = Verify(ctx, c); err != nil {
		return r, err
	}
	if faults := r.Report.Faults; len(faults) > 0 {
		return r, fmt.Errorf("the backup is not in order:\n  %s\nhint: use another one; `tar -xf` unpacks this one as it is", strings.Join(faults, "\n  "))
	}
	return r, nil
}

// reader stops reading when ctx ends.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// create writes a new file, durably.
func create(path string, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

// place moves what was restored to where it belongs: the database last, since
// nothing else makes a directory an installation.
func place(work, dir string) error {
	for _, name := range []string{filepath.Dir(filepath.FromSlash(archive.CAKey)), archive.RootKey, archive.Database} {
		err := os.Rename(filepath.Join(work, name), filepath.Join(dir, name))
		if err != nil && !(name == archive.RootKey && errors.Is(err, os.ErrNotExist)) {
			return err
		}
	}
	return errors.Join(os.Chmod(filepath.Join(dir, filepath.FromSlash(archive.CACert)), 0o644), keyfile.SyncFolder(dir))
}
