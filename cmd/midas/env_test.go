package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midas/internal/control"
	"midas/internal/sandbox"
)

// throughProxy asks for what is at a machine's metadata address.
func throughProxy(t *testing.T, proxy string) int {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u), DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://169.254.169.254/metadata/versions", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Metadata", "true")
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

var dotenvLine = regexp.MustCompile(`(?m)^([A-Za-z_]+)="(.*)"$`)

// dotenv reads what --shell dotenv prints, of values with nothing to escape.
func dotenv(text string) map[string]string {
	vars := map[string]string{}
	for _, m := range dotenvLine.FindAllStringSubmatch(text, -1) {
		vars[m[1]] = m[2]
	}
	return vars
}

// TestEnvCommand: the variables lead to the machine until they are undone, with
// or without a server.
func TestEnvCommand(t *testing.T) {
	dir := shortDir(t)
	stop := serve(t, dir)
	t.Setenv("AZURE_CONFIG_DIR", "")
	t.Setenv("JAVA_TOOL_OPTIONS", "-Xmx1g")
	out, errs := midasRun(t, 0, "env", "--data", dir, "--vm", "ubuntu", "--shell", "dotenv")
	vars := dotenv(out)
	if errs != "" || !strings.Contains(out, "# to undo: ") || !strings.HasPrefix(vars["JAVA_TOOL_OPTIONS"], "-Xmx1g -Djavax.net.ssl.trustStore="+javaTrustStorePath(dir)) {
		t.Errorf("%s\n%s", out, errs)
	}
	for name, private := range map[string]bool{vars["SSL_CERT_FILE"]: false, vars["NODE_EXTRA_CA_CERTS"]: false, javaTrustStorePath(dir): false, vars["AZURE_CONFIG_DIR"]: true} {
		info, err := os.Stat(name)
		if err != nil || info.IsDir() != private || private && info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/' {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if status := throughProxy(t, vars["HTTPS_PROXY"]); status != 200 {
		t.Errorf("through the proxy: %d", status)
	}
	for name, value := range vars {
		t.Setenv(name, value)
	}
	out, errs = midasRun(t, 0, "env", "--data", dir, "--undo", "--shell", "sh")
	for _, line := range []string{"unset HTTPS_PROXY\n", "unset http_proxy\n", "unset SSL_CERT_FILE\n", "unset AZURE_CONFIG_DIR\n", "export JAVA_TOOL_OPTIONS='-Xmx1g'\n"} {
		if !strings.Contains(out, line) || errs != "" {
			t.Errorf("%q is not in %q %q", line, out, errs)
		}
	}
	if status := throughProxy(t, vars["HTTPS_PROXY"]); status != 407 {
		t.Errorf("after the end: %d", status)
	}
	stop()
	again, errs := midasRun(t, 0, "env", "--data", dir, "--undo", "--shell", "sh")
	if again != out || !strings.Contains(errs, "has ended") {
		t.Errorf("without a server: %q %q", again, errs)
	}
	midasRun(t, 1, "env", "--data", dir)
}

// TestEnvUnsetsWhatDiverts holds that a shell's own credentials do not get by.
func TestEnvUnsetsWhatDiverts(t *testing.T) {
	dir := shortDir(t)
	serve(t, dir)
	t.Setenv("AZURE_CLIENT_SECRET", "x")
	t.Setenv("NO_PROXY", "*")
	t.Setenv("AZURE_CONFIG_DIR", "/chosen")
	out, _ := midasRun(t, 0, "env", "--data", dir, "--shell", "sh")
	if !strings.Contains(out, "unset AZURE_CLIENT_SECRET\n") || !strings.Contains(out, "unset NO_PROXY\n") || strings.Contains(out, "AZURE_CONFIG_DIR") {
		t.Errorf("it prints %s", out)
	}
}

func TestEnvRefuses(t *testing.T) {
	dir := shortDir(t)
	serve(t, dir)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{2, "--shell", []string{"--shell", "tcsh"}},
		{1, "no virtual machine", []string{"--vm", "nobody"}},
		{1, "no source", []string{"--vm", "ubuntu", "--source", "nowhere"}},
		{2, "", []string{"argument"}},
	} {
		out, errs := midasRun(t, c.code, append([]string{"env", "--data", dir}, c.args...)...)
		if out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("%q prints %q %q", c.args, out, errs)
		}
	}
	midasRun(t, 2, "run", "--via", "pigeon", "--", "true")
}

// TestEnvMasks keeps the credential out of the log of a runner, and only there
// says it on stderr.
func TestEnvMasks(t *testing.T) {
	dir := shortDir(t)
	serve(t, dir)
	for _, runner := range []string{"", "true"} {
		t.Setenv("GITHUB_ACTIONS", runner)
		out, errs := midasRun(t, 0, "env", "--data", dir, "--shell", "github")
		token := regexp.MustCompile(`(?m)^HTTPS_PROXY=http://midas:([^@]+)@`).FindStringSubmatch(out)
		if token == nil || strings.Contains(out, "#") {
			t.Fatalf("it prints %s", out)
		}
		if want := map[string]string{"": "", "true": "::add-mask::" + token[1] + "\n"}[runner]; errs != want {
			t.Errorf("on stderr is %q", errs)
		}
	}
}

// TestContained: a container is led to the machine that it runs on, and has the
// files at paths of its own.
func TestContained(t *testing.T) {
	p := sandbox.Proxied{URL: "http://vm:t@127.0.0.1:7443", Bundle: "/my data/bundle.pem", CA: "/my data/ca.pem", JavaTrustStore: "/my data/truststore.p12", ConfigDir: "/my data/azure"}
	for endpoint, want := range map[string]struct{ url, notes string }{
		"127.0.0.1:7443":  {"http://vm:t@host.docker.internal:7443", "# The front port listens on 127.0.0.1:7443 only"},
		"0.0.0.0:7443":    {"http://vm:t@host.docker.internal:7443", "--add-host host.docker.internal:host-gateway -v '/my data/bundle.pem:/midas/bundle.pem:ro'"},
		"172.17.0.1:7443": {"http://vm:t@127.0.0.1:7443", "FILE -v "},
	} {
		got, notes, err := contained(p, control.Status{Endpoint: endpoint})
		if err != nil || got.URL != want.url || !strings.Contains(notes, want.notes) || got.Bundle != "/midas/bundle.pem" || got.ConfigDir != "" {
			t.Errorf("%s: %+v\n%s%v", endpoint, got, notes, err)
		}
		for line := range strings.Lines(notes) {
			if !strings.HasPrefix(line, "# ") {
				t.Errorf("%q is no comment", line)
			}
		}
	}
}

func TestConfigDir(t *testing.T) {
	data := t.TempDir()
	t.Setenv(azureCLI, "")
	one, err := configDir(data, "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm")
	if err != nil || !strings.HasPrefix(one, filepath.Join(data, "azure", "vm-")) {
		t.Errorf("%q, %v", one, err)
	}
	other, err := configDir(data, "/subscriptions/s/resourceGroups/h/providers/Microsoft.Compute/virtualMachines/vm")
	if err != nil || other == one {
		t.Errorf("another machine of the name has %q, %v", other, err)
	}
	t.Setenv(azureCLI, one)
	if none, err := configDir(data, ""); err != nil || none != filepath.Join(data, "azure", "no-machine") {
		t.Errorf("%q, %v", none, err)
	}
	t.Setenv(azureCLI, "/chosen")
	if kept, err := configDir(data, ""); err != nil || kept != "" {
		t.Errorf("what the caller has chosen becomes %q, %v", kept, err)
	}
}
