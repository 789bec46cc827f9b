package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testNames = Names{
	Exact:     []string{"login.microsoftonline.com", "management.azure.com", "graph.microsoft.com", "sts.windows.net"},
	Wildcards: []string{"*.vault.azure.net"},
}

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// today is a real time, since real clients look at their own clocks.
func today() *clock { return &clock{at: time.Now()} }

func newTestAuthority(t testing.TB, dir string, c *clock) *Authority {
	t.Helper()
	a, err := Open(dir, testNames, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpenMakesAnAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "pki")
	c := today()
	a := newTestAuthority(t, dir, c)

	for path, want := range map[string]os.FileMode{
		dir:                          0o700 | os.ModeDir,
		filepath.Join(dir, "ca.key"): 0o600,
		filepath.Join(dir, "ca.crt"): 0o644,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("more than two files are left: %v", entries)
	}

	ca := a.cert
	if !ca.IsCA || !ca.MaxPathLenZero || ca.MaxPathLen != 0 || len(ca.SubjectKeyId) != 20 {
		t.Errorf("not an authority with path length 0 and a key id: %+v", ca)
	}
	if ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("key usage %v", ca.KeyUsage)
	}
	if !ca.NotBefore.Before(c.at) || ca.NotAfter.Year() != c.at.Year()+10 {
		t.Errorf("valid from %v to %v", ca.NotBefore, ca.NotAfter)
	}
	name, ok := strings.CutPrefix(ca.Subject.CommonName, "Midas CA ")
	if !ok || len(name) != 8 || strings.Trim(name, "0123456789abcdef") != "" {
		t.Errorf("common name %q", ca.Subject.CommonName)
	}
	domains := []string{"graph.microsoft.com", "localhost", "login.microsoftonline.com", "management.azure.com", "sts.windows.net", "vault.azure.net"}
	if diff := cmp.Diff(domains, ca.PermittedDNSDomains); diff != "" || !ca.PermittedDNSDomainsCritical {
		t.Errorf("critical %v, domains (-want +got):\n%s", ca.PermittedDNSDomainsCritical, diff)
	}
	if len(ca.PermittedIPRanges) != 2 {
		t.Errorf("address ranges %v", ca.PermittedIPRanges)
	}
}

func TestOpenAgainIsTheSameAuthority(t *testing.T) {
	dir := t.TempDir()
	c := today()
	first := newTestAuthority(t, dir, c)
	door, err := first.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	c.at = c.at.AddDate(1, 0, 0)
	again := newTestAuthority(t, dir, c)
	if string(first.CAPEM()) != string(again.CAPEM()) {
		t.Error("the certificate is another")
	}
	if onDisk, err := os.ReadFile(again.CAPath()); err != nil || string(onDisk) != string(again.CAPEM()) {
		t.Errorf("CAPath is not CAPEM: %v", err)
	}
	newDoor, err := again.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	for at, leaf := range map[time.Time]*x509.Certificate{first.cert.NotBefore.Add(2 * time.Hour): door.Leaf, c.at: newDoor.Leaf} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool(first), DNSName: "kv1.vault.azure.net", CurrentTime: at}); err != nil {
			t.Errorf("at %v: %v", at, err)
		}
	}
	if other := newTestAuthority(t, t.TempDir(), c); other.cert.Subject.CommonName == first.cert.Subject.CommonName {
		t.Error("two installations have authorities of one name")
	}
}

func pool(a *Authority) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return roots
}

