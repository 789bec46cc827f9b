package arm_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"midas/internal/arm"
	"midas/internal/fault"
	"midas/internal/vault"
	"midas/internal/wire"
	"midas/internal/wire/wiretest"
)

// broken is a provider of a type whose items fail in every way there is.
func broken() arm.Provider {
	return arm.Provider{Namespace: "Contoso.Broken", Types: []arm.Type{{Name: "things", Versions: []string{"2020-01-01"}, Extension: true, Table: &arm.Table{
		Get: func(c *arm.Call) (*arm.Answer, error) {
			switch name := c.ID.Name(); name {
			case "bug":
				return nil, errors.New("connect to 10.0.0.1: secret internals")
			case "panic":
				panic("secret internals")
			default:
				return nil, fault.New(fault.Kind(name), "As %s as can be.", name)
			}
		},
	}}}}
}

// goldenWorld has every caller and token that the archives name.
func goldenWorld(t *testing.T) *world {
	w := newWorld(t)
	w.badTokens(t)
	w.with(append(w.providers(), broken()))
	w.callers["machines"], w.tokens["machines"] = w.callers["machine"], w.tokens["machine"]
	w.grant("machines", "9980e02c-c2be-4d73-94e8-173b1dc7cf3c", "$SUB")
	w.vars["$HUGE"], w.vars["$FLOOD"] = strings.Repeat(" ", wire.MaxBody+1), strings.Repeat("x", wire.MaxHeader)
	return w
}

// TestWire replays testdata/wire: in each archive a file CASE.request is a
// request in the words of world.request, with the caller as a header "As", and
// the file after it is the response, without the headers that every answer has.
func TestWire(t *testing.T) {
	wiretest.Replay(t, func(t *testing.T) func(name, request string) string {
		w := goldenWorld(t)
		contract := contractor(w)
		return func(_, request string) string { return contract(w.replay(t, request)) }
	})
}

// replay sends a request and writes the response as text.
func (w *world) replay(t *testing.T, text string) string {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	as := "operator"
	heads := slices.DeleteFunc(lines[1:], func(h string) bool {
		name, ok := strings.CutPrefix(h, "As: ")
		if ok {
			as = name
		}
		return ok
	})
	r := w.request(as, lines[0], strings.TrimSuffix(body, "\n"), heads...)
	rec := httptest.NewRecorder()
	w.door.ServeHTTP(rec, r)
	a := answer{rec.Code, rec.Header(), rec.Body.String()}
	if fault := a.odd(r); fault != "" && !(rec.Code == 500 && fault == "a server error") {
		t.Errorf("%s: %s", lines[0], fault)
	}
	var b strings.Builder
	fmt.Fprintln(&b, rec.Code)
	for _, name := range slices.Sorted(maps.Keys(rec.Header())) {
		if _, constant := everywhere[name]; !constant && name != "Content-Length" && !strings.HasSuffix(name, "-Request-Id") {
			fmt.Fprintf(&b, "%s: %s\n", name, rec.Header().Get(name))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(rec.Body.String(), rec.Header().Get("X-Ms-Request-Id"), "$REQUEST_ID"))
	return b.String()
}

var (
	guids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	disks = regexp.MustCompile(`_OsDisk_1_[0-9a-f]{32}`)
	macs  = regexp.MustCompile(`"00-0D-3A(-[0-9A-F]{2}){3}"`)
	hexes = regexp.MustCompile(`/[0-9a-f]{32}"`) // a secret's version
)

// contractor names what is random in an answer: the callers by their names,
// every other random GUID by a number, in the order in which they appear.
func contractor(w *world) func(string) string {
	names := map[string]string{testTenant: "$TENANT", testSub: "$SUBSCRIPTION"}
	for name, p := range w.callers {
		if name != "machines" {
			names[string(p.ID)], names[string(p.AppID)] = "$"+strings.ToUpper(name), "$"+strings.ToUpper(name)+"_APP"
		}
	}
	n := 0
	return func(s string) string {
		s = disks.ReplaceAllString(s, "_OsDisk_1_$$HEX")
		s = macs.ReplaceAllString(s, `"$$MAC"`)
		s = hexes.ReplaceAllString(s, `/$$HEX"`)
		return guids.ReplaceAllStringFunc(s, func(id string) string {
			if id[14] != '4' || id[19] < '8' { // not a random one
				if name, ok := names[id]; ok {
					return name
				}
				return id
			}
			if names[id] == "" {
				switch {
				case slices.Contains([]string{w.vars["$READER"], w.vars["$OWNER"], w.vars["$CONTRIBUTOR"]}, id):
					names[id] = id
				default:
					n++
					names[id] = "$GUID_" + strconv.Itoa(n)
				}
			}
			return names[id]
		})
	}
}

// TestEveryCodeHasAGolden walks the sources of the door and its providers: each
// code that they name is in the response of some archive.
func TestEveryCodeHasAGolden(t *testing.T) {
	golden := map[string]bool{"": true}
	files, _ := filepath.Glob("testdata/wire/*.txtar")
	inBody := regexp.MustCompile(`"error":\{"code":"(\w+)"`)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if m := inBody.FindSubmatch(f.Data); m != nil && strings.HasSuffix(f.Name, ".response") {
				golden[string(m[1])] = true
			}
		}
	}
	codes := map[string]string{wire.CodeBodyTooLarge: "wire", wire.CodeHeadersTooLarge: "wire", wire.CodeUnsupportedMedia: "wire", vault.CodeVaultAlreadyExists: "vault", vault.CodeVaultNameNotValid: "vault", vault.CodeDeletedVaultNotFound: "vault"}
	sources, _ := filepath.Glob("*.go")
	more, _ := filepath.Glob("../provider/*/*.go")
	for _, file := range append(append(sources, more...), "../rbac/rbac.go") {
		if !strings.HasSuffix(file, "_test.go") {
			collectCodes(t, file, codes)
		}
	}
	if len(codes) < 50 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		if !golden[code] {
			t.Errorf("no archive has the code %s of %s", code, codes[code])
		}
	}
}

