package sandbox

import (
	"os"
	"syscall"
	"testing"
)

func TestSignalsReachACommandHere(t *testing.T) {
	t.Setenv(hereVariable, "1")
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

func TestCodesOfACommandHere(t *testing.T) {
	plain := file(t, "text")
	for want, command := range map[int][]string{
		codeSignal + int(syscall.SIGTERM): {"sh", "-c", "kill -TERM $$"},
		codeNotExecutable:                 {plain.Name()},
		codeNotFound:                      {"/no/such/program"},
	} {
		if code, _ := Here(t.Context(), Config{Command: command, Env: os.Environ()}); code != want {
			t.Errorf("%q: code %d, want %d", command, code, want)
		}
	}
}
