package arm

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
)

// mustBeFault fails where err is neither nil nor the caller's mistake.
func mustBeFault(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Kind != fault.Invalid || f.Message == "" {
		t.Errorf("not a fault of the caller: %v", err)
	}
}

func TestParseFilter(t *testing.T) {
	for _, c := range []struct {
		filter string
		want   filter
	}{
		{"", nil},
		{"  ", nil},
		{"name eq 'a'", filter{{"name", "eq", "a"}}},
		{"NAME EQ 'A'", filter{{"name", "eq", "A"}}},
		{"name+eq+'a'+AND+location+ne+'b'", filter{{"name", "eq", "a"}, {"location", "ne", "b"}}},
		{"name eq 'it''s'", filter{{"name", "eq", "it's"}}},
		{"name eq ' and name eq '''", filter{{"name", "eq", " and name eq '"}}},
		{"name eq''", filter{{"name", "eq", ""}}},
		{"substringof( 'x' , name )", filter{{"name", "substringof", "x"}}},
		{"startswith(tagName,'x')", filter{{"tagname", "startswith", "x"}}},
	} {
		got, err := parseFilter(c.filter)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(condition{})); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", c.filter, err, diff)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"", "name eq 'a'", "substringof('a',name)", "startswith(tagname,'a') and tagvalue ne 'b'", "name eq 'a", "'", "and", "name eq 'a' and", "é eq 'é'"} {
		f.Add(s)
	}
	id, _ := azure.ParseResourceID("/subscriptions/s/resourceGroups/g/providers/N/t/n")
	res := &resource.Resource{ID: id, Tags: map[string]string{"a": "b"}}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := parseFilter(s)
		mustBeFault(t, err)
		parsed.matches(res)
		quoted, err := parseFilter("name eq '" + strings.ReplaceAll(s, "'", "''") + "'")
		if err != nil || len(quoted) != 1 || quoted[0].value != s {
			t.Errorf("%q in quotes is read as %q, %v", s, quoted, err)
		}
	})
}

func TestMergePatch(t *testing.T) {
	for _, c := range []struct{ target, patch, want string }{ // RFC 7396 appendix A, and names without case
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"osProfile":{"adminUsername":"a"}}`, `{"OSPROFILE":{"AdminUsername":"b"}}`, `{"osProfile":{"adminUsername":"b"}}`},
		{`{"osProfile":1}`, `{"OsProfile":null}`, `{}`},
		{`{}`, `{"a":1,"A":2}`, `{"A":1}`},
	} {
		got, err := mergePatch(json.RawMessage(c.target), json.RawMessage(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s with %s is %s, %v; want %s", c.target, c.patch, got, err, c.want)
		}
	}
}

func FuzzMergePatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"A":{"b":null,"c":[null]}}`))
	f.Add([]byte(`[]`), []byte(`{"a":{"a":{"a":1}}}`))
	f.Add([]byte(`{"a":1}`), []byte(` null`))
	f.Fuzz(func(t *testing.T, target, patch []byte) {
		if !json.Valid(target) || !json.Valid(patch) {
			return
		}
		once, err := mergePatch(target, patch)
		mustBeFault(t, err)
		if err != nil {
			return
		}
		twice, err := mergePatch(once, patch)
		if err != nil || !json.Valid(once) || !bytes.Equal(bytes.TrimSpace(once), bytes.TrimSpace(twice)) {
			t.Errorf("%s with %s is %s, and then %s, %v", target, patch, once, twice, err)
		}
	})
}

func FuzzParseContent(f *testing.F) {
	for _, s := range []string{`{}`, `null`, `[]`, ``, `{"location":"westus","tags":{"a":"b"},"identity":{"type":"None"},"properties":{},"sku":{"name":"x"}}`, `{"tags":{"a":null}}`, `{"LOCATION":null}`, `{"x":1}`, `{"tags":{"A":"","a":""}}`, "{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parseContent(body)
		mustBeFault(t, err)
		if err != nil {
			return
		}
		if c.properties != nil && !isObject(c.properties) || len(c.tags) > 50 || !json.Valid(body) {
			t.Errorf("%s is taken as %+v", body, c)
		}
	})
}

func FuzzEscapesNUL(f *testing.F) {
	for _, s := range []string{`"\u0000"`, `"\\u0000"`, `"\\\u0000"`, `"\u0001"`, `{"a\u0000":[]}`, `"\\u0000\u0000"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v any
		if json.Unmarshal(body, &v) != nil {
			return
		}
		// What was decoded and is encoded again has the escape of each NUL, and
		// a backslash of the text doubled.
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		has := strings.Contains(strings.ReplaceAll(string(again), `\\`, ""), `\u0000`)
		if has && !escapesNUL(body) {
			t.Errorf("%s has a NUL in it", body)
		}
		if !has && escapesNUL(body) && !duplicates(body) {
			t.Errorf("%s has none", body)
		}
	})
}

// duplicates reports whether an object may have had a member twice, of which
// decoding keeps one only.
func duplicates(body []byte) bool { return bytes.Count(body, []byte(":")) > 1 }
