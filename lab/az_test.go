package lab

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdAZ runs the real Azure CLI on the machine VM, or on none where that is not
// set, and leaves what it answered in az.json. With `!` it must fail, and what it
// said is for `stderr`. AZ names the client: the newest one, or an older.
//
//	[!] az ARGS...
func cmdAZ(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: az ARGS...")
	}
	run := []string{"run"}
	if vm := ts.Getenv("VM"); vm != "" {
		run = append(run, "--vm", vm)
	}
	run = append(run, "--", filepath.Join(ts.Getenv("CLIENTS"), ts.Getenv("AZ"), "bin", "az"))
	err := ts.Exec("midas", append(run, args...)...)
	switch {
	case neg && err == nil:
		ts.Fatalf("az %q did not fail", args)
	case !neg:
		ts.Check(err)
	}
	ts.Check(os.WriteFile(ts.MkAbs("az.json"), []byte(ts.ReadFile("stdout")), 0o600))
}
