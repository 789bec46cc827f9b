package vault

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/resource"
	"midas/internal/store"
)

// scaled is the name of the secret with a number, in the order of the numbers.
func scaled(i int) string { return fmt.Sprintf("Secret-%06d", i) }

// fill sets secrets 0 to n-1 in a vault, many in a transaction.
func (w *world) fill(v *Vault, n int) {
	const each = 10_000
	for from := 0; from < n; from += each {
		w.must(func(tx *store.Tx) error {
			for i := from; i < min(from+each, n); i++ {
				if _, err := SetSecret(tx, w.root, v, scaled(i), "TheCakeIsALie", Change{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// fillVaults makes vaults in one transaction.
func (w *world) fillVaults(n int) {
	w.must(func(tx *store.Tx) error {
		for i := range n {
			name := fmt.Sprintf("Scale-%04d", i)
			id := vaultID(w, name)
			if err := resource.Put(tx, &resource.Resource{ID: id, Location: "eastus", Properties: json.RawMessage(`{}`)}); err != nil {
				return err
			}
			if err := Create(tx, w.root, id, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// pageAfter is the page that follows the secret with a number.
func pageAfter(t testing.TB, i int) Page {
	b, err := json.Marshal(marker{"secrets", azure.Fold(scaled(i))})
	if err != nil {
		t.Fatal(err)
	}
	return Page{Max: MaxPage, Token: base64.RawURLEncoding.EncodeToString(b)}
}

// BenchmarkScale has 100,000 secrets in one vault among 1,000 others. The same
// names cost the same in a small vault and the large one, the first page what
// the thousandth does, one vault what one of a thousand does. Names all over
// the file cost more than those beside each other: their pages are not at hand.
func BenchmarkScale(b *testing.B) {
	const secrets, few, vaults, page = 100_000, 100, 1_000, 1_000
	w := newWorld(b, Properties{})
	vaultByName := func(b *testing.B, names func(int) string) {
		i := 0
		for b.Loop() {
			w.view(b, func(tx *store.Tx) error { _, err := ByName(tx, names(i)); return err })
			i++
		}
	}
	b.Run("vault/of=1", func(b *testing.B) { vaultByName(b, func(int) string { return "kv1" }) })
	w.fillVaults(vaults)
	b.Run("vault/of=1000", func(b *testing.B) {
		vaultByName(b, func(i int) string { return fmt.Sprintf("scale-%04d", i*7919%vaults) })
	})

	small := w.create("Small", Properties{})
	w.fill(small, few)
	w.fill(w.kv, secrets)
	// What is remembered under the name is not what is measured: read reads the row.
	get := func(v *Vault, names, stride int) func(*testing.B) {
		return func(b *testing.B) {
			values, err := v.values(w.root)
			if err != nil {
				b.Fatal(err)
			}
			i := 0
			for b.Loop() {
				which := whichSecret{v.ID, azure.Fold(scaled(i * stride % names)), ""}
				w.view(b, func(tx *store.Tx) error {
					row, err := which.read(tx)
					if err != nil {
						return err
					}
					_, err = values.Open(row.sealed, valuePlace(v.ID, which.name, row.Version))
					return err
				})
				i++
			}
		}
	}
	deleted := func(v *Vault) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				w.view(b, func(tx *store.Tx) error {
					all, _, err := ListDeletedSecrets(tx, v, Page{Max: MaxPage})
					if err == nil && len(all) != 1 {
						err = fmt.Errorf("%d are deleted", len(all))
					}
					return err
				})
			}
		}
	}
	list := func(v *Vault, p Page) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				w.view(b, func(tx *store.Tx) error {
					all, next, err := ListSecrets(tx, v, p)
					if err == nil && (len(all) != MaxPage || next == "") {
						err = fmt.Errorf("a page of %d, then %q", len(all), next)
					}
					return err
				})
			}
		}
	}
	b.Run("get/of=100", get(small, few, 1))
	b.Run("get/of=100000/names=100", get(w.kv, few, 1))
	b.Run("get/of=100000/names=100000", get(w.kv, secrets, 7919)) // no two in a row share a page of the file
	b.Run("list/of=100/page=1", list(small, Page{Max: MaxPage}))
	b.Run("list/of=100000/page=1", list(w.kv, Page{Max: MaxPage}))
	b.Run("list/of=100000/page=1000", list(w.kv, pageAfter(b, (page-1)*MaxPage-1)))
	for _, v := range []*Vault{small, w.kv} {
		w.must(func(tx *store.Tx) error { _, err := DeleteSecret(tx, v, scaled(0)); return err })
	}
	b.Run("deleted=1/of=100", deleted(small))
	b.Run("deleted=1/of=100000", deleted(w.kv))
}

func (w *world) view(b *testing.B, f func(*store.Tx) error) {
	if err := w.db.View(b.Context(), f); err != nil {
		b.Fatal(err)
	}
}

// TestPlans holds why the figures of BenchmarkScale are flat: SQLite goes to
// each row by a whole key, and to a page by the key that it begins after. It
// asks for the plans of the texts that the functions have in the source.
func TestPlans(t *testing.T) {
	w := newWorld(t, Properties{})
	w.set("s", "v", Change{})
	const (
		deleted = "SEARCH s USING INDEX secrets_deleted (vault_id=? AND name_key>?)"
		page    = "SEARCH s USING INDEX sqlite_autoindex_secrets_1 (vault_id=? AND name_key>?)"
		secret  = "SEARCH s USING INDEX sqlite_autoindex_secrets_1 (vault_id=? AND name_key=?)"
		version = "SEARCH v USING INDEX sqlite_autoindex_secret_versions_1 (vault_id=? AND name_key=? AND version=?)"
		name    = "SEARCH vaults USING INDEX sqlite_autoindex_vaults_2 (name_key=?)"
	)
	for _, c := range []struct {
		file, function, which string
		args                  []any
		want                  []string
	}{
		{"secret.go", "read", "", []any{w.kv.ID, "s", nil}, []string{secret, version}},
		{"list.go", "listNames", text(t, "list.go", "ListSecrets", "s.", nil), []any{w.kv.ID, "s", 26}, []string{page, version}},
		{"list.go", "listNames", text(t, "list.go", "ListDeletedSecrets", "s.", nil), []any{w.kv.ID, "s", 26, 0}, []string{deleted, version}},
		{"vault.go", "ByName", "", []any{"kv1"}, []string{name}},
	} {
		query := text(t, c.file, c.function, "SELECT ", map[string]string{"metadata": metadata, "joinCurrent": joinCurrent, "which": c.which})
		w.must(func(tx *store.Tx) error {
			got, err := store.Collect(tx, func(scan func(...any) error) (step string, err error) {
				var id, parent, unused int
				err = scan(&id, &parent, &unused, &step)
				return step, err
			}, `EXPLAIN QUERY PLAN `+query, c.args...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s %s (-want +got)\n%s%s", c.function, c.which, diff, query)
			}
			return err
		})
	}
}

// text is the first string in a function of the source that has a beginning,
// with what the names in it stand for.
func text(t *testing.T, file, function, beginning string, names map[string]string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found string
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != function {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && found == "" {
				if s, ok := joined(e, names); ok && strings.HasPrefix(s, beginning) {
					found = s
				}
			}
			return found == ""
		})
	}
	if found == "" {
		t.Fatalf("%s has no text %s... in %s", file, beginning, function)
	}
	return found
}

// joined is the value of a sum of strings and names of strings.
func joined(e ast.Expr, names map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		s, ok := names[e.Name]
		return s, ok
	case *ast.BinaryExpr:
		left, ok := joined(e.X, names)
		right, also := joined(e.Y, names)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}
