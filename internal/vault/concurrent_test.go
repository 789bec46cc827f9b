package vault

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestWriters has 32 writers set one secret at the same time.
func TestWriters(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		db := fresh(t)
		setTogether(t, inStore(t, db, Properties{}), db)
	})
}

// TestWritersOnTwoServers does it through two servers on one PostgreSQL.
func TestWritersOnTwoServers(t *testing.T) {
	one, two := storetest.Replicas(t, storetest.StartPostgres(t))
	setTogether(t, inStore(t, one, Properties{}), one, two)
}

// setTogether has 32 writers set one secret, through the servers in turn.
func setTogether(t *testing.T, w *world, servers ...*store.DB) {
	const writers = 32
	var all [writers]*Secret
	var running sync.WaitGroup
	for i := range writers {
		running.Go(func() {
			err := servers[i%len(servers)].Update(t.Context(), func(tx *store.Tx) (err error) {
				all[i], err = SetSecret(tx, w.root, w.kv, "s", fmt.Sprint(i), Change{})
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if t.Failed() {
		return
	}
	versions, numbers, last := map[string]bool{}, map[int64]bool{}, all[0]
	for _, s := range all {
		versions[s.Version], numbers[s.seq] = true, true
		if s.seq > last.seq {
			last = s
		}
	}
	if len(versions) != writers || len(numbers) != writers || last.seq != writers {
		t.Errorf("%d versions, %d numbers, the last is %d", len(versions), len(numbers), last.seq)
	}
	for _, server := range servers {
		for current := ""; current != last.Version; runtime.Gosched() { // another server's change is on its way
			err := server.View(t.Context(), func(tx *store.Tx) error {
				var n int
				if err := tx.QueryRow(`SELECT COUNT(*) FROM secret_versions`).Scan(&n); err != nil || n != writers {
					t.Fatalf("%d versions are stored, %v", n, err)
				}
				s, err := GetSecret(tx, w.root, w.kv, "s", "")
				if err == nil {
					current = s.Version
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestListsDuringWrites walks through the secrets again and again while others
// come, change, go and come back between them.
func TestListsDuringWrites(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		db := fresh(t)
		listWhileWriting(t, inStore(t, db, Properties{}), db)
	})
}

// TestListsDuringWritesOfAnotherServer lists through one server while they
// write through another.
func TestListsDuringWritesOfAnotherServer(t *testing.T) {
	one, two := storetest.Replicas(t, storetest.StartPostgres(t))
	listWhileWriting(t, inStore(t, one, Properties{}), two)
}

func listWhileWriting(t *testing.T, w *world, lists *store.DB) {
	const steady = 40
	w.must(func(tx *store.Tx) error {
		for i := range steady {
			if _, err := SetSecret(tx, w.root, w.kv, fmt.Sprintf("Steady-%02d", i), "v", Change{}); err != nil {
				return err
			}
		}
		return nil
	})
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for n := range 3 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("Steady-%02d-%d", i%steady, n)
				err := w.db.Update(t.Context(), func(tx *store.Tx) (err error) {
					switch i / steady % 3 {
					case 0:
						_, err = SetSecret(tx, w.root, w.kv, name, "v", Change{})
					case 1:
						_, err = DeleteSecret(tx, w.kv, name)
					default:
						err = PurgeSecret(tx, w.kv, name)
					}
					return err
				})
				if err != nil {
					t.Errorf("write %d: %v", i, err)
					return
				}
			}
		})
	}
	for range 30 {
		seen := map[string]int{}
		for p := (Page{Max: 7}); ; {
			var next string
			err := lists.View(t.Context(), func(tx *store.Tx) error {
				page, n, err := ListSecrets(tx, w.kv, p)
				if err != nil {
					return err
				}
				next = n
				for _, s := range page {
					seen[s.Name]++
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if p.Token = next; next == "" {
				break
			}
		}
		for i := range steady {
			if name := fmt.Sprintf("Steady-%02d", i); seen[name] != 1 {
				t.Errorf("%s is in the list %d times", name, seen[name])
			}
		}
	}
	close(stop)
	writers.Wait()
}
