package storetest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Postgres is a private cluster of one test.
type Postgres struct {
	bin, socket string
	port        string // "" is PostgreSQL's own
	owner       *owner // who runs it in root's stead; nil is this user
	databases   atomic.Int64
}

// StartPostgres makes and starts a cluster in a temporary directory. A machine
// without PostgreSQL's server programs fails the test: nothing is skipped.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	return startPostgres(t, "", "")
}

// StartPostgresTCP is [StartPostgres], and listens on a port of 127.0.0.1 as well.
func StartPostgresTCP(t testing.TB) (pg *Postgres, port string) {
	t.Helper()
	const address = "127.0.0.1"
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return startPostgres(t, address, port), port
}

func startPostgres(t testing.TB, address, port string) *Postgres {
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
	pg := &Postgres{bin: filepath.Dir(programs[len(programs)-1]), socket: dir, port: port}
	if pg.owner, err = disownRoot(dir); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	pg.run(t, "initdb", "--auth=trust", "--username=midas", "--no-sync", "--encoding=UTF8", "--no-locale", "--pgdata="+data)
	server := pg.command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses="+address, "-c", "fsync=off", "-c", "max_connections=200")
	log := &strings.Builder{}
	server.Stderr = log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Kill() // its data is not needed any more
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

func (pg *Postgres) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(pg.bin, program), args...)
	c.Dir = pg.socket
	if pg.port != "" {
		c.Env = append(os.Environ(), "PGPORT="+pg.port) // the server reads it, too
	}
	pg.owner.run(c)
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
