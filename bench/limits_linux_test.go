//go:build bench

package bench

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"midas/internal/azure"
	profiles "midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/sts"
)

// starts prints how long a start takes: from the call of the program to the
// line that says that every door answers. The limit is a process that does
// nothing but open a TLS port with a certificate of its own making.
func starts(t *testing.T, w io.Writer, c cores, binary string) {
	const times = 15
	data := filepath.Join(t.TempDir(), "data")
	first, _ := startMidas(t, c.all, binary, "--data", data)
	first.end()
	kinds := []struct {
		name string
		run  func() *process
		took []started
	}{
		{name: "midas up --ephemeral", run: func() *process { p, _ := startMidas(t, c.all, binary, "--ephemeral"); return p }},
		{name: "midas up, data there", run: func() *process { p, _ := startMidas(t, c.all, binary, "--data", data); return p }},
		{name: "bare TLS server (limit)", run: func() *process { p, _ := startBare(t, c.all, false, []byte("{}")); return p }},
	}
	for range times {
		for i := range kinds {
			p := kinds[i].run()
			kinds[i].took = append(kinds[i].took, started{p.took, p.cpu()})
			p.end()
		}
	}
	fmt.Fprintf(w, "%s\tmedian\tbest\tCPU\t\n", named("start to ready (goal ≤ 50ms)"))
	for _, k := range kinds {
		best := k.took[0].wall
		for _, s := range k.took {
			best = min(best, s.wall)
		}
		fmt.Fprintf(w, "%s\t%v\t%v\t%v\t\n", named(k.name), median(k.took, func(s started) time.Duration { return s.wall }).Round(100*time.Microsecond),
			best.Round(100*time.Microsecond), median(k.took, func(s started) time.Duration { return s.cpu }).Round(100*time.Microsecond))
	}
	fmt.Fprintln(w)
}

// started is what a start took.
type started struct{ wall, cpu time.Duration }

// memory prints what a server has of the machine's memory when it is ready and
// after some requests.
func memory(t *testing.T, w io.Writer, c cores, binary string) {
	const requests = 1000
	s := startCloud(t, c.server, binary)
	answer := s.once(t, s.vaults, 200, s.getSecret(s.readerToken))
	bare, at := startBare(t, c.server, false, answer)
	fmt.Fprintf(w, "%s\tready\tof it not of files\tafter %d requests\tof it not of files\t\n", named("memory (goal ≤ 40 MB)"), requests)
	for _, m := range []struct {
		name string
		load func() *load
		of   *process
	}{
		{"midas up --sample", func() *load { return against(t, s.process, s.vaults, 8, same(s.getSecret(s.readerToken))) }, s.process},
		{"bare TLS server (limit)", func() *load { return against(t, bare, at, 8, same(s.getSecret(s.readerToken))) }, bare},
	} {
		fmt.Fprint(w, named(m.name))
		row := func() {
			resident, anonymous, err := m.of.memory()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(w, "\t%.1f MB\t%.1f MB", float64(resident)/1e6, float64(anonymous)/1e6)
		}
		row()
		l := m.load()
		if _, err := l.measure(requests); err != nil {
			t.Fatal(err)
		}
		row()
		l.close()
		m.of.end()
		fmt.Fprintf(w, "\t\n")
	}
	fmt.Fprintln(w)
}

// rawSign returns a function that says what one RSA signature costs.
func rawSign(t testing.TB) func() time.Duration {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("a token"))
	return func() time.Duration {
		return each(t, func() error {
			_, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
			return err
		})
	}
}

// each is the CPU time that f takes in this process.
func each(t testing.TB, f func() error) time.Duration {
	const times = 200
	before := cpuOf(os.Getpid())
	for range times {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	return (cpuOf(os.Getpid()) - before) / times
}

// issuing measures a token's making in this process against a raw signature.
func issuing(t *testing.T) (f figures) {
	service, grant := tokenService(t)
	sign := rawSign(t)
	issue := func() error { _, err := service.Issue(t.Context(), grant); return err }
	for range rounds {
		f.add(cost{cpu: each(t, issue)}, cost{cpu: sign()})
	}
	return f
}

// tokenService is one with a key, and what a machine's identity gets of it.
func tokenService(t *testing.T) (*sts.Service, sts.Grant) {
	t.Helper()
	root, err := seal.RootFromEnv(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	profile, err := profiles.Lookup("AzureCloud")
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.New(t)
	service := sts.New(sts.Config{DB: db, Root: root, Cloud: profile, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	grant := sts.Grant{ClientAuth: sts.ClientAuthCertificate, Audience: profile.VaultResource(), Version: 1, Lifetime: sts.LifetimeManagedIdentity}
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		tenant, err := directory.CreateTenant(tx, directory.Tenant{DisplayName: "Bench", Domain: "bench.example"})
		if err != nil {
			return err
		}
		if grant.IdentityResource, err = azure.ParseResourceID("/subscriptions/" + azure.NewGUID() + "/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m"); err != nil {
			return err
		}
		grant.Principal, err = directory.CreateManagedIdentity(tx, tenant.ID, "m", grant.IdentityResource)
		grant.Client = grant.Principal.AppID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if _, err := service.Issue(t.Context(), grant); err != nil { // waits for the key
		t.Fatal(err)
	}
	return service, grant
}

// fsync is how long the disk takes for the least that a commit must write:
// the limit of durable writes of one client.
func fsync(t testing.TB) time.Duration {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	took := make([]time.Duration, 100)
	for i := range took {
		at := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(at)
	}
	return median(took, func(d time.Duration) time.Duration { return d }).Round(time.Microsecond)
}
