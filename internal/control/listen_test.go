package control

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/fault"
)

func TestListenIsPrivate(t *testing.T) {
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if _, err := Listen(path); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second one: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestListenReplacesAStaleSocket(t *testing.T) {
	path := socketPath(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as after a kill
	dead.Close()
	if _, err := Dial(path).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "no midas is running here") {
		t.Error(err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestListenLeavesOtherFilesAlone(t *testing.T) {
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	link := filepath.Join(filepath.Dir(path), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(link); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); string(b) != "precious" {
		t.Error(string(b), err)
	}
}

func TestListenRefusesLongPaths(t *testing.T) {
	path := "/" + strings.Repeat("x", maxSocketPath)
	_, err := Listen(path)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "104 bytes") || !strings.Contains(err.Error(), "\nhint: ") {
		t.Error(err)
	}
	if _, err := Listen(filepath.Join(filepath.Dir(socketPath(t)), "missing", "s")); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
