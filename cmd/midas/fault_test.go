package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"midas/internal/control"
)

func TestFaultCommands(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	serve(t, dir)
	out, _ := midasRun(t, 0, "fault", "list", "--data", dir)
	if out != "" {
		t.Errorf("a list of nothing: %s", out)
	}
	out, _ = midasRun(t, 0, "fault", "add", "--vm", "ubuntu", "--endpoint", "token", "--status", "429", "--retry-after", "2", "--count", "3", "--after", "1", "--data", dir)
	if out != "1\n" {
		t.Errorf("the id is %q", out)
	}
	out, _ = midasRun(t, 0, "fault", "add", "--delay", "1500ms", "--truncate", "--count", "0", "--json", "--data", dir)
	var added control.Fault
	if err := json.Unmarshal([]byte(out), &added); err != nil || added.ID != "2" || added.Delay != "1.5s" || !added.Truncate || added.Left != nil {
		t.Errorf("%+v, %v", added, err)
	}
	out, _ = midasRun(t, 0, "fault", "list", "--data", dir)
	const want = "ID  MACHINE  ENDPOINT  IDENTITY  FAULT                      AFTER  HITS  LEFT\n" +
		"1   ubuntu   token     any       status 429, Retry-After 2  1      0     3\n" +
		"2   any      any       any       delay 1.5s, truncate       0      0     no end\n"
	if out != want {
		t.Errorf("the list:\n%s", out)
	}
	out, _ = midasRun(t, 0, "fault", "clear", "1", "--json", "--data", dir)
	var left control.Faults
	if err := json.Unmarshal([]byte(out), &left); err != nil || len(left.Faults) != 1 || left.Faults[0].ID != "2" {
		t.Errorf("%+v, %v", left, err)
	}
	if out, _ = midasRun(t, 0, "fault", "clear", "--data", dir); out != "" {
		t.Errorf("left: %s", out)
	}
	for _, wrong := range [][]string{{"add", "429"}, {"add", "--status", "many"}, {"add", "--delay", "2"}, {"add", "--retry-after", "soon"}, {"list", "1"}, {"clear", "1", "2"}, {"clear", ""}, {"remove"}} {
		_, errs := midasRun(t, exitUsage, append([]string{"fault"}, append(wrong, "--data", dir)...)...)
		wantIn(t, errs, "hint: midas fault")
	}
	for _, failing := range [][]string{{"add"}, {"add", "--status", "200"}, {"add", "--drop", "--status", "500"}, {"add", "--drop", "--vm", "nobody"}, {"clear", "9"}} {
		_, errs := midasRun(t, exitFailed, append([]string{"fault"}, append(failing, "--data", dir)...)...)
		wantIn(t, errs, "midas: ", "hint: ")
	}
}
