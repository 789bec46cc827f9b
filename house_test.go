package midas_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors says on which floor each package stands: it may import lower ones
// only. docs/architecture.md draws the same house. A package that is not here
// has no place yet, and the test says so.
var floors = map[string]float64{
	"internal/azure": 0, "internal/fault": 0, "internal/keyfile": 0, "internal/clock": 0, "internal/archive": 0, "internal/cloud": 0.5, // cloud speaks in azure's nouns
	"internal/entra/pages": 1, "internal/entra/pagestest": 5.5, "internal/seal": 1, "internal/pki": 1, "internal/wire": 1, "internal/sandbox": 1, "internal/injection": 1,
	"internal/wire/wiretest": 1.5, "internal/store": 2, "internal/store/storetest": 2.5,
	"internal/activity": 3, "internal/directory": 3, "internal/rbac": 3, "internal/resource": 3, "internal/scheduledevents": 3, "internal/lock": 3,
	"internal/sts": 4, "internal/vault": 4, "internal/federation": 4,
	"internal/entra": 5, "internal/imds": 5, "internal/arm": 5, "internal/keyvault": 5, "internal/graph": 5, "internal/control": 5, "internal/proxy": 5,
	"internal/provider/authorization": 5.5, "internal/provider/compute": 5.5, "internal/provider/keyvault": 5.5, "internal/provider/managedidentity": 5.5, "internal/provider/network": 5.5, "internal/provider/resources": 5.5, "internal/provider/insights": 5.5,
	"":          6,
	"cmd/midas": 7, "bench": 7, "lab": 7,
}

// source is one Go file of this module.
type source struct {
	path, dir string // slash-separated, from the root
	text      []byte
	file      *ast.File
	set       *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			// A folder with a go.mod of its own is another module.
			if mods, _ := filepath.Glob(filepath.Join(p, "go.mod")); p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || len(mods) > 0) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(p) != ".go" {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(set, p, text, parser.ParseComments)
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(p)
		dir := path.Dir(slash)
		if dir == "." {
			dir = ""
		}
		all = append(all, source{slash, dir, text, f, set})
		return nil
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

func TestFloors(t *testing.T) {
	for _, s := range sources(t) {
		floor, ok := floors[s.dir]
		if !ok {
			t.Errorf("%s: the package has no floor; give it one here and in docs/architecture.md", s.path)
			continue
		}
		for _, spec := range s.file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			below, ours := strings.CutPrefix(imported, "midas/")
			if imported == "midas" {
				below, ours = "", true
			}
			if !ours || s.test() {
				continue
			}
			if strings.HasSuffix(below, "test") {
				t.Errorf("%s imports %s, which is for tests", s.path, imported)
			}
			if at, ok := floors[below]; !ok || at >= floor {
				t.Errorf("%s (floor %v) imports %s (floor %v)", s.path, floor, imported, at)
			}
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		comments[s.dir] = append(comments[s.dir], nil...)
		if s.file.Doc != nil {
			comments[s.dir] = append(comments[s.dir], s.file.Doc.Text())
		}
	}
	for dir, docs := range comments {
		switch {
		case len(docs) != 1:
			t.Errorf("%q has %d package comments", dir, len(docs))
		case len(strings.Fields(docs[0])) < 12:
			t.Errorf("%q: the package comment says too little: %q", dir, docs[0])
		}
	}
}

func TestHabits(t *testing.T) {
	forbidden := []string{"util", "utils", "common", "helpers", "helper", "types", "models", "pkg", "misc"}
	for _, s := range sources(t) {
		if slices.Contains(forbidden, path.Base(s.dir)) || slices.Contains(forbidden, strings.TrimSuffix(path.Base(s.path), ".go")) {
			t.Errorf("%s is not named after what is in it", s.path)
		}
		if n := bytes.Count(s.text, []byte("\n")); n > 500 {
			t.Errorf("%s has %d lines; split it along its nouns", s.path, n)
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: func init", s.set.Position(n.Pos()))
				}
			case *ast.CallExpr:
				s.checkCall(t, n)
			}
			return true
		})
	}
}

// checkCall refuses the clock below the commands, and sleeping and skipping anywhere.
func (s source) checkCall(t *testing.T, call *ast.CallExpr) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return
	}
	name := x.Name + "." + sel.Sel.Name
	at := s.set.Position(call.Pos())
	switch {
	case (name == "time.Now" || name == "time.Since" || name == "time.Until") && strings.HasPrefix(s.dir, "internal/") && !s.test() && s.dir != "internal/store/storetest":
		t.Errorf("%s: %s; time comes in as Now", at, name)
	case name == "time.Sleep":
		t.Errorf("%s: nothing sleeps", at)
	case name == "t.Skip" || name == "t.Skipf" || name == "t.SkipNow" || name == "b.Skip":
		t.Errorf("%s: nothing is skipped", at)
	}
}
