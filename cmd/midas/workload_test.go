package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/control"
)

func TestWorkloadCommands(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	serve(t, dir)
	token, _ := midasRun(t, 0, "workload", "token", "--subject", "job", "--data", dir)
	if strings.Count(token, ".") != 2 || strings.ContainsAny(strings.TrimSuffix(token, "\n"), " \n") {
		t.Errorf("stdout is %q", token)
	}
	out, _ := midasRun(t, 0, "workload", "token", "--subject", "job", "--audience", "api://them", "--json", "--data", dir)
	var made control.WorkloadToken
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Subject != "job" || made.Audience != "api://them" || strings.Count(made.Token, ".") != 2 {
		t.Errorf("%s: %v", out, err)
	}
	status, _ := midasRun(t, 0, "status", "--data", dir)
	wantIn(t, status, "Workload issuer   "+made.Issuer+"\n")
	_, errs := midasRun(t, exitUsage, "workload", "token", "--data", dir)
	wantIn(t, errs, "--subject is needed", "hint: midas workload token --help")
	_, errs = midasRun(t, exitFailed, "workload", "token", "--subject", "a\nb", "--data", dir)
	wantIn(t, errs, "control character")
}
