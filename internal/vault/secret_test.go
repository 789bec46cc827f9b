package vault

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

func TestVersions(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		w := inStore(t, fresh(t), Properties{})
		nbf, exp := time.Unix(0, 0).UTC(), time.Unix(4_000_000_000, 0).UTC()
		first := w.set("My-Secret", "one \x00 ☃", Change{ContentType: ptr(""), NotBefore: &nbf, Expires: &exp, Tags: map[string]string{}})
		second := w.set("MY-secret", "", Change{Enabled: ptr(true), Tags: map[string]string{"a": "<b>"}})
		if first.Version == second.Version || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(first.Version) {
			t.Errorf("versions %s and %s", first.Version, second.Version)
		}
		w.must(func(tx *store.Tx) error {
			for _, c := range []struct {
				version string
				want    *Secret
			}{{"", second}, {second.Version, second}, {first.Version, first}, {strings.ToUpper(first.Version), first}} {
				got, err := GetSecret(tx, w.root, w.kv, "my-SECRET", c.version)
				if err != nil {
					return err
				}
				if diff := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(Secret{})); diff != "" || got.Name != "My-Secret" {
					t.Errorf("%s, version %q (-want +got)\n%s", got.Name, c.version, diff)
				}
			}
			for _, version := range []string{"x", strings.Repeat("0", 32), "versions"} {
				if _, err := GetSecret(tx, w.root, w.kv, "my-secret", version); codeOf(err) != CodeSecretNotFound || !strings.Contains(err.Error(), "(name/id) my-secret/"+version+" ") {
					t.Errorf("version %q gives %v", version, err)
				}
			}
			return nil
		})
	})
}

// TestValuesAreSealed looks for a value in the database, and moves one to another row.
func TestValuesAreSealed(t *testing.T) {
	w := newWorld(t, Properties{})
	const value = "TheCakeIsALie"
	a, b := w.set("a", value, Change{}), w.set("b", value, Change{})
	w.must(func(tx *store.Tx) error {
		var sealed []byte
		if err := tx.QueryRow(`SELECT value FROM secret_versions WHERE version = $1`, a.Version).Scan(&sealed); err != nil {
			return err
		}
		if strings.Contains(string(sealed), value) {
			t.Error("the value is in the clear")
		}
		if _, err := tx.Exec(`UPDATE secret_versions SET value = $1 WHERE version = $2`, sealed, b.Version); err != nil {
			return err
		}
		if _, err := GetSecret(tx, w.root, w.kv, "b", ""); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a value that was moved gives %v", err)
		}
		return nil
	})
}

