package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/control"
)

func TestEventCommands(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	serve(t, dir)
	at := func(args ...string) []string { return append(append([]string{"event"}, args...), "--data", dir) }
	if out, _ := midasRun(t, 0, at("list")...); out != "" {
		t.Errorf("before any there is %q", out)
	}
	id, _ := midasRun(t, 0, at("add", "--vm", "ubuntu", "--type", "reboot", "--in", "1h", "--duration", "30s", "--description", "Host update")...)
	out, _ := midasRun(t, 0, at("list", "--vm", "ubuntu")...)
	wantIn(t, out, strings.TrimSpace(id), "ubuntu", "Reboot", "Scheduled", "30s")
	out, _ = midasRun(t, 0, at("list", "--json")...)
	var all control.Events
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all.Events) != 1 || all.Events[0].Description != "Host update" || all.Events[0].DurationSeconds != 30 {
		t.Errorf("%s: %v", out, err)
	}
	for _, args := range [][]string{{"add"}, {"add", "--vm", "ubuntu"}, {"add", "--type", "Reboot"}, {"clear", "a", "b"}, {"list", "x"}, {"no-such"}} {
		_, said := midasRun(t, exitUsage, at(args...)...)
		wantIn(t, said, "hint:")
	}
	for _, args := range [][]string{{"add", "--vm", "none", "--type", "Reboot"}, {"add", "--vm", "ubuntu", "--type", "Explode"}, {"add", "--vm", "ubuntu", "--type", "Reboot", "--in", "soon"}, {"clear", "none"}, {"list", "--vm", "none"}} {
		_, said := midasRun(t, exitFailed, at(args...)...)
		wantIn(t, said, "hint:")
	}
	if out, _ = midasRun(t, 0, at("clear", strings.TrimSpace(id))...); out != "1\n" {
		t.Errorf("%q", out)
	}
	if out, _ = midasRun(t, 0, at("clear")...); out != "0\n" {
		t.Errorf("%q", out)
	}
}
