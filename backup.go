package midas

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"midas/internal/archive"
	"midas/internal/fault"
	"midas/internal/keyfile"
)

// Backup writes a backup of the data of an installation that no server runs on.
func Backup(ctx context.Context, c Config, w io.Writer) error {
	s, err := openStopped(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(s.backup(ctx, w), s.Close())
}

// Working directories inside the data directory. What a crash leaves of them
// goes with the next start.
const (
	backupWork  = ".backup-"
	restoreWork = ".restore-"
)

// backup writes one consistent state of all that is stored, with the keys that
// it needs. Every write that was acknowledged before is in it.
func (s *Server) backup(ctx context.Context, w io.Writer) error {
	work, err := os.MkdirTemp(s.config.DataDir, backupWork)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	path := filepath.Join(work, databaseFile)
	if err := s.db.Copy(ctx, path); err != nil {
		if _, ok := errors.AsType[*fault.Error](err); ok || ctx.Err() != nil {
			return err
		}
		return fault.Wrap(err, fault.Unavailable, "the database could not be copied: %v\nhint: there has to be room for a second one in %s", err, s.config.DataDir)
	}
	database, err := os.Open(path)
	if err != nil {
		return err
	}
	defer database.Close()
	info, err := database.Stat()
	if err != nil {
		return err
	}
	files := []archive.File{{Name: archive.Database, Size: info.Size(), Content: database}}
	// The keys come after the database: a root key that is added meanwhile may
	// be missing in the database, but never the other way round.
	names := []string{archive.CACert, archive.CAKey}
	if s.config.RootKey == "" {
		names = append(names, archive.RootKey)
	}
	for _, name := range names {
		content, err := s.readKey(name)
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "a backup needs %s: %v", name, err)
		}
		files = append(files, archive.File{Name: name, Size: int64(len(content)), Content: bytes.NewReader(content)})
	}
	return archive.Write(w, Version, s.now(), files)
}

func (s *Server) readKey(name string) ([]byte, error) {
	path := filepath.Join(s.config.DataDir, filepath.FromSlash(name))
	if name == archive.CACert { // which everybody may read
		return os.ReadFile(path)
	}
	return keyfile.Read(path)
}

// removeLeftovers removes what a backup or a restore left that was cut short.
func removeLeftovers(dir string) error {
	there, err := os.ReadDir(dir)
	errs := []error{err}
	for _, e := range there {
		if strings.HasPrefix(e.Name(), backupWork) || strings.HasPrefix(e.Name(), restoreWork) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