func TestOpenRefusesWhatItCannotUse(t *testing.T) {
	foreign := newTestAuthority(t, t.TempDir(), today())
	foreignKey, err := os.ReadFile(filepath.Join(foreign.dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	door, err := foreign.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(pem []byte) []byte { pem[80] ^= 1; return pem } // in the private number
	cut := func(pem []byte) []byte { return pem[:len(pem)/2] }
	twice := func(pem []byte) []byte { return append(pem, pem...) }
	const restore = "; restore "
	for name, test := range map[string]struct {
		file   string
		change func([]byte) []byte
		want   string
	}{
		"certificate empty":         {certFile, func([]byte) []byte { return nil }, "certificate is damaged"},
		"certificate cut":           {certFile, cut, "certificate is damaged"},
		"certificate twice":         {certFile, twice, "certificate is damaged"},
		"certificate of another":    {certFile, func([]byte) []byte { return foreign.CAPEM() }, "not the key of the certificate"},
		"certificate is a key":      {certFile, func([]byte) []byte { return foreignKey }, "certificate is damaged"},
		"certificate of a door":     {certFile, func([]byte) []byte { return certificatePEM(door.Certificate[0]) }, "not the key of the certificate"},
		"key empty":                 {keyFile, func([]byte) []byte { return nil }, "key is damaged"},
		"key cut":                   {keyFile, cut, "key is damaged"},
		"key with a changed letter": {keyFile, flip, "key"},
		"key twice":                 {keyFile, twice, "key is damaged"},
		"key of another":            {keyFile, func([]byte) []byte { return foreignKey }, "not the key of the certificate"},
		"key is a certificate":      {keyFile, func([]byte) []byte { return foreign.CAPEM() }, "key is damaged"},
	} {
		dir := t.TempDir()
		newTestAuthority(t, dir, today())
		path := filepath.Join(dir, test.file)
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := test.change(old)
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		checkOpenFails(t, name, dir, testNames, today(), test.want, restore)
		if left, _ := os.ReadFile(path); string(left) != string(changed) {
			t.Errorf("%s: the file was made anew", name)
		}
	}
	dir := t.TempDir()
	newTestAuthority(t, dir, today())
	if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	checkOpenFails(t, "key lost", dir, testNames, today(), filepath.Join(dir, keyFile)+" is not", restore)
	if _, err := os.Stat(filepath.Join(dir, keyFile)); err == nil {
		t.Error("the key was made anew")
	}
}

// TestOpenFinishesAStartThatWasCutShort holds that a kill between the two
// files costs nothing: the key is certified again under its own name.
func TestOpenFinishesAStartThatWasCutShort(t *testing.T) {
	dir := t.TempDir()
	before := newTestAuthority(t, dir, today())
	if err := os.Remove(filepath.Join(dir, certFile)); err != nil {
		t.Fatal(err)
	}
	after := newTestAuthority(t, dir, today())
	if before.cert.Subject.String() != after.cert.Subject.String() || !bytes.Equal(before.cert.RawSubjectPublicKeyInfo, after.cert.RawSubjectPublicKeyInfo) {
		t.Errorf("%v became %v", before.cert.Subject, after.cert.Subject)
	}
}

func checkOpenFails(t *testing.T, what, dir string, names Names, c *clock, wants ...string) {
	t.Helper()
	_, err := Open(dir, names, c.now)
	if err == nil {
		t.Errorf("%s: opened", what)
		return
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", what, err, want)
		}
	}
}

func TestOpenRefusesAnAuthorityThatDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	c := today()
	newTestAuthority(t, dir, c)

	late := &clock{at: c.at.AddDate(10, 0, 1)}
	checkOpenFails(t, "expired", dir, testNames, late, "expired on", "remove both")

	china := Names{Exact: []string{"login.chinacloudapi.cn"}}
	checkOpenFails(t, "other names", dir, china, c, "may not vouch for login.chinacloudapi.cn", "remove both")
	checkOpenFails(t, "another address", dir, Names{Exact: []string{"10.0.0.1"}}, c, "may not vouch for 10.0.0.1")
	checkOpenFails(t, "a wider wildcard", dir, Names{Wildcards: []string{"*.azure.net"}}, c, "may not vouch for *.azure.net")
	below := Names{Exact: []string{"westus.login.microsoftonline.com"}, Wildcards: []string{"*.eu.vault.azure.net"}}
	if _, err := Open(dir, below, c.now); err != nil {
		t.Errorf("names below the permitted ones: %v", err)
	}

	if err := os.Chmod(filepath.Join(dir, keyFile), 0o644); err != nil {
		t.Fatal(err)
	}
	checkOpenFails(t, "readable key", dir, testNames, c, "chmod 600 "+filepath.Join(dir, keyFile))

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	checkOpenFails(t, "a file in place of the folder", file, testNames, c, "not a directory")
}

func TestNamesThatAreNone(t *testing.T) {
	for _, names := range []Names{
		{Exact: []string{""}}, {Exact: []string{"a b"}}, {Exact: []string{"*.example.com"}}, {Exact: []string{".example.com"}},
		{Exact: []string{"-a.example.com"}}, {Exact: []string{"a..b"}}, {Exact: []string{"bücher.example"}},
		{Exact: []string{strings.Repeat("a", 64) + ".example"}}, {Exact: []string{strings.Repeat("a.", 130) + "a"}},
		{Wildcards: []string{"example.com"}}, {Wildcards: []string{"*."}}, {Wildcards: []string{"*"}}, {Wildcards: []string{"*.*.example.com"}},
	} {
		dir := filepath.Join(t.TempDir(), "pki")
		checkOpenFails(t, strings.Join(append(names.Exact, names.Wildcards...), ","), dir, names, today(), "is not a")
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%v left something behind", names)
		}
	}
}

func TestNormalNames(t *testing.T) {
	got, err := Names{Exact: []string{"B.example", "a.example", "b.EXAMPLE", "localhost"}, Wildcards: []string{"*.V.example", "*.v.example"}}.normal()
	want := Names{Exact: []string{"127.0.0.1", "::1", "a.example", "b.example", "localhost"}, Wildcards: []string{"*.v.example"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// An authority that an operator brings may be without constraints.
func TestCoversWithoutConstraints(t *testing.T) {
	free := &x509.Certificate{}
	if !covers(free, "any.example") || !covers(free, "10.0.0.1") {
		t.Error("no constraint at all forbids a name")
	}
	some := &x509.Certificate{PermittedDNSDomains: []string{"example.com"}, PermittedIPRanges: []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}}}
	for name, want := range map[string]bool{
		"example.com": true, "a.example.com": true, "*.example.com": true, "badexample.com": false, "com": false,
		"10.1.2.3": true, "11.0.0.1": false, "::1": false,
	} {
		if covers(some, name) != want {
			t.Errorf("covers %s is %v", name, !want)
		}
	}
}

func FuzzParseCA(f *testing.F) {
	a := newTestAuthority(f, f.TempDir(), today())
	key, err := os.ReadFile(filepath.Join(a.dir, keyFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.CAPEM(), key)
	f.Add(key, a.CAPEM())
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, certPEM, keyPEM []byte) {
		cert, signer, err := parseCA(certPEM, keyPEM)
		if err == nil && (cert == nil || signer == nil) {
			t.Error("parsed, but something is missing")
		}
	})
}
