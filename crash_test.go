package midas_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"midas/internal/control"
)

// What TestCrash does. A kill -9 ends the process and not the machine, so this
// is about what is torn between two writes of ours; that a commit reaches the
// disk is the business of `synchronous=FULL`.
const (
	crashWrites  = 1000
	crashNames   = 200 // each is written crashWrites/crashNames times, by one writer
	crashWriters = 8
	crashKills   = 12 // while secrets are written
	crashStarts  = 6  // starts on the empty directory that are killed before one is let through
	crashVault   = "kv-crash"
)

// TestCrash writes secrets through Key Vault while the server is killed again
// and again: what was acknowledged is there afterwards, and nothing is torn.
func TestCrash(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := &crashing{t: t, binary: buildMidas(t), data: filepath.Join(t.TempDir(), "data"), tmp: t.TempDir()}
	defer c.end(syscall.SIGKILL) // does nothing after an orderly end

	for range crashStarts {
		c.killedStart(random)
	}
	c.start()
	c.prepare()

	var writing sync.WaitGroup
	names, written := make(chan int), make([][]crashWrite, crashNames)
	for i := range crashWriters {
		own := rand.New(rand.NewPCG(seed, uint64(1+i)))
		writing.Go(func() {
			for n := range names {
				written[n] = c.write(own, n)
			}
		})
	}
	go func() {
		defer close(names)
		for n := range crashNames {
			names <- n
		}
	}()
	go func() {
		defer close(c.progress)
		writing.Wait()
	}()
	c.killAndRestart(random)
	writing.Wait()

	c.restart(random) // what is read below was on the disk
	for n, attempts := range written {
		c.check(n, attempts)
	}
	if err := c.end(syscall.SIGTERM); err != nil {
		t.Errorf("the server did not end well: %v\n%s", err, c.stderr)
	}
	c.checkDatabase()
}

// crashing is a server that is killed and started again on one data directory.
type crashing struct {
	t                 *testing.T
	binary, data, tmp string
	client            *http.Client
	token             string
	acknowledged      atomic.Int64
	lost              atomic.Int64  // writes that were sent and never answered
	progress          chan struct{} // has a value after writes were acknowledged; closed after the last

	// alive is held for writing while there is no server: a client that has
	// lost its connection waits there for the next one.
	alive  sync.RWMutex
	status control.Status
	cmd    *exec.Cmd
	stderr *bytes.Buffer
}

// buildMidas makes the program that the users have.
func buildMidas(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "midas")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/midas").CombinedOutput(); err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, out)
	}
	return binary
}

// launch starts a process. Its ready file and its first line of output follow.
func (c *crashing) launch() (stdout io.Reader) {
	c.cmd = exec.Command(c.binary, "up", "--data", c.data, "--listen", "127.0.0.1:0", "--ready-file", filepath.Join(c.tmp, "ready"))
	c.cmd.Env = append(os.Environ(), "TMPDIR="+c.tmp)
	c.stderr = new(bytes.Buffer)
	c.cmd.Stderr = c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return stdout
}