func TestLimits(t *testing.T) {
	w := newWorld(t, Properties{})
	tags := func(n, name, value int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("%0*d", name, i)] = strings.Repeat("é", value)
		}
		return m
	}
	at := func(unix int64) *time.Time { return ptr(time.Unix(unix, 0)) }
	for _, c := range []struct {
		what, name, value string
		change            Change
		code              string
	}{
		{"the longest name", strings.Repeat("n", MaxName), "", Change{}, ""},
		{"a name too long", strings.Repeat("n", MaxName+1), "", Change{}, CodeBadParameter},
		{"no name", "", "", Change{}, CodeBadParameter},
		{"a dot", "a.b", "", Change{}, CodeBadParameter},
		{"a slash", "a/b", "", Change{}, CodeBadParameter},
		{"a line end", "a\n", "", Change{}, CodeBadParameter},
		{"the largest value", "v", strings.Repeat("é", MaxValue/2), Change{}, ""},
		{"a value too large", "v", strings.Repeat("v", MaxValue+1), Change{}, CodeBadParameter},
		{"the longest content type", "c", "", Change{ContentType: ptr(strings.Repeat("é", MaxContentType))}, ""},
		{"a content type too long", "c", "", Change{ContentType: ptr(strings.Repeat("c", MaxContentType+1))}, CodeBadParameter},
		{"the most and longest tags", "t", "", Change{Tags: tags(MaxTags, MaxTagName, MaxTagValue)}, ""},
		{"one tag too many", "t", "", Change{Tags: tags(MaxTags+1, 2, 1)}, CodeBadParameter},
		{"a tag's name too long", "t", "", Change{Tags: tags(1, MaxTagName+1, 1)}, CodeBadParameter},
		{"a tag's value too long", "t", "", Change{Tags: tags(1, 1, MaxTagValue+1)}, CodeBadParameter},
		{"the last second", "e", "", Change{NotBefore: at(0), Expires: at(253402300799)}, ""},
		{"after the last second", "e", "", Change{Expires: at(253402300800)}, CodeBadParameter},
		{"before the first second", "e", "", Change{NotBefore: at(-1)}, CodeBadParameter},
	} {
		var set error
		err := w.db.Update(t.Context(), func(tx *store.Tx) error {
			_, set = SetSecret(tx, w.root, w.kv, c.name, c.value, c.change)
			return set
		})
		if codeOf(err) != c.code {
			t.Errorf("%s gives %v", c.what, err)
		}
		if c.code == "" || c.value != "" || CheckSecretName(c.name) != nil {
			continue
		}
		w.set(c.name, "", Change{})
		err = w.db.Update(t.Context(), func(tx *store.Tx) error { _, err := UpdateSecret(tx, w.kv, c.name, "", c.change); return err })
		if codeOf(err) != c.code {
			t.Errorf("%s in an update gives %v", c.what, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t, Properties{})
	old := w.set("s", "old", Change{ContentType: ptr("text"), Tags: map[string]string{"a": "b"}})
	w.set("s", "new", Change{})
	w.clock.Advance(time.Hour)
	update := func(version string, c Change) (s *Secret, err error) {
		err = w.db.Update(t.Context(), func(tx *store.Tx) (err error) { s, err = UpdateSecret(tx, w.kv, "S", version, c); return err })
		return s, err
	}
	get := func(version string) (s *Secret, err error) {
		err = w.db.View(t.Context(), func(tx *store.Tx) (err error) { s, err = GetSecret(tx, w.root, w.kv, "s", version); return err })
		return s, err
	}
	s, err := update(old.Version, Change{Tags: map[string]string{}})
	if err != nil || s.Value != "" || *s.ContentType != "text" || !s.UpdatedAt.Equal(w.clock.Now()) || !s.CreatedAt.Equal(old.CreatedAt) {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err = get(old.Version); err != nil || s.Tags == nil || len(s.Tags) != 0 || s.Value != "old" {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err = update("", Change{Enabled: ptr(false), Tags: map[string]string{"c": "d"}}); err != nil || s.Enabled || s.Version == old.Version {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err = get(""); codeOf(err) != CodeSecretDisabled || !fault.Is(err, fault.Forbidden) {
		t.Errorf("a disabled version gives %v", err)
	}
	if _, err = get(old.Version); err != nil {
		t.Errorf("the other version gives %v", err)
	}
	if _, err = update("", Change{Enabled: ptr(true), ContentType: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	if s, err = get(""); err != nil || s.Tags["c"] != "d" || *s.ContentType != "x" || s.Value != "new" {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err = update("none", Change{}); codeOf(err) != CodeSecretNotFound {
		t.Errorf("a missing version gives %v", err)
	}
}

func TestLists(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		w := inStore(t, fresh(t), Properties{})
		for i := range 26 {
			w.set(fmt.Sprintf("S-%02d", i), "", Change{})
		}
		type lister func(tx *store.Tx, p Page) ([]*Secret, string, error)
		secrets := func(tx *store.Tx, p Page) ([]*Secret, string, error) { return ListSecrets(tx, w.kv, p) }
		list := func(l lister, p Page) (names []string, next string) {
			t.Helper()
			w.must(func(tx *store.Tx) error {
				page, n, err := l(tx, p)
				names, next = nil, n
				for _, s := range page {
					names = append(names, s.Name)
				}
				return err
			})
			return names, next
		}
		names, next := list(secrets, Page{Max: MaxPage})
		if len(names) != 25 || next == "" || names[0] != "S-00" {
			t.Errorf("the first page is %v, then %q", names, next)
		}
		if names, next = list(secrets, Page{Max: MaxPage, Token: next}); len(names) != 1 || next != "" {
			t.Errorf("the second page is %v, then %q", names, next)
		}
		// What comes and goes between two pages neither skips nor repeats another.
		_, next = list(secrets, Page{Max: 10})
		w.set("S-05a", "", Change{})
		w.must(func(tx *store.Tx) error {
			for _, gone := range []string{"s-03", "s-09", "s-10"} {
				if _, err := DeleteSecret(tx, w.kv, gone); err != nil {
					return err
				}
			}
			return nil
		})
		if names, _ = list(secrets, Page{Max: 2, Token: next}); strings.Join(names, " ") != "S-11 S-12" {
			t.Errorf("the list goes on with %v", names)
		}
		deleted := func(tx *store.Tx, p Page) ([]*Secret, string, error) { return ListDeletedSecrets(tx, w.kv, p) }
		names, next = list(deleted, Page{Max: 2})
		rest, last := list(deleted, Page{Max: 2, Token: next})
		if strings.Join(append(names, rest...), " ") != "S-03 S-09 S-10" || last != "" {
			t.Errorf("deleted are %v and %v", names, rest)
		}
		for _, p := range []Page{{Max: 0}, {Max: 26}, {Max: -1}, {Max: 1, Token: "x"}, {Max: 1, Token: next}} {
			err := w.db.View(t.Context(), func(tx *store.Tx) error { _, _, err := secrets(tx, p); return err })
			if codeOf(err) != CodeBadParameter {
				t.Errorf("%+v gives %v", p, err)
			}
		}
	})
}

func TestListVersions(t *testing.T) {
	w := newWorld(t, Properties{})
	var want, got []string
	for range 7 {
		want = append(want, w.set("s", "", Change{}).Version)
	}
	w.set("t", "", Change{})
	p := Page{Max: 3}
	for {
		w.must(func(tx *store.Tx) error {
			page, next, err := ListSecretVersions(tx, w.kv, "S", p)
			for _, s := range page {
				got = append(got, s.Version)
			}
			p.Token = next
			return err
		})
		if p.Token == "" {
			break
		}
		want = append(want, w.set("s", "", Change{}).Version)
		if len(want) > 50 {
			t.Fatal("the list does not end")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	w.must(func(tx *store.Tx) error {
		if page, _, err := ListSecretVersions(tx, w.kv, "none", Page{Max: 3}); err != nil || len(page) != 0 {
			t.Errorf("a missing secret gives %v, %v", page, err)
		}
		return nil
	})
}

func FuzzPageToken(f *testing.F) {
	for _, s := range []string{"", "e30", "eyJsaXN0Ijoic2VjcmV0cyIsImFmdGVyIjoiYSJ9", "%", "bnVsbA", "eyJhZnRlciI6MX0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		after, err := Page{Max: 1, Token: token}.after("secrets")
		if err != nil && codeOf(err) != CodeBadParameter {
			t.Errorf("%q gives %v", token, err)
		}
		if err == nil && token != "" && (after == "" || len(after) > MaxName) {
			t.Errorf("%q goes on after %q", token, after)
		}
	})
}
