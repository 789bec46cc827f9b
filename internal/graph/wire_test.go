package graph

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/wire/wiretest"
)

// TestWire replays testdata/wire: in each archive a file CASE.request is an
// HTTP request, and the file after it the whole response. Each archive starts
// with the same directory. A token is written "Bearer $NAME"; what is random is
// named in the responses, in the order of its first appearance.
func TestWire(t *testing.T) {
	wiretest.Replay(t, func(t *testing.T) func(name, request string) string {
		w := newWorld(t)
		n := newNames(w)
		return func(_, request string) string { return n.contract(w.replay(n.expand(request))) }
	}, tableFile)
}

// names gives what is random a name, and back.
type names struct {
	w     *world
	pairs []string // name, value…
	ids   int
}

func newNames(w *world) *names {
	n := &names{w: w}
	for _, caller := range slices.Sorted(maps.Keys(w.callers)) {
		p := w.callers[caller]
		name := strings.ToUpper(strings.ReplaceAll(caller, "-", "_"))
		n.pairs = append(n.pairs, "$"+name+"_OBJECT", string(p.ID))
		if p.AppID != "" {
			n.pairs = append(n.pairs, "$"+name+"_APP", string(p.AppID))
		}
	}
	return n
}

var (
	bearerName = regexp.MustCompile(`Bearer \$([a-z-]+)`)
	anyGUID    = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b`)
	requestIDs = regexp.MustCompile(`(?m)^(Request-Id|Client-Request-Id): .*$`)
	innerIDs   = regexp.MustCompile(`"(request-id|client-request-id)":"[^"]*"`)
	secretText = regexp.MustCompile(`"secretText":"[^"]{40}"`)
	hint       = regexp.MustCompile(`"hint":"[^"]{3}"`)
	skipToken  = regexp.MustCompile(`skiptoken=[A-Za-z0-9_-]+`)
)

// written are GUIDs that the archives choose.
var written = []string{"5b0b3c4e-0d8a-4f6a-9a54-0f1f4d3a7b01", "5b0b3c4e-0d8a-4f6a-9a54-0f1f4d3a7b02", "0b1f6471-1bf0-4dda-aec3-cb9272f09590"}

// fixed are the GUIDs that are the same in every installation.
func fixed(id string) bool {
	_, isRole := directory.RoleNamed(id)
	return isRole || slices.ContainsFunc(permissions, func(p permission) bool { return p.id == id }) || id == string(tenant) || strings.HasPrefix(id, "00000000-") || slices.Contains(written, id)
}

func (n *names) expand(request string) string {
	request = bearerName.ReplaceAllStringFunc(request, func(s string) string { return "Bearer " + n.w.token(strings.TrimPrefix(s, "Bearer $")) })
	// Longer names first, so that $ID1 is not taken for the beginning of $ID10.
	pairs := map[string]string{}
	for i := 0; i < len(n.pairs); i += 2 {
		pairs[n.pairs[i]] = n.pairs[i+1]
	}
	for _, name := range slices.SortedFunc(maps.Keys(pairs), func(a, b string) int { return len(b) - len(a) }) {
		request = strings.ReplaceAll(request, name, pairs[name])
	}
	return request
}

func (n *names) contract(response string) string {
	response = requestIDs.ReplaceAllString(response, "$1: $$REQUEST")
	response = innerIDs.ReplaceAllString(response, `"$1":"$$REQUEST"`)
	response = secretText.ReplaceAllString(response, `"secretText":"$$SECRET"`)
	response = hint.ReplaceAllString(response, `"hint":"$$HINT"`)
	response = skipToken.ReplaceAllString(response, "skiptoken=$$TOKEN")
	for _, v := range anyGUID.FindAllString(response, -1) {
		if !slices.Contains(n.pairs, v) && !fixed(v) {
			n.ids++
			n.pairs = append(n.pairs, fmt.Sprintf("$ID%d", n.ids), v)
		}
	}
	back := slices.Clone(n.pairs)
	slices.Reverse(back)
	return strings.NewReplacer(back...).Replace(response)
}

// replay sends a request and writes the response as text.
func (w *world) replay(request string) string {
	w.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(strings.TrimSuffix(head, "\n"), "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		w.Fatalf("%v in %q", err, request)
	}
	r.Body, r.RemoteAddr = io.NopCloser(strings.NewReader(body)), "10.0.0.4:50000"
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	return text(out)
}

func text(r *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Code)
	for _, name := range slices.Sorted(maps.Keys(r.Header())) {
		for _, value := range r.Header()[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.Body)
	return b.String()
}

const tableFile = "errors.txtar"

// TestErrorTable holds each row of the two tables of errors, and what is in
// neither, to its golden.
func TestErrorTable(t *testing.T) {
	w := newWorld(t)
	h := &handler{Door: w.door}
	archive := &txtar.Archive{Comment: []byte("Every failure there is, by its code or else by its kind: control-plane.md F.\n")}
	add := func(name string, err error) {
		out := httptest.NewRecorder()
		h.fail(out, httptest.NewRequest("GET", "/", nil), err)
		status, body, _ := strings.Cut(text(out), "\n")
		_, body, _ = strings.Cut(body, "\n\n")
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(status + "\n" + body)})
	}
	for _, code := range slices.Sorted(maps.Keys(byCode)) {
		add("code "+code, fault.Wrap(errors.New("internal text"), fault.Invalid, "A message.").Named(code))
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		add("kind "+string(kind), fault.Wrap(errors.New("internal text"), kind, "A message."))
	}
	add("a bug", errors.New("internal text"))
	wiretest.Golden(t, filepath.Join("testdata/wire", tableFile), archive)
	for _, kind := range allKinds {
		if _, ok := byKind[kind]; !ok {
			t.Errorf("the kind %q has no row", kind)
		}
	}
	for _, f := range archive.Files {
		if strings.Contains(string(f.Data), "internal text") {
			t.Errorf("%s: internal text crossed", f.Name)
		}
	}
}
