//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// FuzzShellQuoting holds that a real shell reads back the value that was
// written, in each form that a shell may read, and runs nothing of it.
func FuzzShellQuoting(f *testing.F) {
	for _, s := range []string{"plain", "a b", "it's", `back\slash`, "$(touch x)", "`touch x`", "${HOME}", "\"; touch x; \"", "line\nend", "'\\''", "# no comment", "a=b&c|d>e<f", "*", "~", "é’‘", "\\\n", "!!"} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, value string) {
		if value == "" || strings.Contains(value, "\x00") { // an environment holds none
			return
		}
		for _, form := range []string{"sh", "dotenv"} {
			line, err := shells[form].line("N", value)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-c", line+`printf %s "$N"`)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != value {
				t.Errorf("%s: %q is read as %q, %v", form, value, out, err)
			}
		}
		cmd := exec.Command("sh", "-c", "printf %s "+quoteWord(value))
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != value {
			t.Errorf("as a word %q is read as %q, %v", value, out, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%q made files: %v, %v", value, left, err)
		}
	})
}