// start starts a server and returns once every door answers. The server says
// so on stdout, and the end of its output tells that it never will.
func (c *crashing) start() {
	if _, err := bufio.NewReader(c.launch()).ReadString('\n'); err != nil {
		c.t.Fatalf("the server ended before it was ready: %v\n%s", c.cmd.Wait(), c.stderr)
	}
	b, err := os.ReadFile(filepath.Join(c.tmp, "ready"))
	if err == nil {
		err = json.Unmarshal(b, &c.status)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// end ends the server and looks at what it had to say.
func (c *crashing) end(signal syscall.Signal) error {
	if c.cmd.ProcessState != nil {
		return nil
	}
	if err := c.cmd.Process.Signal(signal); err != nil {
		return err
	}
	err := c.cmd.Wait()
	for line := range strings.Lines(c.stderr.String()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=WARN") || strings.Contains(line, "panic") {
			c.t.Errorf("the server complains: %s", line)
		}
	}
	return err
}

// waitAtMost waits for a random moment.
func waitAtMost(random *rand.Rand, limit time.Duration) {
	<-time.After(time.Duration(random.Int64N(int64(limit))))
}

// killedStart kills a server that has hardly begun. It may be ready already.
func (c *crashing) killedStart(random *rand.Rand) {
	c.launch()
	waitAtMost(random, 80*time.Millisecond)
	c.end(syscall.SIGKILL)
	if code := c.cmd.ProcessState.ExitCode(); code != -1 {
		c.t.Fatalf("the server ended by itself with %d:\n%s", code, c.stderr)
	}
}

// restart kills the server and starts the next one, which has to find its way
// after a start that was killed, too.
func (c *crashing) restart(random *rand.Rand) {
	c.alive.Lock()
	defer c.alive.Unlock()
	c.end(syscall.SIGKILL)
	if random.IntN(3) == 0 {
		c.killedStart(random)
	}
	c.start()
}

// killAndRestart kills the server after random numbers of writes, at a random
// moment of the next ones.
func (c *crashing) killAndRestart(random *rand.Rand) {
	after := make([]int64, crashKills)
	for i := range after {
		after[i] = random.Int64N(crashWrites * 9 / 10)
	}
	slices.Sort(after)
	for _, n := range after {
		for writing := true; writing && c.acknowledged.Load() < n; {
			_, writing = <-c.progress
		}
		waitAtMost(random, 10*time.Millisecond)
		c.restart(random)
	}
	c.t.Logf("%d kills; %d writes were never answered", crashKills, c.lost.Load())
}

// prepare makes a group and a vault whose policy lets the operator do all.
func (c *crashing) prepare() {
	ca, err := os.ReadFile(c.status.CAFile)
	if err != nil {
		c.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c.progress = make(chan struct{}, 1)
	c.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConnsPerHost: crashWriters,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			c.alive.RLock()
			endpoint := c.status.Endpoint
			c.alive.RUnlock()
			return new(net.Dialer).DialContext(ctx, network, endpoint)
		},
	}}
	c.t.Cleanup(c.client.CloseIdleConnections)
	c.authorize(c.status.Endpoints.ResourceManager + "/")
	group := c.status.Endpoints.ResourceManager + "/subscriptions/" + c.status.SubscriptionID + "/resourceGroups/crash"
	c.must(http.MethodPut, group+"?api-version=2021-04-01", map[string]any{"location": "westeurope"})
	c.must(http.MethodPut, group+"/providers/Microsoft.KeyVault/vaults/"+crashVault+"?api-version=2023-07-01", map[string]any{
		"location": "westeurope",
		"properties": map[string]any{
			"tenantId": c.status.TenantID, "sku": map[string]any{"family": "A", "name": "standard"},
			"accessPolicies": []any{map[string]any{"tenantId": c.status.TenantID, "objectId": c.operator(), "permissions": map[string]any{"secrets": []string{"all"}}}},
		},
	})
	// This one token is good for all lives of the server.
	c.authorize("https://" + c.status.Endpoints.VaultSuffix)
}

// authorize takes an operator's token for a resource.
func (c *crashing) authorize(resource string) {
	token, err := control.Dial(c.status.ControlSocket).Token(c.t.Context(), resource)
	if err != nil {
		c.t.Fatal(err)
	}
	c.token = token.AccessToken
}