// collectCodes finds constants named Code…, and texts that are given as codes.
func collectCodes(t *testing.T, file string, codes map[string]string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			code, _ := strconv.Unquote(lit.Value)
			codes[code] = file
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if strings.HasPrefix(name.Name, "Code") && i < len(n.Values) {
					add(n.Values[i])
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
				add(n.Value)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Named" {
				add(n.Args[0])
			}
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "guidName" {
				add(n.Args[1])
			}
		}
		return true
	})
}

// TestKinds: each kind of fault has its status and its own code, and what is
// not a fault is a 500 that says nothing.
func TestKinds(t *testing.T) {
	w := newWorld(t)
	w.with(append(w.providers(), broken()))
	for kind, want := range map[fault.Kind]string{
		fault.NotFound: "404 NotFound", fault.Gone: "410 Gone", fault.Conflict: "409 Conflict", fault.Stale: "412 PreconditionFailed", fault.Invalid: "400 BadRequest",
		fault.Unauthorized: "401 InvalidAuthenticationToken", fault.Forbidden: "403 AuthorizationFailed", fault.Throttled: "429 TooManyRequests", fault.Unsupported: "405 MethodNotAllowed",
		fault.Unavailable: "503 ServiceUnavailable", "bug": "500 InternalServerError", "panic": "500 InternalServerError",
	} {
		rec := httptest.NewRecorder()
		w.door.ServeHTTP(rec, w.request("", "GET $SUB/providers/Contoso.Broken/things/"+strings.ReplaceAll(string(kind), " ", "%20"), ""))
		a := answer{rec.Code, rec.Header(), rec.Body.String()}
		if got := fmt.Sprint(rec.Code, " ", a.code()); got != want || a.header.Get("X-Ms-Request-Id") == "" {
			t.Errorf("%s gives %s", kind, got)
		}
		if strings.Contains(a.body, "secret") || strings.Contains(fmt.Sprint(a.header), "secret") {
			t.Errorf("%s: internal text crossed: %s", kind, a.body)
		}
		if rec.Code == http.StatusInternalServerError && !strings.Contains(a.body, a.header.Get("X-Ms-Request-Id")) {
			t.Errorf("%s: the request id is not in the text: %s", kind, a.body)
		}
	}
}
