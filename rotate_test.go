package midas_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"midas"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/seal"
)

// dataKeys reads the sealed data keys past the server.
func dataKeys(t *testing.T, dir string) (all []seal.Sealed) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "midas.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT id, data_key FROM vaults`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		s := seal.Sealed{At: seal.Binding{Table: "vaults", Column: "data_key"}}
		if err := rows.Scan(&s.At.Row, &s.Ciphertext); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// opened says how many of them a root key opens.
func opened(t *testing.T, path string, all []seal.Sealed) (n int) {
	t.Helper()
	root, err := seal.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if _, err := root.Open(s.Ciphertext, s.At); err == nil {
			n++
		}
	}
	return n
}

// TestRotateSeal rotates while secrets are read and written, is cut short and
// continues after a restart. The old root key opens nothing of what is there
// afterwards.
func TestRotateSeal(t *testing.T) {
	c := config(dataDir(t))
	s, stop := start(t, c)
	o := operate(t, s)
	const vaults = 120 // more than two batches
	uris := make([]string, vaults)
	for i := range uris {
		uris[i] = o.makeVault(fmt.Sprintf("kv-rotate-%d", i), 7)
	}
	o.must(http.MethodPut, uris[0]+"secrets/s?api-version=7.4", object{"value": "before"}, nil)
	old := filepath.Join(t.TempDir(), "root.key")
	key, err := os.ReadFile(filepath.Join(c.DataDir, "root.key"))
	if err == nil {
		err = os.WriteFile(old, key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}

	// It ends after a quarter.
	ctx, end := context.WithCancel(t.Context())
	defer end()
	if _, err := s.Reseal(ctx, func(p control.Resealed) {
		if p.Resealed > p.Total/4 {
			end()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Fatalf("it was cut short and says %v", err)
	}
	stop()
	half := opened(t, old, dataKeys(t, c.DataDir))
	if half == 0 || half == vaults {
		t.Fatalf("it was not cut short: the old key opens %d of %d", half, vaults)
	}

	s, stop = start(t, c)
	o = operate(t, s)
	var secret struct{ Value string }
	o.must(http.MethodGet, uris[0]+"secrets/s?api-version=7.4", nil, &secret)
	if secret.Value != "before" {
		t.Errorf("half-way it reads %q", secret.Value)
	}
	finished, err := o.control.RotateSeal(t.Context(), func(control.Resealed) {})
	if err != nil || finished.NewKey || finished.Resealed != int64(half) {
		t.Errorf("the second run: %+v, %v; %d were left", finished, err, half)
	}
	if n := opened(t, old, dataKeys(t, c.DataDir)); n != 0 {
		t.Errorf("the old root key opens %d of %d", n, vaults)
	}

	// Once more, and this time the cloud is busy.
	enough, busy := make(chan struct{}), sync.WaitGroup{}
	token := o.vaultToken()
	for w := range 4 {
		busy.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-enough:
					return
				default:
				}
				url := fmt.Sprintf("%ssecrets/w-%d?api-version=7.4", uris[(w*31+n)%vaults], w)
				if status, answer := o.send(http.MethodPut, url, token, object{"value": "during"}); status != http.StatusOK {
					t.Errorf("%d %s", status, answer)
				}
				if status, answer := o.send(http.MethodGet, url, token, nil); status != http.StatusOK || !strings.Contains(string(answer), `"during"`) {
					t.Errorf("%d %s", status, answer)
				}
			}
		})
	}
	steps := int64(0)
	again, err := o.control.RotateSeal(t.Context(), func(p control.Resealed) {
		if p.Resealed <= steps || !p.NewKey {
			t.Errorf("after %d comes %+v", steps, p)
		}
		steps = p.Resealed
	})
	close(enough)
	busy.Wait()
	if err != nil || !again.NewKey || again.Resealed != again.Total || again.Total < vaults+3 {
		t.Errorf("the third run: %+v, %v", again, err)
	}
	if report, err := o.control.Verify(t.Context()); err != nil || !report.OK() {
		t.Errorf("%+v, %v", report, err)
	}
	o.must(http.MethodGet, uris[0]+"secrets/s?api-version=7.4", nil, &secret)
	if secret.Value != "before" {
		t.Errorf("at the end it reads %q", secret.Value)
	}
	stop()

	// With the old key in its place nothing starts, and says why.
	if err := os.WriteFile(filepath.Join(c.DataDir, "root.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := midas.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "does not open this data") {
		t.Errorf("with the old root key: %v", err)
	}
}

func TestRotateSealRefuses(t *testing.T) {
	c := config(dataDir(t))
	c.RootKey = seal.Generate()
	s, _ := start(t, c)
	if _, err := control.Dial(s.Status().ControlSocket).RotateSeal(t.Context(), nil); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("a key from the environment: %v", err)
	}
	c = config(dataDir(t))
	s, _ = start(t, c)
	if err := os.WriteFile(filepath.Join(c.DataDir, "root.key"), []byte(seal.Generate()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Dial(s.Status().ControlSocket).RotateSeal(t.Context(), nil); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "changed by somebody else") {
		t.Errorf("a key that was exchanged: %v", err)
	}
}
