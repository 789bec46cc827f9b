package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// suite is a compiled test binary of someone else's package.
type suite struct {
	pkg, version, binary string
	tests                int // how many that version has
}

// compile builds the package's own tests, of the version that go.mod says. How many
// tests it has is said by the caller: fewer would prove less than we claim.
func compile(t *testing.T, pkg string, tests int) suite {
	version := output(t, ".", "go", "list", "-f", "{{with .Module}}{{.Version}}{{end}}", pkg)
	binary := filepath.Join(t.TempDir(), path.Base(pkg)+".test")
	output(t, ".", "go", "test", "-c", "-o", binary, pkg)
	return suite{pkg, strings.TrimSpace(string(version)), binary, tests}
}

// event is one line of `go tool test2json`.
type event struct{ Action, Test, Output string }

// run runs the whole suite on the sample machine. Each of its tests becomes one of
// ours, and passes only when it has passed: one that was skipped or did not run fails.
func (s suite) run(t *testing.T, c *cloud, env ...string) {
	env = append(os.Environ(), env...)
	list := exec.CommandContext(t.Context(), s.binary, "-test.list", "^Test")
	list.Env = env
	names, err := list.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", list, err, names)
	}
	all := strings.Fields(string(names))
	if len(all) != s.tests {
		t.Errorf("%s %s has %d tests, want %d", s.pkg, s.version, len(all), s.tests)
	}
	results, transcript := s.results(t, c, env)
	passed, cases := 0, 0
	for _, name := range all {
		t.Run(name, func(t *testing.T) {
			if results[name] != "pass" {
				t.Fatalf("%s %s: %q\n%s", s.pkg, s.version, results[name], transcript[name])
			}
			passed++
		})
	}
	for name, result := range results {
		if slices.Contains(all, name) {
			continue
		}
		cases++
		if result != "pass" {
			t.Errorf("%s: %q", name, result)
		}
	}
	t.Logf("%s %s: %d of %d tests passed, with %d cases in them", s.pkg, s.version, passed, len(all), cases)
}

// results returns what came of each test, "pass" for one that passed, and what each
// has said; what was said outside of any is under the empty name.
func (s suite) results(t *testing.T, c *cloud, env []string) (results, transcript map[string]string) {
	results, transcript = map[string]string{}, map[string]string{}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "test2json", c.midas, "run", "--data", c.DataDir, "--vm", c.Sample.VM, "--",
		s.binary, "-test.v=test2json")
	cmd.Env = env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, failure := cmd.Output()
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		switch e.Action {
		case "pass", "fail", "skip":
			if e.Test != "" {
				results[e.Test] = e.Action
			}
		case "output":
			top, _, _ := strings.Cut(e.Test, "/")
			transcript[top] += e.Output
		}
	}
	if failure != nil {
		t.Errorf("%s: %v\n%s%s", s.binary, failure, transcript[""], &stderr)
	}
	return results, transcript
}
