package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"midas"
	"midas/internal/archive"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/keyfile"
)

func newBackup(stdout, stderr io.Writer) *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write all that is stored into one file, while the server runs",
		Long: "Writes one consistent state of the database, with the root key and the CA, into a new tar\n" +
			"file that only you can read. Every write that was acknowledged before is in it. Who has\n" +
			"the file can read every secret, unless the root key is in MIDAS_ROOT_KEY: then it is not\n" +
			"in the file.",
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := os.Lstat(args[0]); err == nil {
				return fmt.Errorf("%s is there already\nhint: name a new file; a backup never writes over one", args[0])
			}
			from, err := openBackup(c.Context(), data, stderr)
			if err != nil {
				return err
			}
			defer from.Close()
			m, size, err := save(args[0], from)
			if err != nil {
				return err
			}
			key := "in the file: who has it can read every secret"
			if !m.Has(archive.RootKey) {
				key = "not in the file: keep what is in MIDAS_ROOT_KEY, too"
			}
			fmt.Fprintf(stdout, "%-18s%s\n%-18s%d bytes\n%-18s%s\n", "Backup", args[0], "Size", size, "Root key", key)
			return nil
		},
	}
	dataFlag(c, &data)
	return c
}

// openBackup reads a backup from the server that runs on the data, or makes it
// where there is none.
func openBackup(ctx context.Context, data string, stderr io.Writer) (io.ReadCloser, error) {
	dir, err := dataDir(data)
	if err != nil {
		return nil, err
	}
	client := control.Dial(midas.ControlSocket(dir))
	if _, err := client.Status(ctx); err == nil {
		return client.Backup(ctx)
	} else if !fault.Is(err, fault.Unavailable) {
		return nil, err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(midas.Backup(ctx, stopped(dir, stderr), w)) }()
	return r, nil
}

// save writes a backup to a file that appears whole or not at all.
func save(path string, from io.Reader) (m archive.Manifest, size int64, err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return m, 0, fmt.Errorf("the backup cannot be written: %w", err)
	}
	defer os.Remove(temp.Name()) // fails once it is renamed
	saved := io.TeeReader(from, temp)
	m, err = archive.Read(saved, func(string, io.Reader) error { return nil })
	if err == nil {
		_, err = io.Copy(io.Discard, saved) // what follows the last file belongs to it, too
	}
	var info os.FileInfo
	if err == nil {
		info, err = temp.Stat()
	}
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return m, 0, unwritten(err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return m, 0, unwritten(err)
	}
	return m, info.Size(), keyfile.SyncFolder(filepath.Dir(path))
}

func unwritten(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fmt.Errorf("the backup was not written: %w", err)
}

func newRestore(stdout, stderr io.Writer) *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data directory of a backup",
		Long:  "Unpacks a backup into a data directory that is missing or empty, and checks it as\n`midas verify` does before it is put there.",
		Args:  exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := dataDir(data)
			if err != nil {
				return err
			}
			from, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("the backup cannot be read: %w", err)
			}
			defer from.Close()
			r, err := midas.Restore(c.Context(), stopped(dir, stderr), from)
			if err != nil {
				return err
			}
			key := "from the backup"
			if !r.Has(archive.RootKey) {
				key = "from MIDAS_ROOT_KEY, which the server needs, too"
			}
			var checked int64
			for _, c := range r.Report.Checks {
				checked += c.Count
			}
			row := func(name, value string) { fmt.Fprintf(stdout, "%-18s%s\n", name, value) }
			row("Restored", dir)
			row("Made", r.Created.Format(time.RFC3339)+" by version "+r.Version)
			row("Root key", key)
			row("Verified", fmt.Sprintf("%d seals and references, no fault", checked))
			return nil
		},
	}
	dataFlag(c, &data)
	return c
}
