package directory

import (
	"context"
	"encoding/base64"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"

	"midas/internal/fault"
)

func TestPasswords(t *testing.T) {
	hash, err := HashPassword(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	again, err := HashPassword(t.Context(), "correct horse battery")
	if err != nil || hash == again || !strings.HasPrefix(string(hash), "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(string(hash), "horse") {
		t.Errorf("%s, %s, %v", hash, again, err)
	}
	// One that was made with other parameters, before they were changed.
	other, err := UserHash("$argon2id$v=19$m=1024,t=3,p=2$c29tZXNhbHRzb21lc2FsdA$"+sumWith(t, "correct horse battery", "somesaltsomesalt", cost{1024, 3, 2})).Matches(t.Context(), "correct horse battery")
	if !other || err != nil {
		t.Errorf("other parameters: %v, %v", other, err)
	}
	for given, want := range map[string]bool{"correct horse battery": true, "correct horse batter": false, "": false, "Correct horse battery": false, strings.Repeat("x", 100_000): false} {
		if got, err := hash.Matches(t.Context(), given); got != want || err != nil {
			t.Errorf("%.30q: %v, %v", given, got, err)
		}
	}
	if got, err := UserHash("").Matches(t.Context(), "anything"); got || err != nil {
		t.Errorf("nobody's password matches: %v", err)
	}
	for _, weak := range []string{"", "seven77", strings.Repeat("x", 257), "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"} {
		if _, err := HashPassword(t.Context(), weak); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %v", weak, err)
		}
	}
	for range 100 {
		if p := NewUserPassword(); len(p) != 23 || strings.ContainsAny(p, "01lo") {
			t.Errorf("%q", p)
		}
	}
}

// TestPasswordHashes refuses hashes that are not ours to compute.
func TestPasswordHashes(t *testing.T) {
	for _, bad := range []UserHash{
		"x", "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAA", "$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHQ$AAAA", "$argon2id$v=19$m=19456,t=2$c29tZXNhbHQ$AAAA",
		UserHash("$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + strings.Repeat("A", 43)), UserHash("$argon2id$v=19$m=1024,t=99,p=1$c29tZXNhbHRzb21lc2FsdA$" + strings.Repeat("A", 43)),
		UserHash("$argon2id$v=19$m=0,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + strings.Repeat("A", 43)), "$argon2id$v=19$m=19456,t=2,p=1$!$!",
	} {
		if ok, err := bad.Matches(t.Context(), "x"); ok || !errors.Is(err, errHash) {
			t.Errorf("%s: %v, %v", bad, ok, err)
		}
	}
}

// TestPasswordsAtOnce: who comes when too many wait is sent away, and who
// gives up makes room.
func TestPasswordsAtOnce(t *testing.T) {
	for range cap(hashing) {
		hashing <- struct{}{}
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range cap(waiting) {
		all.Go(func() {
			if _, err := UserHash("").Matches(ctx, "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("a guess that waits: %v", err)
			}
		})
	}
	for len(waiting) < cap(waiting) { // until all of them wait
		runtime.Gosched()
	}
	if _, err := UserHash("").Matches(t.Context(), "x"); !fault.Is(err, fault.Throttled) {
		t.Errorf("one too many: %v", err)
	}
	stop()
	all.Wait()
	for range cap(hashing) {
		<-hashing
	}
	if _, err := UserHash("").Matches(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		registered, given string
		want              bool
	}{
		{"http://localhost", "http://localhost:8400", true},
		{"http://localhost", "http://localhost:8400/", true},
		{"http://localhost", "http://localhost/", true},
		{"http://localhost/cb", "http://localhost:1/cb", true},
		{"http://127.0.0.1", "http://127.0.0.1:5/", true},
		{"https://app.example/cb", "https://app.example/cb", true},
		{"notes://auth", "notes://auth", true},
		{"http://localhost", "http://localhost/other", false},
		{"http://localhost", "http://127.0.0.1", false},
		{"http://localhost", "https://localhost", false},
		{"http://localhost", "http://localhost?x=1", false},
		{"http://localhost", "http://localhost#x", false},
		{"http://localhost", "http://user@localhost", false},
		{"http://localhost", "http://localhost.example", false},
		{"http://localhost", "http://localhost:80@evil.example", false},
		{"http://localhost", "http://localhost:8x", false},
		{"https://app.example/cb", "https://app.example:444/cb", false},
		{"https://app.example/cb", "https://app.example/cb/", false},
		{"https://app.example/cb", "https://APP.example/cb", false},
		{"https://app.example/cb", "https://app.example/cb?x", false},
		{"https://app.example/cb", "//app.example/cb", false},
		{"https://app.example/cb", "", false},
	} {
		if got := (Redirect{PublicClient, c.registered}).Allows(c.given); got != c.want {
			t.Errorf("%s allows %s: %v", c.registered, c.given, got)
		}
	}
}

func TestRedirectsThatMustNotBe(t *testing.T) {
	for _, r := range []Redirect{
		{Web, "http://app.example/"}, {Web, "javascript:alert(1)"}, {PublicClient, "javascript:alert(1)"}, {PublicClient, "data:text/html,x"}, {Web, "notes://auth"}, {Web, "/relative"},
		{Web, ""}, {Web, "https://app.example/#x"}, {Web, "https://user@app.example/"}, {Web, "https:///x"}, {Web, "https://*.example/"}, {Web, "https://a.example/; script-src *"}, {"desktop", "https://app.example/"},
		{Web, "https://app.example/" + strings.Repeat("x", 256)},
	} {
		if err := r.check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: %v", r, err)
		}
	}
	for _, r := range []Redirect{{Web, "https://app.example/cb?x=1"}, {Web, "http://localhost:3000/cb"}, {PublicClient, "http://[::1]/"}, {PublicClient, "notes://auth"}, {PublicClient, "msal123://auth"}} {
		if err := r.check(); err != nil {
			t.Errorf("%v: %v", r, err)
		}
	}
}

// FuzzRedirect: nothing but the port of a loopback address is free.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"http://localhost:1", "http://localhost@evil", "http://localhost\\@evil", "http://[::1", "//localhost", "http://localhost%2f.evil"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		if !(Redirect{PublicClient, "http://localhost"}).Allows(given) {
			return
		}
		rest := strings.TrimSuffix(strings.TrimPrefix(given, "http://localhost"), "/")
		rest = strings.TrimPrefix(rest, ":")
		if !strings.HasPrefix(given, "http://localhost") || strings.Trim(rest, "0123456789") != "" {
			t.Errorf("%q is allowed", given)
		}
	})
}

// FuzzUserHash: no text makes more work than we allow.
func FuzzUserHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + strings.Repeat("A", 43))
	f.Add("$argon2id$v=19$m=-1,t=2,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		c, salt, sum, err := UserHash(s).parse()
		if err == nil && (c.memory > 256<<10 || c.memory == 0 || c.passes == 0 || c.passes > 16 || c.lanes == 0 || len(salt) < 8 || len(sum) != hashLength) {
			t.Errorf("%q is taken: %+v", s, c)
		}
	})
}

// sumWith is a hash by the library alone.
func sumWith(t *testing.T, password, salt string, c cost) string {
	t.Helper()
	return base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(password), []byte(salt), c.passes, c.memory, c.lanes, hashLength))
}
