package storetest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestConformance is the suite that both engines pass.
func TestConformance(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		for name, test := range map[string]func(*testing.T, *store.DB){
			"an update is seen by a view":               updateIsSeen,
			"a failed update leaves nothing":            failedUpdateLeavesNothing,
			"a view cannot write":                       viewCannotWrite,
			"no update is lost":                         noLostUpdate,
			"constraints are faults":                    constraintsAreFaults,
			"values keep their type":                    valuesKeepTheirType,
			"the dialect both speak":                    commonDialect,
			"the epoch moves with a committed change":   epochMoves,
			"a transaction has one time":                oneTime,
			"a canceled context ends a transaction":     canceled,
			"a view is one consistent state":            consistentView,
			"a closed store refuses":                    closedRefuses,
			"what is remembered is never stale":         memoIsNeverStale,
			"an unknown table is an error, not a fault": unknownTable,
		} {
			t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
		}
	})
}

func update(t *testing.T, db *store.DB, f func(*store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func setting(t *testing.T, db *store.DB, name string) (v string) {
	t.Helper()
	if err := db.View(t.Context(), func(tx *store.Tx) (err error) { v, err = tx.Setting(name); return err }); err != nil {
		t.Fatal(err)
	}
	return v
}

func updateIsSeen(t *testing.T, db *store.DB) {
	update(t, db, func(tx *store.Tx) error { return tx.SetSetting("a", "1") })
	update(t, db, func(tx *store.Tx) error { return tx.SetSetting("a", "2") })
	if v := setting(t, db, "a"); v != "2" {
		t.Errorf("got %q", v)
	}
}

func failedUpdateLeavesNothing(t *testing.T, db *store.DB) {
	sentinel := errors.New("no")
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.SetSetting("a", "1"); err != nil {
			return err
		}
		tx.Changed(store.Vaults)
		return sentinel
	})
	if !errors.Is(err, sentinel) {
		t.Errorf("the error is %v", err)
	}
	if v := setting(t, db, "a"); v != "" || db.Epoch(store.Vaults) != 0 {
		t.Errorf("a failed update left %q, epoch %d", v, db.Epoch(store.Vaults))
	}
}

func viewCannotWrite(t *testing.T, db *store.DB) {
	if err := db.View(t.Context(), func(tx *store.Tx) error { return tx.SetSetting("a", "1") }); err == nil {
		t.Error("a view wrote")
	}
}

func noLostUpdate(t *testing.T, db *store.DB) {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := db.Update(t.Context(), func(tx *store.Tx) error {
					v, err := tx.Setting("n")
					if err != nil {
						return err
					}
					return tx.SetSetting("n", v+".")
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(setting(t, db, "n")); n != writers*each {
		t.Errorf("%d updates of %d are there", n, writers*each)
	}
}

func constraintsAreFaults(t *testing.T, db *store.DB) {
	insert := func(id, domain string) error {
		return db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO tenants (id, display_name, domain, domain_key, created_at) VALUES ($1, 'x', $2, $2, 0)`, id, domain)
			return err
		})
	}
	if err := insert("t1", "d1"); err != nil {
		t.Fatal(err)
	}
	if err := insert("t1", "d2"); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second primary key gives %v", err)
	}
	if err := insert("t2", "d1"); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second unique value gives %v", err)
	}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO subscriptions (id, tenant_id, display_name, state, created_at) VALUES ('s', 'nowhere', 'x', 'Enabled', 0)`)
		return err
	})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("a reference to nothing gives %v", err)
	}
}

func valuesKeepTheirType(t *testing.T, db *store.DB) {
	blob := []byte{0, 1, 0xff, '\''}
	update(t, db, func(tx *store.Tx) error {
		if err := insertTenantAndApp(tx); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO credentials (key_id, app_id, kind, display_name, hint, secret_hash, start_at, end_at) VALUES ($1, 'app', 'password', $2, NULL, $3, $4, $5)`,
			"k", "née ☃", blob, int64(-1), int64(1)<<60)
		return err
	})
	err := db.View(t.Context(), func(tx *store.Tx) error {
		var (
			name       string
			hint       sql.Null[string]
			hash       []byte
			start, end int64
		)
		if err := tx.QueryRow(`SELECT display_name, hint, secret_hash, start_at, end_at FROM credentials WHERE key_id = $1`, "k").Scan(&name, &hint, &hash, &start, &end); err != nil {
			return err
		}
		if name != "née ☃" || hint.Valid || string(hash) != string(blob) || start != -1 || end != 1<<60 {
			t.Errorf("got %q %v %v %d %d", name, hint, hash, start, end)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE credentials SET end_at = 'never'`)
		return err
	}); err == nil {
		t.Error("a text was taken for a number")
	}
}

