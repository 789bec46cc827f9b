package sandbox

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const aToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" // 32 bytes

func aProxied() Proxied {
	dir := filepath.FromSlash("/data dir")
	return Proxied{URL: "http://vm:" + aToken + "@127.0.0.1:7443", Dir: dir,
		Bundle: filepath.Join(dir, "bundle.pem"), CA: filepath.Join(dir, "ca", "ca.pem"), JavaTrustStore: filepath.Join(dir, "truststore.p12"), ConfigDir: filepath.Join(dir, "azure", "vm"),
		Machine: map[string]string{"IDENTITY_HEADER": "h", "IDENTITY_ENDPOINT": "http://169.254.169.254:42356/msi/token"}}
}

func TestProxied(t *testing.T) {
	p := aProxied()
	java := `"-Djavax.net.ssl.trustStore=` + p.JavaTrustStore + `" -Djavax.net.ssl.trustStoreType=PKCS12 -Djava.net.useSystemProxies=true` +
		` -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=7443 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=7443 -Djdk.http.auth.tunneling.disabledSchemes=`
	set := []string{
		"HTTP_PROXY=" + p.URL, "http_proxy=" + p.URL, "HTTPS_PROXY=" + p.URL, "https_proxy=" + p.URL,
		"SSL_CERT_FILE=" + p.Bundle, "REQUESTS_CA_BUNDLE=" + p.Bundle, "CURL_CA_BUNDLE=" + p.Bundle, "GIT_SSL_CAINFO=" + p.Bundle, "AWS_CA_BUNDLE=" + p.Bundle, "PIP_CERT=" + p.Bundle,
		"NODE_EXTRA_CA_CERTS=" + p.CA, "NODE_USE_ENV_PROXY=1",
	}
	rest := []string{"AZURE_CONFIG_DIR=" + p.ConfigDir, "IDENTITY_ENDPOINT=http://169.254.169.254:42356/msi/token", "IDENTITY_HEADER=h"}
	for _, c := range []struct {
		name       string
		base, want []string
	}{
		{"empty", nil, slices.Concat(set, []string{"JAVA_TOOL_OPTIONS=" + java}, rest)},
		{"what diverts", []string{"PATH=/bin", "no_proxy=*", "ALL_PROXY=x", "IDENTITY_ENDPOINT=x", "AZURE_CLIENT_SECRET=x", "SSL_CERT_DIR=x", "http_proxy=x", "NODE_EXTRA_CA_CERTS=x", "AZURE_CONFIG_DIR=x"},
			slices.Concat([]string{"PATH=/bin"}, set, []string{"JAVA_TOOL_OPTIONS=" + java}, rest)},
		{"a JVM's own options", []string{"JAVA_TOOL_OPTIONS=-Xmx1g"}, slices.Concat(set, []string{"JAVA_TOOL_OPTIONS=-Xmx1g " + java}, rest)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := p.Env(c.base)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(got, p.Env(got)); diff != "" {
				t.Errorf("twice is not once: %s", diff)
			}
			if strings.Contains(java, aToken) {
				t.Error("the options, which every JVM prints, hold the credential")
			}
		})
	}
}

// TestProxiedUndo holds that what was set is taken back, and nothing else.
func TestProxiedUndo(t *testing.T) {
	p := aProxied()
	known := Proxied{Dir: p.Dir, JavaTrustStore: p.JavaTrustStore}
	after := func(base []string) map[string]string {
		env := map[string]string{}
		for _, e := range base {
			name, value, _ := strings.Cut(e, "=")
			env[name] = value
		}
		for _, v := range known.Undo(base) {
			if env[v.Name] = v.Value; v.Value == "" {
				delete(env, v.Name)
			}
		}
		return env
	}
	if diff := cmp.Diff(map[string]string{"PATH": "/bin", "JAVA_TOOL_OPTIONS": "-Xmx1g"}, after(p.Env([]string{"PATH=/bin", "JAVA_TOOL_OPTIONS=-Xmx1g"}))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{}, after(p.Env(nil))); diff != "" {
		t.Error(diff)
	}
	foreign := map[string]string{"HTTPS_PROXY": "http://me:pass@proxy.example:8080", "SSL_CERT_FILE": "/etc/ssl/cert.pem", "AZURE_CONFIG_DIR": p.Dir, "NODE_USE_ENV_PROXY": "1",
		"IDENTITY_ENDPOINT": "http://localhost:1/", "JAVA_TOOL_OPTIONS": "-Xmx1g"}
	var base []string
	for name, value := range foreign {
		base = append(base, name+"="+value)
	}
	if diff := cmp.Diff(foreign, after(base)); diff != "" {
		t.Errorf("what is not ours was taken: %s", diff)
	}
	if diff := cmp.Diff([]string{p.URL}, Credentials(p.Env([]string{"ALL_PROXY=x"}))); diff != "" {
		t.Error(diff)
	}
	if got := Credentials(base); len(got) > 0 {
		t.Errorf("foreign credentials: %q", got)
	}
}
