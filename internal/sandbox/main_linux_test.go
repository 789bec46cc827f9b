package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// holdVariable makes the test binary a parent that runs one command and waits.
const holdVariable = "SANDBOX_TEST_HOLD"

// hereVariable makes it a parent that has no namespace for its command.
const hereVariable = "SANDBOX_TEST_HERE"

// supportedVariable makes the test binary print what Supported says.
const supportedVariable = "SANDBOX_TEST_SUPPORTED"

func TestMain(m *testing.M) {
	Main()
	if os.Getenv(supportedVariable) != "" {
		fmt.Println(Supported())
		os.Exit(0)
	}
	if script := os.Getenv(holdVariable); script != "" {
		run := Run
		if os.Getenv(hereVariable) != "" {
			run = Here
		}
		code, err := run(context.Background(), Config{
			Command: []string{"sh", "-c", script}, Env: os.Environ(),
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// cleanEnv is this process's environment as a command of `midas run` gets it.
func cleanEnv(bundle string) []string { return Env(os.Environ(), bundle, "") }

// run runs a command and returns all it printed.
func run(t *testing.T, c Config, command ...string) (out string, code int, err error) {
	t.Helper()
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Command, c.Stdout, c.Stderr = command, w, w
	if c.Env == nil {
		c.Env = os.Environ()
	}
	var all bytes.Buffer
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(&all, r) })
	code, err = Run(context.Background(), c)
	w.Close()
	reading.Wait()
	return all.String(), code, err
}

// must runs a script that has to succeed and returns what it printed.
func must(t *testing.T, c Config, script string) string {
	t.Helper()
	out, code, err := run(t, c, "sh", "-c", script)
	if err != nil || code != 0 {
		t.Fatalf("%s\nexit code %d, error %v, printed:\n%s", script, code, err, out)
	}
	return out
}

// dialUnix listens on a unix socket, hands each connection to serve, and returns
// the Dial that reaches it.
func dialUnix(t *testing.T, serve func(net.Conn)) func(context.Context) (net.Conn, error) {
	t.Helper()
	l := listenUnix(t)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { l.Close() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(conn) })
		}
	})
	return dialer(l)
}

func listenUnix(t *testing.T) net.Listener {
	t.Helper()
	// Not t.TempDir: a long test name makes a path too long for a socket.
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dialer(l net.Listener) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, l.Addr().Network(), l.Addr().String())
	}
}

// waiting waits until its standard input ends, which leaves no process behind,
// or a trap exits.
const waiting = "exec 3<&0; cat <&3 >/dev/null & echo started; wait"

// hold starts the test binary as a parent in a session of its own, whose input
// ends with the test.
func hold(t *testing.T, script string) (parent *exec.Cmd, out io.ReadCloser) {
	t.Helper()
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
	parent = exec.Command("/proc/self/exe")
	parent.Env = append(slices.Clone(os.Environ()), holdVariable+"="+script)
	parent.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // and so without a terminal
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := parent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	return parent, out
}

// await reads until the line has come.
func await(t *testing.T, out io.Reader, line string) {
	t.Helper()
	var got strings.Builder
	one := make([]byte, 1)
	for !strings.Contains(got.String(), line) {
		if _, err := out.Read(one); err != nil {
			t.Fatalf("%q did not come: %v after %q", line, err, got.String())
		}
		got.Write(one)
	}
}
