package vault

import (
	"testing"
	"time"

	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// do is one step of a secret's life, by its code: "" for a success.
func (w *world) do(what, name string) string {
	w.Helper()
	return codeOf(w.db.Update(w.Context(), func(tx *store.Tx) (err error) {
		switch what {
		case "set":
			_, err = SetSecret(tx, w.root, w.kv, name, "x", Change{})
		case "get":
			_, err = GetSecret(tx, w.root, w.kv, name, "")
		case "update":
			_, err = UpdateSecret(tx, w.kv, name, "", Change{})
		case "delete":
			_, err = DeleteSecret(tx, w.kv, name)
		case "get deleted":
			_, err = GetDeletedSecret(tx, w.kv, name)
		case "recover":
			_, err = RecoverSecret(tx, w.kv, name)
		case "purge":
			err = PurgeSecret(tx, w.kv, name)
		}
		return err
	}))
}

func TestSoftDelete(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		w := inStore(t, fresh(t), Properties{})
		for i, c := range []struct{ what, code string }{
			{"delete", CodeSecretNotFound}, {"recover", CodeSecretNotFound}, {"purge", CodeSecretNotFound}, {"get deleted", CodeSecretNotFound},
			{"set", ""}, {"set", ""}, {"get deleted", CodeSecretNotFound}, {"recover", CodeSecretNotFound}, {"purge", CodeSecretNotFound},
			{"delete", ""}, {"delete", CodeSecretNotFound}, {"get", CodeSecretNotFound}, {"update", CodeSecretNotFound}, {"get deleted", ""},
			{"set", CodeDeletedButRecoverable}, {"recover", ""}, {"get", ""}, {"set", ""}, {"delete", ""}, {"purge", ""},
			{"get deleted", CodeSecretNotFound}, {"recover", CodeSecretNotFound}, {"set", ""}, {"get", ""},
		} {
			name := []string{"s", "S"}[i%2]
			if got := w.do(c.what, name); got != c.code {
				t.Fatalf("step %d, %s: %q, want %q", i, c.what, got, c.code)
			}
		}
		w.must(func(tx *store.Tx) error {
			if page, _, err := ListSecretVersions(tx, w.kv, "s", Page{Max: 25}); err != nil || len(page) != 1 {
				t.Errorf("a secret that was purged and set again has %d versions, %v", len(page), err)
			}
			return nil
		})
	})
}

func TestRetention(t *testing.T) {
	w := newWorld(t, Properties{SoftDeleteRetentionInDays: ptr(7)})
	for _, name := range []string{"seen", "again", "kept"} {
		w.set(name, "", Change{})
	}
	var s *Secret
	w.must(func(tx *store.Tx) (err error) { s, err = DeleteSecret(tx, w.kv, "seen"); return err })
	if !s.DeletedAt.Equal(w.clock.Now()) || s.PurgeAt.Sub(s.DeletedAt) != 7*24*time.Hour {
		t.Errorf("deleted %v, purged %v", s.DeletedAt, s.PurgeAt)
	}
	w.do("delete", "again")
	w.clock.Advance(7*24*time.Hour - time.Microsecond)
	if got := w.do("get deleted", "seen"); got != "" {
		t.Errorf("just before the end: %s", got)
	}
	w.clock.Advance(time.Microsecond)
	for _, what := range []string{"get deleted", "recover", "purge"} {
		if got := w.do(what, "seen"); got != CodeSecretNotFound {
			t.Errorf("%s after the end: %q", what, got)
		}
	}
	if got := w.do("set", "again"); got != "" {
		t.Errorf("the name is not free: %s", got)
	}
	w.must(func(tx *store.Tx) error {
		if n, err := PurgeExpired(tx); n != 1 || err != nil {
			t.Errorf("purged %d, %v", n, err)
		}
		var left int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM secret_versions`).Scan(&left); err != nil || left != 2 {
			t.Errorf("%d versions are left, %v", left, err)
		}
		return nil
	})
}

func TestPurgeProtection(t *testing.T) {
	w := newWorld(t, Properties{EnablePurgeProtection: ptr(true)})
	w.do("set", "s")
	w.do("delete", "s")
	err := w.db.Update(t.Context(), func(tx *store.Tx) error { return PurgeSecret(tx, w.kv, "s") })
	if !fault.Is(err, fault.Forbidden) {
		t.Errorf("a purge gives %v", err)
	}
	if got := w.do("recover", "s"); got != "" {
		t.Errorf("the secret is gone: %s", got)
	}
}

// TestDisabledAndDeleted holds that deleting does not look at enabled, and
// reading what was deleted does.
func TestDisabledAndDeleted(t *testing.T) {
	w := newWorld(t, Properties{})
	w.set("s", "", Change{Enabled: ptr(false)})
	for _, c := range []struct{ what, code string }{{"get", CodeSecretDisabled}, {"update", ""}, {"delete", ""}, {"get deleted", CodeSecretDisabled}, {"recover", ""}} {
		if got := w.do(c.what, "s"); got != c.code {
			t.Errorf("%s: %q", c.what, got)
		}
	}
}