func insertTenantAndApp(tx *store.Tx) error {
	if _, err := tx.Exec(`INSERT INTO tenants (id, display_name, domain, domain_key, created_at) VALUES ('t', 'x', 'd', 'd', 0)`); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO applications (app_id, object_id, tenant_id, display_name, token_version, created_at) VALUES ('app', 'o', 't', 'x', 1, 0)`)
	return err
}

// commonDialect walks the forms that the rooms above rely on.
func commonDialect(t *testing.T, db *store.DB) {
	update(t, db, func(tx *store.Tx) error {
		for i := range 5 {
			if err := tx.SetSetting(fmt.Sprintf("row/%d", i), fmt.Sprint(i)); err != nil {
				return err
			}
		}
		var got string
		if err := tx.QueryRow(`INSERT INTO settings (value, name) VALUES ($2, $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE settings.value <> excluded.value RETURNING value`, "row/0", "changed").Scan(&got); err != nil || got != "changed" {
			return fmt.Errorf("upsert returning: %q, %w", got, err)
		}
		return nil
	})
	err := db.View(t.Context(), func(tx *store.Tx) error {
		text := func(scan func(...any) error) (s string, err error) { return s, scan(&s) }
		page, err := store.Collect(tx, text, `SELECT name FROM settings WHERE (name, value) > ($1, $2) AND name LIKE $3 ESCAPE '\' ORDER BY name, value LIMIT 2`, "row/1", "1", `row/%`)
		if err != nil {
			return err
		}
		if strings.Join(page, " ") != "row/2 row/3" {
			t.Errorf("row-value paging gives %v", page)
		}
		chain, err := store.Collect(tx, text, `WITH RECURSIVE up (n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n - 1 FROM up WHERE n > 1) SELECT CAST(n AS TEXT) FROM up ORDER BY n`, 3)
		if err != nil {
			return err
		}
		if strings.Join(chain, " ") != "1 2 3" {
			t.Errorf("a recursive query gives %v", chain)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func epochMoves(t *testing.T, db *store.DB) {
	before := db.Epoch(store.Directory)
	update(t, db, func(tx *store.Tx) error { tx.Changed(store.Directory); return tx.SetSetting("a", "b") })
	if db.Epoch(store.Directory) == before || db.Epoch(store.Keys) != 0 {
		t.Error("the epoch of the topic, and only it, should have moved")
	}
}

func oneTime(t *testing.T, db *store.DB) {
	update(t, db, func(tx *store.Tx) error {
		if again := store.Time(store.Micros(tx.Now)); !again.Equal(tx.Now) || tx.Now.IsZero() {
			t.Errorf("the time %v comes back as %v", tx.Now, again)
		}
		return nil
	})
}

func canceled(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting("a", "1"); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if err == nil || setting(t, db, "a") != "" {
		t.Errorf("a canceled update gives %v and %q", err, setting(t, db, "a"))
	}
}

func consistentView(t *testing.T, db *store.DB) {
	update(t, db, func(tx *store.Tx) error { return tx.SetSetting("a", "old") })
	err := db.View(t.Context(), func(tx *store.Tx) error {
		first, err := tx.Setting("a")
		if err != nil {
			return err
		}
		update(t, db, func(other *store.Tx) error { return other.SetSetting("a", "new") })
		second, err := tx.Setting("a")
		if first != "old" || second != "old" {
			t.Errorf("one view saw %q, then %q", first, second)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func closedRefuses(t *testing.T, db *store.DB) {
	update(t, db, func(tx *store.Tx) error { return tx.SetSetting("a", "1") })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(tx *store.Tx) error { _, err := tx.Setting("a"); return err }
	for name, do := range map[string]func(context.Context, func(*store.Tx) error) error{"view": db.View, "update": db.Update} {
		if err := do(t.Context(), read); err == nil {
			t.Errorf("a %s of a closed store succeeds", name)
		}
	}
	if err := db.Close(); err != nil {
		t.Errorf("closing again gives %v", err)
	}
}

// memoIsNeverStale moves a right and a secret behind it, and holds that no
// view takes the right from before together with the secret from after.
func memoIsNeverStale(t *testing.T, db *store.DB) {
	type key struct{}
	set := func(name, value string) {
		update(t, db, func(tx *store.Tx) error { tx.Changed(store.Roles); return tx.SetSetting(name, value) })
	}
	set("right", "yes")
	set("secret", "old")
	works := 0
	look := func(tx *store.Tx) (right, secret string, err error) {
		if right, err = store.Memo(tx, key{}, func() (string, error) { works++; return tx.Setting("right") }, store.Roles); err != nil {
			return "", "", err
		}
		secret, err = tx.Setting("secret")
		return right, secret, err
	}
	view := func(between func()) (right, secret string) {
		t.Helper()
		err := db.View(t.Context(), func(tx *store.Tx) (err error) {
			if between != nil {
				between()
				between = nil
			}
			right, secret, err = look(tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return right, secret
	}
	view(nil)
	view(nil)
	if works != 1 {
		t.Errorf("it was worked out %d times", works)
	}
	right, secret := view(func() { set("right", "no"); set("secret", "new") })
	if right == "yes" && secret == "new" {
		t.Error("an old right was taken with a new secret")
	}
	if right, _ := view(nil); right != "no" {
		t.Errorf("the right is still %q", right)
	}
	// A transaction sees its own change, and one that fails leaves no trace.
	sentinel := errors.New("no")
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		tx.Changed(store.Roles)
		if err := tx.SetSetting("right", "mine"); err != nil {
			return err
		}
		if right, _, err := look(tx); err != nil || right != "mine" {
			t.Errorf("within the change the right is %q, %v", right, err)
		}
		return sentinel
	})
	if right, _ := view(nil); !errors.Is(err, sentinel) || right != "no" {
		t.Errorf("after a failed change the right is %q, %v", right, err)
	}
}

func unknownTable(t *testing.T, db *store.DB) {
	err := db.View(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Query(`SELECT x FROM nowhere`)
		return err
	})
	if _, isFault := errors.AsType[*fault.Error](err); err == nil || isFault {
		t.Errorf("got %v", err)
	}
}

// TestReopen holds that data outlives the process and that a newer schema is refused.
func TestReopen(t *testing.T) {
	c := store.Config{Path: filepath.Join(t.TempDir(), "a b#c%.db"), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	db, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *store.Tx) error { return tx.SetSetting("a", "kept") })
	db.Close()
	if logs, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Path), "*-wal")); len(logs) > 0 {
		t.Errorf("the log is still there: %v", logs)
	}
	if db, err = store.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if v := setting(t, db, "a"); v != "kept" {
		t.Errorf("got %q", v)
	}
	update(t, db, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO schema_migrations (version, name, hash, applied_at) VALUES (9999, 'future', '', 0)`)
		return err
	})
	db.Close()
	if _, err = store.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("a newer schema gives %v", err)
	}
}

// TestReplicasFollowEachOther holds that what one server changes is not
// remembered by another.
func TestReplicasFollowEachOther(t *testing.T) {
	one, two := storetest.Replicas(t, storetest.StartPostgres(t))
	before := two.Epoch(store.Vaults)
	update(t, one, func(tx *store.Tx) error { tx.Changed(store.Vaults); return tx.SetSetting("a", "1") })
	for two.Epoch(store.Vaults) == before {
		runtime.Gosched() // the test's own limit ends a wait for nothing
	}
	if v := setting(t, two, "a"); v != "1" {
		t.Errorf("the other replica reads %q", v)
	}
}

// TestOneReplicaDoesATask holds that two servers do not do one task at a time.
func TestOneReplicaDoesATask(t *testing.T) {
	one, two := storetest.Replicas(t, storetest.StartPostgres(t))
	alone := func(db *store.DB, task int64, want bool, then func()) {
		t.Helper()
		update(t, db, func(tx *store.Tx) error {
			got, err := tx.Alone(task)
			if got != want {
				t.Errorf("alone with task %d: %v", task, got)
			}
			if then != nil {
				then()
			}
			return err
		})
	}
	alone(one, 1, true, func() {
		alone(two, 1, false, nil)
		alone(two, 2, true, nil)
	})
	alone(two, 1, true, nil)
}
