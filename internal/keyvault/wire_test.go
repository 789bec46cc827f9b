package keyvault

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

	"midas/internal/fault"
	"midas/internal/wire/wiretest"
)

// TestWire replays testdata/wire: in each archive a file CASE.request is an
// HTTP request, and the file after it the whole response. Each archive starts
// with empty vaults. A token is written "Bearer $NAME"; versions, ids of
// callers and request ids are named in the responses, since they are random.
func TestWire(t *testing.T) {
	wiretest.Replay(t, func(t *testing.T) func(name, request string) string {
		w := newWorld(t)
		n := newNames(w)
		return func(_, request string) string { return n.contract(w.replay(n.expand(request))) }
	}, tableFile)
}

// names gives what is random a name, and back.
type names struct {
	w        *world
	pairs    []string // name, value…
	versions int
}

func newNames(w *world) *names {
	n := &names{w: w}
	for _, caller := range slices.Sorted(maps.Keys(w.callers)) {
		p := w.callers[caller]
		n.pairs = append(n.pairs, "$"+strings.ToUpper(caller)+"_APP", string(p.AppID), "$"+strings.ToUpper(caller)+"_OBJECT", string(p.ID))
	}
	return n
}

var (
	bearerName = regexp.MustCompile(`Bearer \$([a-z-]+)`)
	versionID  = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	requestID  = regexp.MustCompile(`(?m)^X-Ms-Request-Id: .*$`)
)

func (n *names) expand(request string) string {
	request = bearerName.ReplaceAllStringFunc(request, func(s string) string { return "Bearer " + n.w.token(strings.TrimPrefix(s, "Bearer $")) })
	return strings.NewReplacer(n.pairs...).Replace(request)
}

func (n *names) contract(response string) string {
	for _, v := range versionID.FindAllString(response, -1) {
		if !slices.Contains(n.pairs, v) {
			n.versions++
			n.pairs = append(n.pairs, fmt.Sprintf("$VERSION%d", n.versions), v)
		}
	}
	back := slices.Clone(n.pairs)
	slices.Reverse(back)
	return requestID.ReplaceAllString(strings.NewReplacer(back...).Replace(response), "X-Ms-Request-Id: $$REQUEST")
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
	archive := &txtar.Archive{Comment: []byte("Every failure there is, by its code or else by its kind: control-plane.md E3.\n")}
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
	for _, kind := range []fault.Kind{fault.NotFound, fault.Gone, fault.Conflict, fault.Stale, fault.Invalid, fault.Unauthorized, fault.Forbidden, fault.Throttled, fault.Unsupported, fault.Unavailable} {
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
