package midas_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// witness is a code span in the second column of docs/parity.md: a lab, or a
// test named as "folder: TestName".
var witness = regexp.MustCompile("`([^`]+)`")

// TestParity holds that every claim names a test that is there, and that every
// lab is the witness of a claim.
func TestParity(t *testing.T) {
	text, err := os.ReadFile("docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	claims, seen := 0, map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 2 || strings.HasPrefix(strings.TrimSpace(cells[0]), "---") || strings.TrimSpace(cells[1]) == "proved by" {
			continue
		}
		claims++
		names := witness.FindAllStringSubmatch(cells[1], -1)
		if len(names) == 0 {
			t.Errorf("no test proves %q", strings.TrimSpace(cells[0]))
		}
		for _, n := range names {
			seen[n[1]] = true
			if !witnessed(t, n[1]) {
				t.Errorf("%q is said to be proved by %s, which is not there", strings.TrimSpace(cells[0]), n[1])
			}
		}
	}
	if claims < 20 {
		t.Errorf("only %d claims were found", claims)
	}
	labs, _ := filepath.Glob("lab/*.txtar")
	for _, lab := range labs {
		if !seen[filepath.ToSlash(lab)] {
			t.Errorf("%s proves no claim of docs/parity.md", lab)
		}
	}
}

func witnessed(t *testing.T, name string) bool {
	dir, test, ok := strings.Cut(name, ": ")
	if !ok {
		_, err := os.Stat(filepath.FromSlash(name))
		return err == nil && strings.HasSuffix(name, ".txtar")
	}
	files, _ := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*_test.go"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}
