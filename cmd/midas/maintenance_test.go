package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
	"midas/internal/control"
)

// shortDir is short, since sockets have short names, and private.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "midas-cmd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serve runs a cloud with the sample in dir until the returned function ends it.
func serve(t *testing.T, dir string) (stop func()) {
	t.Helper()
	s, err := midas.New(t.Context(), midas.Config{DataDir: dir, Listen: "127.0.0.1:0", Sample: true, Development: true, RootKey: os.Getenv("MIDAS_ROOT_KEY"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		t.Fatalf("the server ended: %v", err)
	}
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		done <- nil // a second stop finds it ended
	}
	t.Cleanup(stop)
	return stop
}

// midasRun runs a command and wants its exit code.
func midasRun(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(t.Context(), args, strings.NewReader(""), &out, &errs); got != code {
		t.Fatalf("midas %s exits with %d, not %d\n%s%s", strings.Join(args, " "), got, code, &out, &errs)
	}
	if code != 0 && code != exitFailed && out.Len() > 0 {
		t.Errorf("midas %s fails and answers %s", strings.Join(args, " "), &out)
	}
	return out.String(), errs.String()
}

func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func TestClockCommands(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	serve(t, dir)
	out, _ := midasRun(t, 0, "clock", "show", "--data", dir)
	wantIn(t, out, "Now ", "Ahead by          0s\n")
	out, _ = midasRun(t, 0, "clock", "advance", "1d1h", "--data", dir)
	wantIn(t, out, "Ahead by          1d1h0m0s\n")
	out, _ = midasRun(t, 0, "clock", "show", "--json", "--data", dir)
	var shown control.Clock
	if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.OffsetSeconds != 90000 {
		t.Errorf("%+v, %v", shown, err)
	}
	for _, wrong := range [][]string{{"-1h"}, {"--", "-1h"}, {"-.5h"}, {"0s"}, {"tomorrow"}, {}, {"1h", "2h"}, {"40000d"}} {
		_, errs := midasRun(t, exitUsage, append([]string{"clock", "advance", "--data", dir}, wrong...)...)
		wantIn(t, errs, "hint: midas clock advance --help")
		if len(wrong) > 0 && strings.HasPrefix(wrong[len(wrong)-1], "-") {
			wantIn(t, errs, "forward")
		}
	}
	_, errs := midasRun(t, exitFailed, "clock", "advance", "36500d", "--data", dir)
	wantIn(t, errs, "can be 36500d ahead at most", "hint:")
	_, errs = midasRun(t, exitFailed, "clock", "show", "--data", filepath.Join(dir, "none"))
	wantIn(t, errs, "no midas is running here", "hint:")
}

func TestBackupCommands(t *testing.T) {
	base := shortDir(t)
	dir, file := filepath.Join(base, "data"), filepath.Join(base, "b.tar")
	stop := serve(t, dir)
	out, errs := midasRun(t, 0, "backup", file, "--data", dir)
	wantIn(t, out, file, "Root key          in the file")
	if errs != "" {
		t.Errorf("it complains: %s", errs)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	_, errs = midasRun(t, exitFailed, "backup", file, "--data", dir)
	wantIn(t, errs, "is there already", "hint:")
	out, _ = midasRun(t, 0, "verify", "--data", dir)
	wantIn(t, out, "foreign keys", "ok\n")
	stop()

	again := filepath.Join(base, "again.tar") // of what does not run
	midasRun(t, 0, "backup", again, "--data", dir)
	out, _ = midasRun(t, 0, "verify", "--data", dir)
	wantIn(t, out, "foreign keys", "ok\n")

	_, errs = midasRun(t, exitFailed, "restore", file, "--data", dir)
	wantIn(t, errs, "is not empty", "hint:")
	_, errs = midasRun(t, exitFailed, "restore", filepath.Join(base, "none"), "--data", filepath.Join(base, "x"))
	wantIn(t, errs, "cannot be read")
	for i, backup := range []string{file, again} {
		into := filepath.Join(base, "restored"+string(rune('0'+i)))
		out, _ = midasRun(t, 0, "restore", backup, "--data", into)
		wantIn(t, out, into, "Root key          from the backup", "no fault")
		stop := serve(t, into)
		midasRun(t, 0, "verify", "--data", into)
		stop()
	}
	nothing := filepath.Join(base, "nothing.tar")
	_, errs = midasRun(t, exitFailed, "backup", nothing, "--data", filepath.Join(base, "none"))
	wantIn(t, errs, "there is no midas.db", "hint:")
	left, err := fs.Glob(os.DirFS(base), "*nothing*")
	if hidden, _ := fs.Glob(os.DirFS(base), ".*"); err != nil || len(left)+len(hidden) != 0 {
		t.Errorf("a backup that failed left %v %v, %v", left, hidden, err)
	}
}

func TestBackupCommandsWithoutTheRootKey(t *testing.T) {
	base := shortDir(t)
	t.Setenv("MIDAS_ROOT_KEY", generated(t, base))
	dir, file, into := filepath.Join(base, "data"), filepath.Join(base, "b.tar"), filepath.Join(base, "restored")
	serve(t, dir)
	out, _ := midasRun(t, 0, "backup", file, "--data", dir)
	wantIn(t, out, "Root key          not in the file", "MIDAS_ROOT_KEY")
	_, errs := midasRun(t, exitFailed, "seal", "rotate", "--data", dir)
	wantIn(t, errs, "cannot be rotated", "hint:")
	out, _ = midasRun(t, 0, "restore", file, "--data", into)
	wantIn(t, out, "from MIDAS_ROOT_KEY")
	t.Setenv("MIDAS_ROOT_KEY", "")
	_, errs = midasRun(t, exitFailed, "restore", file, "--data", filepath.Join(base, "other"))
	wantIn(t, errs, "hint: set MIDAS_ROOT_KEY")
}

// generated is the root key that a first start makes.
func generated(t *testing.T, base string) string {
	t.Helper()
	dir := filepath.Join(base, "first")
	serve(t, dir)()
	key, err := os.ReadFile(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

func TestVerifyTellsFaults(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	stop := serve(t, dir)
	stop()
	out, _ := midasRun(t, 0, "verify", "--json", "--data", dir)
	var r control.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || !r.OK() || r.Faults == nil {
		t.Errorf("%s %v", out, err)
	}
	path := filepath.Join(dir, "midas.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The machine of the sample loses its identity, in a text of the same length.
	damaged := bytes.Replace(b, []byte(`"type":"SystemAssigned"`), []byte(`"type":"None"          `), 1)
	if bytes.Equal(b, damaged) || len(b) != len(damaged) {
		t.Fatal("there is nothing to damage")
	}
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs := midasRun(t, exitFailed, "verify", "--data", dir)
	wantIn(t, out, "\nfault: the managed identity ", "which has none\n", "1 fault\n")
	wantIn(t, errs, "the data has 1 fault\n", "hint:")
	out, _ = midasRun(t, exitFailed, "verify", "--json", "--data", dir)
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Faults) != 1 {
		t.Errorf("%s %v", out, err)
	}
}

func TestSealRotateCommand(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	serve(t, dir)
	for range 2 {
		out, errs := midasRun(t, 0, "seal", "rotate", "--data", dir)
		wantIn(t, out, "Root key          a new one\nSealed anew       ", " values\n")
		wantIn(t, errs, " of ")
	}
	midasRun(t, 0, "verify", "--data", dir)
}
