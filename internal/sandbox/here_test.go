package sandbox

import (
	"io"
	"os"
	"strings"
	"testing"
)

// childVariable makes the test binary the command of a test.
const childVariable = "SANDBOX_TEST_CHILD"

// TestChild is that command.
func TestChild(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		return
	}
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString("out " + string(in))
	os.Stderr.WriteString("err " + os.Getenv("SANDBOX_TEST_INHERITED"))
	os.Exit(7)
}

// file is one that a command writes to or reads from.
func file(t *testing.T, content string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestHere holds that a command without a namespace gets its files and just its
// environment, and that its code comes back.
func TestHere(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SANDBOX_TEST_INHERITED", "yes")
	in, out, errs := file(t, "in"), file(t, ""), file(t, "")
	env := []string{childVariable + "=1"}
	for _, name := range []string{"PATH", "SYSTEMROOT", "TMP"} { // what a program needs to start
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	code, err := Here(t.Context(), Config{Command: []string{self, "-test.run=^TestChild$"}, Env: env, Stdin: in, Stdout: out, Stderr: errs})
	if code != 7 || err != nil {
		t.Errorf("code %d, %v", code, err)
	}
	for f, want := range map[*os.File]string{out: "out in", errs: "err "} {
		if b, err := os.ReadFile(f.Name()); err != nil || string(b) != want {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
	}
}

func TestHereWithoutACommand(t *testing.T) {
	if code, err := Here(t.Context(), Config{Command: []string{"no-such-program-anywhere"}}); code != codeNotFound || err == nil || !strings.Contains(err.Error(), "no-such-program-anywhere") {
		t.Errorf("code %d, %v", code, err)
	}
	if code, err := Here(t.Context(), Config{}); code != codeFailed || err == nil {
		t.Errorf("code %d, %v", code, err)
	}
}
