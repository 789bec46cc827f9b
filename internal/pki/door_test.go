package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustDoor(t testing.TB, a *Authority, serverName string) *tls.Certificate {
	t.Helper()
	door, err := a.Certificate(&tls.ClientHelloInfo{ServerName: serverName})
	if err != nil {
		t.Fatal(err)
	}
	return door
}

func TestDoorVerifiesForEveryName(t *testing.T) {
	c := today()
	a := newTestAuthority(t, t.TempDir(), c)
	for _, name := range []string{
		"login.microsoftonline.com", "LOGIN.microsoftonline.com", "management.azure.com", "graph.microsoft.com", "sts.windows.net",
		"kv1.vault.azure.net", "another-vault.vault.azure.net", "localhost", "127.0.0.1", "[::1]",
	} {
		leaf := mustDoor(t, a, name).Leaf
		chains, err := leaf.Verify(x509.VerifyOptions{Roots: pool(a), DNSName: name, CurrentTime: c.at})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(chains) != 1 || len(chains[0]) != 2 {
			t.Errorf("%s: chains %v", name, chains)
		}
	}
	for _, name := range []string{"example.com", "vault.azure.net", "a.b.vault.azure.net", "microsoftonline.com", "x.login.microsoftonline.com", "127.0.0.2"} {
		leaf := mustDoor(t, a, name).Leaf
		_, err := leaf.Verify(x509.VerifyOptions{Roots: pool(a), DNSName: name, CurrentTime: c.at})
		if _, ok := errors.AsType[x509.HostnameError](err); !ok {
			t.Errorf("%s: %v; want a hostname error", name, err)
		}
	}
	if mustDoor(t, a, "") != mustDoor(t, a, "example.com") {
		t.Error("a client without a name and one with a wrong name get different certificates")
	}
	other := newTestAuthority(t, t.TempDir(), c)
	if _, err := mustDoor(t, a, "").Leaf.Verify(x509.VerifyOptions{Roots: pool(other), CurrentTime: c.at}); err == nil {
		t.Error("another installation's authority vouches for this one's door")
	}
}

func TestDoorCertificate(t *testing.T) {
	c := today()
	a := newTestAuthority(t, t.TempDir(), c)
	door := mustDoor(t, a, "localhost")
	leaf := door.Leaf
	if len(door.Certificate) != 2 || !slices.Equal(door.Certificate[1], a.cert.Raw) {
		t.Error("the chain is not the door and the authority")
	}
	if !slices.Equal(leaf.AuthorityKeyId, a.cert.SubjectKeyId) || len(leaf.AuthorityKeyId) == 0 || len(leaf.SubjectKeyId) != 20 {
		t.Errorf("authority key id %x, subject key id %x", leaf.AuthorityKeyId, leaf.SubjectKeyId)
	}
	if !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) || leaf.IsCA || leaf.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("usage %v, authority %v, %v", leaf.ExtKeyUsage, leaf.IsCA, leaf.PublicKeyAlgorithm)
	}
	if got := c.at.Sub(leaf.NotBefore).Round(time.Minute); got != time.Hour {
		t.Errorf("valid from %v before now", got)
	}
	if got := leaf.NotAfter.Sub(c.at).Round(time.Minute); got != 90*24*time.Hour {
		t.Errorf("valid until %v after now", got)
	}
}

func TestDoorIsRenewedWithAThirdOfItsLifeLeft(t *testing.T) {
	start := today().at
	c := &clock{at: start}
	a := newTestAuthority(t, t.TempDir(), c)
	first := mustDoor(t, a, "")
	day := 24 * time.Hour
	for _, step := range []struct {
		at    time.Time
		renew bool
	}{
		{start.Add(time.Minute), false},
		{start.Add(59 * day), false},
		{start.Add(60 * day), true},   // a third of 90 days and an hour is left
		{start.Add(61 * day), false},  // the new one
		{start.Add(400 * day), true},  // long expired
		{start.Add(-30 * day), true},  // the clock was set back: not valid yet
		{start.Add(3600 * day), true}, // near the end of the authority
	} {
		c.at = step.at
		next := mustDoor(t, a, "")
		if renewed := next != first; renewed != step.renew {
			t.Errorf("at %v renewed is %v", step.at, renewed)
		}
		if next.Leaf.NotAfter.After(a.cert.NotAfter) {
			t.Errorf("at %v: the door outlives its authority", step.at)
		}
		if !fresh(next.Leaf, c.at) {
			t.Errorf("at %v: not fresh", step.at)
		}
		first = next
	}
	c.at = a.cert.NotAfter.Add(day)
	if _, err := a.Certificate(nil); err == nil || !strings.Contains(err.Error(), "expired on") || !strings.Contains(err.Error(), a.dir) {
		t.Errorf("after the authority's end: %v", err)
	}
}

func TestDoorIsOneForAllCallers(t *testing.T) {
	a := newTestAuthority(t, t.TempDir(), today())
	got := make([]*tls.Certificate, 16)
	var callers sync.WaitGroup
	for i := range got {
		callers.Go(func() { got[i], _ = a.Certificate(nil) })
	}
	callers.Wait()
	for _, door := range got {
		if door == nil || door != got[0] {
			t.Fatal("callers at the same time got different certificates")
		}
	}
}

// forge signs a door's certificate for names that the authority may not vouch for.
func forge(t testing.TB, a *Authority, names Names) *tls.Certificate {
	t.Helper()
	thief := &Authority{dir: a.dir, names: names, now: a.now, cert: a.cert, key: a.key}
	return mustDoor(t, thief, "")
}

func TestNamesOutsideAreRefusedEvenIfSigned(t *testing.T) {
	c := today()
	a := newTestAuthority(t, t.TempDir(), c)
	for _, name := range []string{"example.com", "www.microsoft.com", "azure.net", "fakevault.azure.net", "127.0.0.2", "10.0.0.1", "fe80::1"} {
		stolen := forge(t, a, Names{Exact: []string{name}})
		_, err := stolen.Leaf.Verify(x509.VerifyOptions{Roots: pool(a), DNSName: name, CurrentTime: c.at})
		invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
		if !ok || invalid.Reason != x509.CANotAuthorizedForThisName {
			t.Errorf("%s: %v; want it refused for its name", name, err)
		}
	}
	below := forge(t, a, Names{Exact: []string{"westus.login.microsoftonline.com"}})
	if _, err := below.Leaf.Verify(x509.VerifyOptions{Roots: pool(a), DNSName: "westus.login.microsoftonline.com", CurrentTime: c.at}); err != nil {
		t.Errorf("a name below a permitted one: %v", err)
	}
}

func BenchmarkCertificate(b *testing.B) {
	a := newTestAuthority(b, b.TempDir(), today())
	mustDoor(b, a, "")
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := a.Certificate(nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpenFirst is what the first start of an installation pays.
func BenchmarkOpenFirst(b *testing.B) {
	c := today()
	for b.Loop() {
		newTestAuthority(b, b.TempDir(), c)
	}
}
