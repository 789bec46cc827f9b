package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serveHTTP serves on a unix socket and returns the Dial that reaches it.
func serveHTTP(t *testing.T, certificate *tls.Certificate, h http.HandlerFunc) func(context.Context) (net.Conn, error) {
	t.Helper()
	l := listenUnix(t)
	server := &http.Server{Handler: h}
	t.Cleanup(func() { server.Close() })
	if certificate != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
		go server.ServeTLS(l, "", "")
	} else {
		go server.Serve(l)
	}
	return dialer(l)
}

// authority makes a CA and a certificate of it for the names.
func authority(t *testing.T, names ...string) (bundle []byte, leaf tls.Certificate) {
	t.Helper()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign,
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: names, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(root); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, server, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root}),
		tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func azure(name string) bool {
	return name == "login.microsoftonline.com" || strings.HasSuffix(name, ".vault.azure.net")
}

// digests are the files of /etc that a run mounts over.
func digests(t *testing.T) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, path := range existing("/", append([]string{"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"},
		append(bundlePlaces, javaPlaces...)...)) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		sums[path] = hex.EncodeToString(sum[:])
	}
	return sums
}

func TestWorld(t *testing.T) {
	before := digests(t)
	bundle, leaf := authority(t, "login.microsoftonline.com", "*.vault.azure.net")
	file := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(file, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{
		Hosts: azure, Bundle: bundle, JavaTrustStore: []byte("java store"), Env: cleanEnv(file),
		Listeners: []Listener{
			{Addr: "169.254.169.254:80", Dial: serveHTTP(t, nil, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "metadata "+r.URL.Path+" "+r.Header.Get("Metadata"))
			})},
			{Addr: "127.0.0.1:443", Dial: serveHTTP(t, &leaf, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "tls "+r.TLS.ServerName)
			})},
			{Addr: "127.0.0.1:40342", Dial: serveHTTP(t, nil, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "arc")
			})},
		},
	}
	const curl = "curl -sS "
	for _, tt := range []struct{ name, script, want string }{
		{"metadata", curl + "-H Metadata:true http://169.254.169.254/metadata/instance", "metadata /metadata/instance true"},
		{"second listener", curl + "http://localhost:40342/", "arc"},
		{"a vault nobody named", curl + "https://anything.vault.azure.net/", "tls anything.vault.azure.net"},
		{"login", curl + "https://login.microsoftonline.com/", "tls login.microsoftonline.com"},
		{"trust without variables", "env -i PATH=$PATH " + curl + "https://kv.vault.azure.net/", "tls kv.vault.azure.net"},
		{"trust by variable", curl + "--cacert $SSL_CERT_FILE https://kv.vault.azure.net/", "tls kv.vault.azure.net"},
		{"libc resolver", "getent hosts any.vault.azure.net", "127.0.0.1       any.vault.azure.net\n"},
		{"upper case", "getent ahostsv4 ANY.VAULT.AZURE.NET | head -n1 | cut -d' ' -f1", "127.0.0.1\n"},
		{"localhost", "getent ahosts localhost | cut -d' ' -f1 | sort -u", "127.0.0.1\n"},
		{"own name", "getent hosts $(hostname) | cut -d' ' -f1", "127.0.1.1\n"},
		{"unknown name", "getent hosts example.org || echo $?", "2\n"},
		{"no route out", "ip route get 192.0.2.1 2>&1 || echo $?", "RTNETLINK answers: Network is unreachable\n2\n"},
		{"one link", "ip -o link | wc -l", "1\n"},
		{"resolver over TCP", "RES_OPTIONS=use-vc getent hosts any.vault.azure.net | cut -d' ' -f1", "127.0.0.1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := must(t, c, tt.script); got != tt.want {
				t.Errorf("printed %q, want %q", got, tt.want)
			}
		})
	}
	for content, places := range map[string][]string{string(bundle): bundlePlaces, "java store": javaPlaces} {
		for _, path := range existing("/", places) {
			if got := must(t, c, "cat "+path); got != content {
				t.Errorf("%s is not ours but %.40q", path, got)
			}
		}
	}
	if diff := cmp.Diff(before, digests(t)); diff != "" {
		t.Errorf("the host's files changed: %s", diff)
	}
}

func TestHostIsOutOfReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	url := "http://" + l.Addr().String() + "/"
	out, code, err := run(t, Config{}, "curl", "-sS", url)
	if err != nil || code != 7 { // curl's "failed to connect"
		t.Errorf("curl %s: exit code %d, error %v, printed %s", url, code, err, out)
	}
}

func TestDialFailureClosesTheConnection(t *testing.T) {
	c := Config{Listeners: []Listener{{Addr: "127.0.0.1:80", Dial: func(context.Context) (net.Conn, error) {
		return nil, io.ErrUnexpectedEOF
	}}}}
	if out, code, err := run(t, c, "curl", "-sS", "http://localhost/"); err != nil || code != 52 && code != 56 {
		t.Errorf("exit code %d, error %v, printed %s", code, err, out)
	}
}

func TestTwoRunsDoNotSeeOneAnother(t *testing.T) {
	var wg sync.WaitGroup
	for _, name := range []string{"one", "two"} {
		c := Config{
			Hosts: func(n string) bool { return n == name+".test" },
			Listeners: []Listener{{Addr: "169.254.169.254:80", Dial: serveHTTP(t, nil, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, name)
			})}},
		}
		wg.Go(func() {
			out, code, err := run(t, c, "sh", "-c",
				`for i in 1 2 3 4 5; do curl -sS http://169.254.169.254/; done; getent hosts one.test two.test | wc -l`)
			if want := strings.Repeat(name, 5) + "1\n"; err != nil || code != 0 || out != want {
				t.Errorf("%s: exit code %d, error %v, printed %q", name, code, err, out)
			}
		})
	}
	wg.Wait()
}

func TestPlaces(t *testing.T) {
	root := t.TempDir()
	write := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(path, target string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
	}
	write("/etc/nsswitch.conf", "passwd: files\nhosts: resolve files\n")
	write("/etc/hosts", "10.0.0.1 kv.vault.azure.net\n")
	write("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "")
	link("/etc/pki/tls/certs/ca-bundle.crt", "../../ca-trust/extracted/pem/tls-ca-bundle.pem")
	link("/etc/ssl/cert.pem", "missing")
	write("/etc/ssl/ca-bundle.pem", "")
	write("/run/nscd/socket", "")
	write("/opt/jre/bin/java", "")
	write("/opt/jre/lib/security/cacerts", "")
	c := Config{Bundle: []byte("roots"), JavaTrustStore: []byte("store"), Env: []string{"JAVA_HOME=/opt/jre"}}
	p, err := prepare(root, c)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, o := range p.Overlays {
		for _, target := range o.Targets {
			got[strings.TrimPrefix(target, root)] = string(o.Content)
		}
	}
	hosts := got["/etc/hosts"]
	delete(got, "/etc/hosts")
	if !strings.HasPrefix(hosts, "127.0.0.1\tlocalhost\n") || strings.Contains(hosts, "vault") {
		t.Errorf("hosts: %q", hosts)
	}
	want := map[string]string{ // no resolv.conf, and no dangling link
		"/etc/nsswitch.conf": "passwd: files\nhosts: files dns\n",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": "roots",
		"/etc/ssl/ca-bundle.pem":                            "roots",
		"/run/nscd/socket":                                  "",
		"/opt/jre/lib/security/cacerts":                     "store",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJavaIsFoundThroughPath(t *testing.T) {
	home := t.TempDir()
	bin := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "bin/java"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(home, "bin/java"), filepath.Join(bin, "java")); err != nil {
		t.Fatal(err)
	}
	got := javaHomes([]string{"PATH=/no/such:" + bin})
	if diff := cmp.Diff([]string{filepath.Join(home, "lib/security/cacerts")}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNsswitch(t *testing.T) {
	for _, tt := range []struct{ host, want string }{
		{"", "hosts: files dns\n"},
		{"hosts: mdns4 resolve [!UNAVAIL=return] files\n", "hosts: files dns\n"},
		{"passwd: files\n  hosts:\tdb\nnetworks: files", "passwd: files\nnetworks: files\nhosts: files dns\n"},
		{"# hosts: dns\n", "# hosts: dns\nhosts: files dns\n"},
	} {
		if got := string(nsswitch([]byte(tt.host))); got != tt.want {
			t.Errorf("nsswitch(%q) = %q, want %q", tt.host, got, tt.want)
		}
	}
}
