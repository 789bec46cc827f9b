// Package wiretest replays recorded conversations: in an archive a file
// CASE.request is a request, and the file CASE.response after it is the whole
// answer. It knows no door: how a request is sent, and what in an answer is
// random, is the caller's to say. It is for tests only.
package wiretest

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the responses in testdata/wire")

// Replay runs every archive of testdata/wire but the ones left out by name.
// For each, begin gives the function that answers a case's request. With
// -update the answers are written down in place of being compared.
func Replay(t *testing.T, begin func(*testing.T) func(name, request string) string, but ...string) {
	t.Helper()
	files, err := filepath.Glob("testdata/wire/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range files {
		if slices.Contains(but, filepath.Base(file)) {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			answer := begin(t)
			fresh := &txtar.Archive{Comment: archive.Comment}
			for _, f := range archive.Files {
				if name, ok := strings.CutSuffix(f.Name, ".request"); ok {
					fresh.Files = append(fresh.Files, f, txtar.File{Name: name + ".response", Data: []byte(answer(name, string(f.Data)))})
				}
			}
			Golden(t, file, fresh)
		})
	}
}

// Golden compares an archive with its file, or rewrites the file.
func Golden(t *testing.T, file string, got *txtar.Archive) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(txtar.Format(got))); diff != "" {
		t.Errorf("%s (-want +got; rewrite it with -update)\n%s", file, diff)
	}
}
