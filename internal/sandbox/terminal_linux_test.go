package sandbox

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal makes a pseudo-terminal; what is written to keys is typed.
func terminal(t *testing.T) (keys, tty *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return keys, tty
}

// TestInterruptAtTerminal: the terminal sends Ctrl-C to the parent and to the
// command; the parent survives and does not send it a second time.
func TestInterruptAtTerminal(t *testing.T) {
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
	keys, tty := terminal(t)
	script := `n=0; trap 'n=$((n+1)); echo got' INT; echo started; while ! read line; do :; done; echo total $n; exit 4`
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), holdVariable+"="+script)
	parent.Stdin = tty
	parent.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, out, "started\n")
	io.WriteString(keys, "\x03")
	await(t, out, "got\n")
	io.WriteString(keys, "line\n")
	await(t, out, "total 1\n")
	parent.Wait()
	if code := parent.ProcessState.ExitCode(); code != 4 {
		t.Errorf("exit code %d, want the command's 4", code)
	}
}
