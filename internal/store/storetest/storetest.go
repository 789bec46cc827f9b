// Package storetest gives tests a real database: a fresh SQLite file, or a
// fresh database in a PostgreSQL that the test starts for itself on a unix
// socket and stops again. It is for tests only and sits beside store.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"midas/internal/store"
)

// New opens a fresh SQLite store that lives as long as the test.
func New(t testing.TB) *store.DB { return NewAt(t, time.Now) }

// NewAt is [New] with the test's own clock.
func NewAt(t testing.TB, now func() time.Time) *store.DB {
	t.Helper()
	return open(t, store.Config{Path: filepath.Join(t.TempDir(), "midas.db"), Now: now})
}

// OnEveryEngine runs f once on SQLite and once on PostgreSQL. Each call of
// fresh gives an empty store.
func OnEveryEngine(t *testing.T, f func(t *testing.T, fresh func(testing.TB) *store.DB)) {
	t.Run("sqlite", func(t *testing.T) { f(t, New) })
	t.Run("postgres", func(t *testing.T) {
		pg := StartPostgres(t)
		f(t, func(t testing.TB) *store.DB {
			t.Helper()
			return open(t, store.Config{DSN: pg.NewDatabase(t), Now: time.Now})
		})
	})
}

func open(t testing.TB, c store.Config) *store.DB {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	db, err := store.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Postgres is a private cluster of one test.
type Postgres struct {
	bin, socket string
	owner       *syscall.Credential // PostgreSQL refuses to run as root
	databases   atomic.Int64
}

// StartPostgres makes and starts a cluster in a temporary directory. A machine
// without PostgreSQL's server programs fails the test: nothing is skipped.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(programs) == 0 {
		t.Fatal("PostgreSQL's server programs are not installed; `make test` installs Debian's package postgresql")
	}
	dir, err := os.MkdirTemp("", "midas-pg-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	pg := &Postgres{bin: filepath.Dir(programs[len(programs)-1]), socket: dir}
	if os.Geteuid() == 0 {
		pg.disownRoot(t, dir)
	}
	data := filepath.Join(dir, "data")
	pg.run(t, "initdb", "--auth=trust", "--username=midas", "--no-sync", "--encoding=UTF8", "--no-locale", "--pgdata="+data)
	server := pg.command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	log := &strings.Builder{}
	server.Stderr = log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGQUIT)
		<-gone
	})
	for pg.command("pg_isready", "-q", "-h", dir, "-U", "midas").Run() != nil {
		select {
		case err := <-gone:
			gone <- err
			t.Fatalf("postgres ended: %v\n%s", err, log)
		default:
		}
	}
	return pg
}

// disownRoot gives the cluster's directory to an unprivileged user.
func (pg *Postgres) disownRoot(t testing.TB, dir string) {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			t.Fatal(err)
		}
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	pg.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func (pg *Postgres) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(pg.bin, program), args...)
	c.Dir = pg.socket
	c.SysProcAttr = &syscall.SysProcAttr{Credential: pg.owner}
	return c
}

func (pg *Postgres) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := pg.command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// NewDatabase makes an empty database and returns its connection string.
func (pg *Postgres) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("midas%d", pg.databases.Add(1))
	pg.run(t, "createdb", "-h", pg.socket, "-U", "midas", name)
	return fmt.Sprintf("host=%s user=midas dbname=%s", pg.socket, name)
}
