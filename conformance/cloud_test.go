package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cloud is a `midas up --sample` of the test's own, and an operator's way into it.
type cloud struct {
	midas  string // the binary under test
	client *http.Client
	bearer string

	Endpoint       string `json:"endpoint"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	DataDir        string `json:"dataDir"`
	CAFile         string `json:"caFile"`
	Endpoints      struct {
		ResourceManager string `json:"resourceManager"`
		VaultSuffix     string `json:"vaultSuffix"`
	} `json:"endpoints"`
	Sample struct {
		ResourceGroup string `json:"resourceGroup"`
		VM            string `json:"vm"`
	} `json:"sample"`
}

// startCloud builds the binary and starts a cloud that ends with the test.
func startCloud(t *testing.T) *cloud {
	// Short: the path of a unix socket has 107 octets at most.
	dir, err := os.MkdirTemp("", "suites")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &cloud{midas: filepath.Join(dir, "midas")}
	output(t, "..", "go", "build", "-o", c.midas, "./cmd/midas")
	ready := filepath.Join(dir, "ready.json")
	c.up(t, dir, ready)
	if err := json.Unmarshal(read(t, ready), c); err != nil {
		t.Fatal(err)
	}
	c.enter(t)
	return c
}

// up starts the process and returns when every door answers: the file that says
// so comes whole, by rename. The run's own deadline bounds the wait.
func (c *cloud) up(t *testing.T, dir, ready string) {
	cmd := exec.Command(c.midas, "up", "--ephemeral", "--sample", "--listen", "127.0.0.1:0", "--ready-file", ready)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			t.Fatalf("midas up ended before it was ready: %v\n%s", err, &stderr)
		case <-look.C:
		}
		_, err := os.Stat(ready)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("midas up did not end well: %v\n%s", err, &stderr)
		}
		if t.Failed() {
			t.Logf("midas up said:\n%s", &stderr)
		}
	})
}

// enter prepares the operator's requests: every name is at the cloud's one port.
func (c *cloud) enter(t *testing.T) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, c.CAFile))
	c.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", c.Endpoint)
		},
	}}
	t.Cleanup(c.client.CloseIdleConnections)
	out := output(t, ".", c.midas, "token", "--data", c.DataDir, "--resource", c.Endpoints.ResourceManager)
	c.bearer = "Bearer " + strings.TrimSpace(string(out))
}

// group is the path of the sample's resource group.
func (c *cloud) group() string {
	return "/subscriptions/" + c.SubscriptionID + "/resourceGroups/" + c.Sample.ResourceGroup
}

// manage sends a request to Resource Manager as the operator, who owns the
// subscription, and decodes the answer into the value that into points to.
func (c *cloud) manage(t *testing.T, method, path string, body, into any) {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(c.Endpoints.ResourceManager, "/")+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", c.bearer)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	if err == nil {
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
	}
}

// output runs a program in dir and returns what it answered.
func output(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, failed.Stderr)
	}
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return out
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
