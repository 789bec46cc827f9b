package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestExitCode(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	lost := filepath.Join(t.TempDir(), "lost")
	if err := os.WriteFile(lost, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		command []string
		code    int
		err     string
	}{
		{"success", []string{"true"}, 0, ""},
		{"code", []string{"sh", "-c", "exit 7"}, 7, ""},
		{"last code", []string{"sh", "-c", "exit 255"}, 255, ""},
		{"terminated", []string{"sh", "-c", "kill -TERM $$"}, 143, ""},
		{"killed", []string{"sh", "-c", "kill -KILL $$"}, 137, ""},
		{"not in PATH", []string{"no-such-command"}, 127, "no-such-command"},
		{"no such file", []string{"/no/such/command"}, 127, "/no/such/command"},
		{"no interpreter", []string{lost}, 127, lost},
		{"not executable", []string{plain}, 126, plain},
		{"directory", []string{"/etc"}, 126, "/etc"},
		{"nothing", nil, 1, "no command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, code, err := run(t, Config{}, tt.command...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want one with %q", err, tt.err)
			}
		})
	}
}

func TestCommandGetsItsArgumentsEnvironmentAndDirectory(t *testing.T) {
	dir := t.TempDir()
	odd := "a b\xff\"'\n"
	out, code, err := run(t, Config{Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH"), "ODD=" + odd}},
		"sh", "-c", `printf '%s|%s|%s|%s' "$0" "$1" "$ODD" "$(pwd)"; env | grep -c .`, "zero", odd)
	if err != nil || code != 0 {
		t.Fatalf("exit code %d, error %v", code, err)
	}
	if want := "zero|" + odd + "|" + odd + "|" + dir; !strings.HasPrefix(out, want) {
		t.Errorf("printed %q, want %q first", out, want)
	}
	if strings.Contains(out, "HOME=") {
		t.Error("the command sees our own environment")
	}
	if _, code, err := run(t, Config{Dir: filepath.Join(dir, "absent")}, "true"); code != 1 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent directory: exit code %d, error %v", code, err)
	}
}

func TestSetUpErrorIsClear(t *testing.T) {
	dial := dialer(listenUnix(t))
	for _, tt := range []struct{ name, addr, err string }{
		{"taken by the name server", "127.0.0.1:53", "127.0.0.1:53"},
		{"not an address", "localhost:80", "localhost:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, code, err := run(t, Config{Listeners: []Listener{{Addr: tt.addr, Dial: dial}}}, "true")
			if code != 1 || err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("exit code %d, error %v, want one with %q", code, err, tt.err)
			}
			if errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%v says that namespaces are of no use here", err)
			}
		})
	}
}

func TestUserIsUnchanged(t *testing.T) {
	want := fmt.Sprintf("%d %d\n", os.Geteuid(), os.Getegid())
	if out := must(t, Config{}, `echo "$(id -u) $(id -g)"`); out != want {
		t.Errorf("inside %q, outside %q", out, want)
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, Config{}, "echo text >"+file)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != os.Geteuid() {
		t.Errorf("a file made inside belongs to %d", owner)
	}
	caps := must(t, Config{}, "grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status")
	if got := strings.Count(caps, "\t0000000000000000"); os.Geteuid() != 0 && got != 4 {
		t.Errorf("the command has capabilities:\n%s", caps)
	}
}

// TestRootMayChangeUser: servers start as root and give that up.
func TestRootMayChangeUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root may
	}
	script := "setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'id -u; cat /etc/resolv.conf'"
	if got, want := must(t, Config{}, script), "65534\n"+resolvConf; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// TestOrdinaryUser runs the other tests once more without root's rights.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // they have just run so
	}
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "test") // the first one may be executable for root only
	if err := errors.Join(os.WriteFile(program, binary, 0o755), os.Chmod(program, 0o755)); err != nil {
		t.Fatal(err)
	}
	again := exec.Command(program, "-test.v")
	again.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir, "GOCOVERDIR="+dir)
	again.Dir = "/"
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("as another user: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: TestUserIsUnchanged") {
		t.Errorf("the tests did not run:\n%s", out)
	}
}

