package midas_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"midas"
	"midas/internal/archive"
	"midas/internal/control"
	"midas/internal/seal"
)

// takeBackup reads a whole backup from a running server.
func takeBackup(t *testing.T, c *control.Client) []byte {
	t.Helper()
	from, err := c.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	b, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBackupOfABusyServer backs up a server that is written to, and finds in
// the restored one every write that was acknowledged before the backup began.
func TestBackupOfABusyServer(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	o := operate(t, s)
	vault := populate(o)
	token := o.vaultToken()

	const writers, enough = 8, 15
	var writing sync.WaitGroup
	end := make(chan struct{})
	var mu sync.Mutex
	acknowledged, counts := map[string]string{}, make([]int, writers)
	started := make(chan struct{}, writers)
	for w := range writers {
		writing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				url, value := fmt.Sprintf("%ssecrets/s-%d-%d?api-version=7.4", vault, w, n%5), fmt.Sprintf("value %d of %d", n, w)
				status, answer := o.send(http.MethodPut, url, token, object{"value": value})
				var made struct{ ID string }
				if status != http.StatusOK || json.Unmarshal(answer, &made) != nil {
					t.Errorf("%d %s", status, answer)
					return
				}
				mu.Lock()
				acknowledged[made.ID] = value
				counts[w]++
				mu.Unlock()
				if n == enough {
					started <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-started
	}
	before := map[string]string{}
	mu.Lock()
	for id, value := range acknowledged {
		before[id] = value
	}
	mu.Unlock()
	backup := takeBackup(t, o.control)
	close(end)
	writing.Wait()
	first := s.Status()
	stop()

	restored := config(dataDir(t))
	r, err := midas.Restore(t.Context(), restored, bytes.NewReader(backup))
	if err != nil || !r.Report.OK() || !r.Has(archive.RootKey) || r.Version != midas.Version {
		t.Fatalf("%+v, %v", r, err)
	}
	left, err := os.ReadDir(restored.DataDir)
	if err != nil || len(left) != 3 { // the database, the root key, the CA
		t.Errorf("the restored directory has %v, %v", left, err)
	}
	s, _ = start(t, restored)
	if got := s.Status(); got.TenantID != first.TenantID || got.SubscriptionID != first.SubscriptionID {
		t.Errorf("it is another installation: %+v", got)
	}
	o = operate(t, s)
	token = o.vaultToken()
	for id, value := range before {
		status, answer := o.send(http.MethodGet, id+"?api-version=7.4", token, nil)
		var secret struct{ Value string }
		if status != http.StatusOK || json.Unmarshal(answer, &secret) != nil || secret.Value != value {
			t.Fatalf("%s was acknowledged with %q: %d %s", id, value, status, answer)
		}
	}
	t.Logf("%d writes acknowledged before, %d after, %d bytes", len(before), len(acknowledged), len(backup))
	if report, err := o.control.Verify(t.Context()); err != nil || !report.OK() {
		t.Errorf("%+v, %v", report, err)
	}
	same(t, filepath.Join(c.DataDir, "ca", "ca.key"), filepath.Join(restored.DataDir, "ca", "ca.key"))
	same(t, filepath.Join(c.DataDir, "root.key"), filepath.Join(restored.DataDir, "root.key"))
	if left, _ := filepath.Glob(filepath.Join(c.DataDir, ".backup-*")); len(left) != 0 {
		t.Errorf("the backup left %v", left)
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(b)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("%s is another than %s: %v", b, a, err)
	}
	if info, err := os.Stat(b); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has the mode %v, %v", b, info.Mode(), err)
	}
}

// TestBackupWithoutTheRootKey keeps the key of an installation that has it in
// the environment out of its backups.
func TestBackupWithoutTheRootKey(t *testing.T) {
	c := config(dataDir(t))
	c.RootKey = seal.Generate()
	c.Sample = true
	s, stop := start(t, c)
	backup := takeBackup(t, control.Dial(s.Status().ControlSocket))
	stop()
	if bytes.Contains(backup, []byte("midas-root-1.")) {
		t.Error("there is a root key in the backup")
	}
	var stopped bytes.Buffer // the same of a server that does not run
	if err := midas.Backup(t.Context(), c, &stopped); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{backup, stopped.Bytes()} {
		target := config(dataDir(t))
		if _, err := midas.Restore(t.Context(), target, bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), "hint: set MIDAS_ROOT_KEY") {
			t.Errorf("without the key: %v", err)
		}
		target.RootKey = seal.Generate()
		if _, err := midas.Restore(t.Context(), target, bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), "does not open this data") {
			t.Errorf("with another key: %v", err)
		}
		if _, err := os.Stat(target.DataDir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a restore that failed left its directory: %v", err)
		}
		target.RootKey = c.RootKey
		if r, err := midas.Restore(t.Context(), target, bytes.NewReader(b)); err != nil || r.Has(archive.RootKey) {
			t.Errorf("with the key: %+v, %v", r, err)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	backup := takeBackup(t, control.Dial(s.Status().ControlSocket))
	stop()
	query(t, c.DataDir, `UPDATE secret_versions SET value = x'00'`)
	var faulty bytes.Buffer
	if err := midas.Backup(t.Context(), c, &faulty); err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(backup)
	damaged[len(damaged)/2] ^= 1
	for name, b := range map[string]struct {
		content []byte
		says    string
	}{
		"not a backup":      {[]byte(strings.Repeat("not a backup ", 1000)), "damaged or no backup"},
		"nothing":           {nil, "ends too early"},
		"half of one":       {backup[:len(backup)/2], "damaged or no backup"},
		"a changed one":     {damaged, "was changed"},
		"one with a fault":  {faulty.Bytes(), "the backup is not in order"},
		"a way out of it":   {onlyFile(t, "../midas.db"), "no file of a backup"},
		"another file's":    {onlyFile(t, "authorized_keys"), "no file of a backup"},
		"an absolute place": {onlyFile(t, "/tmp/midas.db"), "no file of a backup"},
	} {
		t.Run(name, func(t *testing.T) {
			target := config(dataDir(t))
			if _, err := midas.Restore(t.Context(), target, bytes.NewReader(b.content)); err == nil || !strings.Contains(err.Error(), b.says) || !strings.Contains(err.Error(), "hint:") {
				t.Errorf("%v does not say %q", err, b.says)
			}
			if left, _ := os.ReadDir(filepath.Dir(target.DataDir)); len(left) != 0 {
				t.Errorf("it left %v", left)
			}
			if err := os.Mkdir(target.DataDir, 0o700); err != nil {
				t.Fatal(err)
			}
			midas.Restore(t.Context(), target, bytes.NewReader(b.content))
			if left, err := os.ReadDir(target.DataDir); err != nil || len(left) != 0 {
				t.Errorf("it left %v in an empty directory, %v", left, err)
			}
			// The empty directory is still good for a whole one.
			if _, err := midas.Restore(t.Context(), target, bytes.NewReader(backup)); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := midas.Restore(t.Context(), c, bytes.NewReader(backup)); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("over an installation: %v", err)
	}
	open := config(t.TempDir())
	if err := os.Chmod(open.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := midas.Restore(t.Context(), open, bytes.NewReader(backup)); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("into a directory that others can enter: %v", err)
	}
}

// onlyFile is a tar of one file.
func onlyFile(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 1, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return b.Bytes()
}

// TestLeftoversGoWithTheNextStart is a backup that was killed.
func TestLeftoversGoWithTheNextStart(t *testing.T) {
	c := config(dataDir(t))
	_, stop := start(t, c)
	stop()
	left := filepath.Join(c.DataDir, ".backup-1")
	if err := os.MkdirAll(filepath.Join(left, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
