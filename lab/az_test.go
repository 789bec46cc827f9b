package lab

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdAZ runs the real Azure CLI on the machine VM and leaves what it answered in
// az.json. With `!` it must fail, and what it said is for `stderr`.
//
//	[!] az ARGS...
func cmdAZ(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: az ARGS...")
	}
	az := filepath.Join(ts.Getenv("CLIENTS"), "az", "bin", "az")
	err := ts.Exec("midas", append([]string{"run", "--vm", ts.Getenv("VM"), "--", az}, args...)...)
	switch {
	case neg && err == nil:
		ts.Fatalf("az %q did not fail", args)
	case !neg:
		ts.Check(err)
	}
	ts.Check(os.WriteFile(ts.MkAbs("az.json"), []byte(ts.ReadFile("stdout")), 0o600))
}