// operator is whom the token speaks for.
func (c *crashing) operator() string {
	var claims struct {
		ObjectID string `json:"oid"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(c.token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return claims.ObjectID
}

// do sends a request. An error is a connection that the server's end broke.
func (c *crashing) do(method, url string, body any) (status int, answer []byte, err error) {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return 0, nil, err
		}
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, url, &content)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func (c *crashing) must(method, url string, body any) []byte {
	c.t.Helper()
	status, answer, err := c.do(method, url, body)
	if err != nil || status/100 != 2 {
		c.t.Fatalf("%s %s: %d, %v\n%s", method, url, status, err, answer)
	}
	return answer
}

// crashWrite is one attempt to write a value.
type crashWrite struct {
	value   string
	version string // as answered; "" where no answer came
}

// crashSecret is what the answers say of a secret.
type crashSecret struct {
	Value string `json:"value"`
	ID    string `json:"id"`
}

func (s crashSecret) version() string { return s.ID[strings.LastIndexByte(s.ID, '/')+1:] }

func (c *crashing) secret(n int, more string) string {
	return fmt.Sprintf("https://%s.%s/secrets/s-%d%s?api-version=7.4", crashVault, c.status.Endpoints.VaultSuffix, n, more)
}

// write writes the versions of one secret, each until it is acknowledged. No
// two attempts have the same value.
func (c *crashing) write(random *rand.Rand, n int) (attempts []crashWrite) {
	url := c.secret(n, "")
	for acknowledged := 0; acknowledged < crashWrites/crashNames; {
		a := crashWrite{value: strings.Repeat(fmt.Sprintf("%d of %d;", len(attempts), n), 1+random.IntN(1000))}
		status, answer, err := c.do(http.MethodPut, url, map[string]any{"value": a.value})
		var s crashSecret
		switch {
		case c.t.Context().Err() != nil:
			return attempts
		case err != nil:
			c.lost.Add(1)
		case status != http.StatusOK || json.Unmarshal(answer, &s) != nil || s.Value != a.value:
			c.t.Errorf("%s: %d %.300s", url, status, answer)
			return attempts
		default:
			a.version = s.version()
			acknowledged++
			c.acknowledged.Add(1)
			select {
			case c.progress <- struct{}{}:
			default: // one waits there already
			}
		}
		attempts = append(attempts, a)
	}
	return attempts
}

// check reads a secret back: every acknowledged version with its value, the
// last of them as the current one, and of the attempts that were never
// answered either the whole or nothing.
func (c *crashing) check(n int, attempts []crashWrite) {
	read := func(version string) (s crashSecret) {
		if err := json.Unmarshal(c.must(http.MethodGet, c.secret(n, version), nil), &s); err != nil {
			c.t.Fatal(err)
		}
		return s
	}
	if len(attempts) == 0 {
		c.t.Errorf("secret %d was not written", n)
		return
	}
	last, acknowledged := attempts[len(attempts)-1], map[string]bool{}
	if s := read(""); s.version() != last.version || s.Value != last.value {
		c.t.Errorf("secret %d is at %.100q (%s); %.100q (%s) was acknowledged last", n, s.Value, s.version(), last.value, last.version)
	}
	for _, a := range attempts {
		if a.version == "" {
			continue
		}
		acknowledged[a.version] = true
		if s := read("/" + a.version); s.Value != a.value {
			c.t.Errorf("secret %d has %.100q for the acknowledged %.100q", n, s.Value, a.value)
		}
	}
	var page struct {
		Value    []crashSecret `json:"value"`
		NextLink *string       `json:"nextLink"`
	}
	if err := json.Unmarshal(c.must(http.MethodGet, c.secret(n, "/versions"), nil), &page); err != nil || page.NextLink != nil {
		c.t.Fatalf("%+v, %v", page, err)
	}
	for _, s := range page.Value {
		v := s.version()
		if acknowledged[v] {
			delete(acknowledged, v)
			continue
		}
		value := read("/" + v).Value
		if !slices.ContainsFunc(attempts, func(a crashWrite) bool { return a.version == "" && a.value == value }) {
			c.t.Errorf("secret %d has %.100q, which nobody wrote so", n, value)
		}
	}
	if len(acknowledged) > 0 {
		c.t.Errorf("secret %d does not list %d acknowledged versions", n, len(acknowledged))
	}
}

// checkDatabase lets the engine look through its own file.
func (c *crashing) checkDatabase() {
	db, err := sql.Open("sqlite", filepath.Join(c.data, "midas.db"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		c.t.Errorf("integrity_check says %q, %v", verdict, err)
	}
	rows, err := db.Query("PRAGMA foreign_key_check")
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		c.t.Error("a row refers to one that is not there")
	}
	if err := rows.Err(); err != nil {
		c.t.Error(err)
	}
}
