package pki

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The clients here are the real ones: what they accept is what counts.

// tool is the path of a program that these tests need.
func tool(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs %s; run: apt-get install %s", name, debianPackage)
	}
	return path
}

// command runs a program apart from the proxies and trust that the machine's
// user has set, and returns all it printed.
func command(path string, args ...string) (string, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + os.TempDir()}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// serve answers HTTPS requests with "ok" and returns the port.
func serve(t *testing.T, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0) // some clients are to refuse
	server := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// serveForged serves a certificate for a name outside the constraints.
func serveForged(t *testing.T, a *Authority) string {
	stolen := forge(t, a, Names{Exact: []string{"www.example.com"}})
	return serve(t, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return stolen, nil })
}

func writeTemp(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenSSL(t *testing.T) {
	openssl := tool(t, "openssl", "openssl")
	a := newTestAuthority(t, t.TempDir(), today())
	door := writeTemp(t, "door.pem", certificatePEM(mustDoor(t, a, "").Certificate[0]))

	// -x509_strict is how Python verifies since 3.13.
	verify := func(file, name string) (string, error) {
		return command(openssl, "verify", "-x509_strict", "-CAfile", a.CAPath(), "-purpose", "sslserver", "-verify_hostname", name, file)
	}
	for _, name := range []string{"login.microsoftonline.com", "kv1.vault.azure.net", "localhost"} {
		if out, err := verify(door, name); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, err := verify(door, "example.com"); err == nil || !strings.Contains(out, "hostname mismatch") {
		t.Errorf("a wrong name: %v\n%s", err, out)
	}
	stolen := writeTemp(t, "stolen.pem", certificatePEM(forge(t, a, Names{Exact: []string{"www.example.com"}}).Certificate[0]))
	if out, err := verify(stolen, "www.example.com"); err == nil || !strings.Contains(out, "permitted subtree violation") {
		t.Errorf("a forged name: %v\n%s", err, out)
	}

	out, err := command(openssl, "x509", "-noout", "-text", "-in", a.CAPath())
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"Subject: CN = Midas CA ", "NIST CURVE: P-256", "CA:TRUE, pathlen:0", "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
		"X509v3 Subject Key Identifier", "X509v3 Name Constraints: critical", "DNS:vault.azure.net", "IP:127.0.0.1/255.255.255.255",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("openssl does not see %q in\n%s", want, out)
		}
	}
}

func TestCurl(t *testing.T) {
	curl := tool(t, "curl", "curl")
	a := newTestAuthority(t, t.TempDir(), today())
	bundle := writeTemp(t, "bundle.pem", a.Bundle())
	get := func(port, host, trust string) (string, error) {
		return command(curl, "--silent", "--show-error", "--resolve", host+":"+port+":127.0.0.1", "--cacert", trust, "https://"+host+":"+port+"/")
	}
	port := serve(t, a.Certificate)
	for _, host := range []string{"login.microsoftonline.com", "management.azure.com", "kv1.vault.azure.net", "localhost", "127.0.0.1"} {
		for _, trust := range []string{a.CAPath(), bundle} {
			if out, err := get(port, host, trust); err != nil || out != "ok" {
				t.Errorf("%s with %s: %v\n%s", host, trust, err, out)
			}
		}
	}
	for host, port := range map[string]string{"example.com": port, "www.example.com": serveForged(t, a)} {
		if out, err := get(port, host, bundle); err == nil || !strings.Contains(out, "curl: (60)") {
			t.Errorf("%s: %v\n%s", host, err, out)
		}
	}
}

func TestJava(t *testing.T) {
	keytool, java := tool(t, "keytool", "default-jdk-headless"), tool(t, "java", "default-jdk-headless")
	a := newTestAuthority(t, t.TempDir(), today())
	store, err := JavaTrustStore(a.Bundle())
	if err != nil {
		t.Fatal(err)
	}
	path := writeTemp(t, "cacerts", store)

	out, err := command(keytool, "-list", "-keystore", path, "-storepass", JavaTrustStorePassword)
	want := strings.Count(string(a.Bundle()), "-----BEGIN CERTIFICATE-----")
	if err != nil || strings.Count(out, "trustedCertEntry") != want {
		t.Errorf("keytool: %v, %d entries, want %d\n%.2000s", err, strings.Count(out, "trustedCertEntry"), want, out)
	}

	hosts := []string{"login.microsoftonline.com", "kv1.vault.azure.net", "localhost", "127.0.0.1", "example.com"}
	port := serve(t, a.Certificate)
	accepted := "accepted login.microsoftonline.com\naccepted kv1.vault.azure.net\naccepted localhost\naccepted 127.0.0.1\nrefused example.com"
	trust := "-Djavax.net.ssl.trustStore=" + path
	for name, options := range map[string][]string{
		"without a password, as cacerts is read": {trust},
		"with the usual password":                {trust, "-Djavax.net.ssl.trustStorePassword=" + JavaTrustStorePassword},
	} {
		out, err := command(java, append(append(options, "testdata/Handshake.java", port), hosts...)...)
		if err != nil || !strings.Contains(out, accepted) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