func TestSignalsReachTheCommand(t *testing.T) {
	for name, s := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "INT": syscall.SIGINT,
	} {
		t.Run(name, func(t *testing.T) {
			parent, out := hold(t, "trap 'echo got; exit 9' "+name+"; "+waiting)
			await(t, out, "started\n")
			if err := parent.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			await(t, out, "got\n")
			parent.Wait()
			if code := parent.ProcessState.ExitCode(); code != 9 {
				t.Errorf("exit code %d, want the command's 9", code)
			}
		})
	}
}

func TestCommandDiesWithItsParent(t *testing.T) {
	parent, out := hold(t, `echo started; exec sleep 1000`)
	await(t, out, "started\n")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The pipe ends when nobody holds it: neither the parent nor the command.
	if _, err := io.ReadAll(out); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
}

func TestCancelAsksAndKillEndsAll(t *testing.T) {
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, script string
		end          func(cancel func(), kill chan struct{})
		code         int
	}{
		{"cancel", "trap 'exit 5' TERM; " + waiting,
			func(cancel func(), _ chan struct{}) { cancel() }, 5},
		{"kill", `trap '' TERM; setsid sleep 1000 & echo started; sleep 1000`,
			func(_ func(), kill chan struct{}) { close(kill) }, 137},
		{"cancel, then kill", `trap 'echo asked' TERM; sleep 1000 & echo started; while :; do wait; done`,
			func(cancel func(), kill chan struct{}) { cancel(); close(kill) }, 137},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			in, hold, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			defer hold.Close()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			kill := make(chan struct{})
			code := make(chan int, 1)
			go func() {
				n, _ := Run(ctx, Config{
					Command: []string{"sh", "-c", tt.script}, Env: os.Environ(), Stdin: in, Stdout: w, Kill: kill,
				})
				w.Close()
				code <- n
			}()
			await(t, r, "started\n")
			tt.end(cancel, kill)
			if got := <-code; got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			if tt.code == 137 { // the background process held the pipe, too
				io.ReadAll(r)
			}
		})
	}
}

// expiring is a context whose deadline passes when the test says so.
type expiring struct {
	context.Context
	done chan struct{}
}

func (e expiring) Done() <-chan struct{} { return e.done }

func (e expiring) Err() error {
	select {
	case <-e.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestDeadlineKills(t *testing.T) {
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := expiring{context.Background(), make(chan struct{})}
	var code int
	var runErr error
	var running sync.WaitGroup
	running.Go(func() {
		code, runErr = Run(ctx, Config{
			Command: []string{"sh", "-c", "trap '' TERM; echo started; sleep 1000"}, Env: os.Environ(), Stdout: w,
		})
	})
	await(t, r, "started\n")
	close(ctx.done)
	running.Wait()
	w.Close()
	if code != 137 || runErr != nil {
		t.Errorf("exit code %d, error %v, want 137", code, runErr)
	}
	if code, err := Run(ctx, Config{Command: []string{"true"}}); code != 1 || err != context.DeadlineExceeded {
		t.Errorf("after the deadline: exit code %d, error %v", code, err)
	}
}

// TestRunInRun: a command may itself be a run, and sees its own world then.
func TestRunInRun(t *testing.T) {
	c := Config{
		Env:   append(os.Environ(), holdVariable+"=getent hosts outer.test || echo none"),
		Hosts: func(name string) bool { return name == "outer.test" },
	}
	if out, code, err := run(t, c, "/proc/self/exe"); err != nil || code != 0 || out != "none\n" {
		t.Errorf("exit code %d, error %v, printed %q", code, err, out)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	// Already while the command runs there is nothing: a killed parent leaves nothing.
	must(t, Config{Bundle: []byte("x")}, "test -z \"$(ls "+tmp+")\"")
	run(t, Config{}, "no-such-command")
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, error %v", left, err)
	}
}

// BenchmarkStart is what `midas run` adds to a command's own start.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		if code, err := Run(context.Background(), Config{Command: []string{"true"}, Env: os.Environ()}); code != 0 || err != nil {
			b.Fatal(code, err)
		}
	}
}
