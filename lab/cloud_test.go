package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// ready is what a script may use of the ready file, the JSON of `midas status`.
type ready struct {
	Endpoint       string `json:"endpoint"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	DataDir        string `json:"dataDir"`
	Endpoints      struct {
		Login           string `json:"login"`
		ResourceManager string `json:"resourceManager"`
		VaultSuffix     string `json:"vaultSuffix"`
	} `json:"endpoints"`
	Sample struct {
		Vault    string `json:"vault"`
		VaultURI string `json:"vaultUri"`
	} `json:"sample"`
}

// running is a `midas up` that a script has started.
type running struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	ended  chan struct{} // closed when the process is gone and err is set
	err    error
}

// runningKey is the key under which a script's cloud is kept.
type runningKey struct{}

// cmdCloud starts a cloud and waits until every door answers. Without --data it is
// ephemeral. It leaves ready.json and up.stdout, and sets MIDAS_HOME, TENANT,
// SUBSCRIPTION, ARM, LOGIN, VAULT_SUFFIX, ENDPOINT, and VAULT and VAULT_URI of the sample.
//
//	cloud [args of midas up...]
func cmdCloud(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! cloud")
	}
	readyFile := ts.MkAbs("ready.json")
	ts.Check(os.RemoveAll(readyFile))
	full := []string{"up", "--listen", "127.0.0.1:0", "--ready-file", readyFile, "--cloud", ts.Getenv("CLOUD")}
	if !slices.Contains(args, "--data") {
		full = append(full, "--ephemeral")
	}
	up := start(ts, append(full, args...))
	awaitReady(ts, up, readyFile)
	export(ts, readyFile)
}

// start runs `midas up` and sees to its end with the script's.
func start(ts *testscript.TestScript, args []string) *running {
	stdout, err := os.Create(ts.MkAbs("up.stdout"))
	ts.Check(err)
	defer stdout.Close()
	up := &running{cmd: exec.Command("midas", args...), stderr: new(bytes.Buffer), ended: make(chan struct{})}
	up.cmd.Dir = ts.Getenv("WORK")
	up.cmd.Env = []string{"MIDAS_HOME=" + filepath.Join(ts.Getenv("TMPDIR"), "home")}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		up.cmd.Env = append(up.cmd.Env, name+"="+ts.Getenv(name))
	}
	up.cmd.Stdout, up.cmd.Stderr = stdout, up.stderr
	ts.Check(up.cmd.Start())
	go func() {
		up.err = up.cmd.Wait()
		close(up.ended)
	}()
	slot(ts).running = up
	t := ts.Value(labT{}).(testing.TB)
	ts.Defer(func() {
		if err := up.stop(); err != nil {
			t.Errorf("midas up did not end well: %v\n%s", err, up.stderr)
		}
		if t.Failed() {
			t.Logf("midas up said:\n%s", up.stderr)
		}
	})
	return up
}

// awaitReady returns once the ready file is there whole (it comes by rename), and
// fails when the cloud ends before that. The run's own deadline bounds the wait.
func awaitReady(ts *testscript.TestScript, up *running, file string) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-up.ended:
			ts.Fatalf("midas up ended before it was ready: %v\n%s", up.err, up.stderr)
		case <-look.C:
			_, err := os.Stat(file)
			if err == nil {
				return
			}
			if !errors.Is(err, fs.ErrNotExist) {
				ts.Fatalf("%v", err)
			}
		}
	}
}

func export(ts *testscript.TestScript, file string) {
	var r ready
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &r))
	ts.Setenv("MIDAS_HOME", r.DataDir)
	ts.Setenv("TENANT", r.TenantID)
	ts.Setenv("SUBSCRIPTION", r.SubscriptionID)
	ts.Setenv("ARM", strings.TrimSuffix(r.Endpoints.ResourceManager, "/"))
	ts.Setenv("LOGIN", strings.TrimSuffix(r.Endpoints.Login, "/"))
	ts.Setenv("VAULT_SUFFIX", r.Endpoints.VaultSuffix)
	ts.Setenv("ENDPOINT", r.Endpoint)
	ts.Setenv("VAULT", r.Sample.Vault)
	ts.Setenv("VAULT_URI", r.Sample.VaultURI)
}

// cmdShutdown ends the script's cloud as Ctrl-C would and wants a clean end.
//
//	shutdown
func cmdShutdown(ts *testscript.TestScript, neg bool, args []string) {
	up := slot(ts).running
	if neg || len(args) != 0 || up == nil {
		ts.Fatalf("usage: shutdown, after cloud")
	}
	if err := up.stop(); err != nil {
		ts.Fatalf("midas up did not end well: %v\n%s", err, up.stderr)
	}
	slot(ts).running = nil
}

// stop asks the process to end and returns how it did. More calls change nothing.
func (up *running) stop() error {
	select {
	case <-up.ended:
	default:
		if err := up.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-up.ended
	}
	return up.err
}

// labSlot holds the one cloud that a script has at a time.
type labSlot struct{ running *running }

func slot(ts *testscript.TestScript) *labSlot {
	return ts.Value(runningKey{}).(*labSlot)
}

// cmdARM calls Resource Manager as the operator, from inside `midas run`. STATUS is
// a regular expression that the whole status must match; BODY names a file in which
// $NAME is replaced. The answer's body is left in body.json, its head in head.txt.
//
//	arm STATUS METHOD PATH [BODY]
func cmdARM(ts *testscript.TestScript, neg bool, args []string) {
	call(ts, neg, "arm", ts.Getenv("ARM"), ts.Getenv("ARM")+"/", args)
}

// cmdVault is cmdARM for a vault's data plane; it takes a whole URL.
//
//	vault STATUS METHOD URL [BODY]
func cmdVault(ts *testscript.TestScript, neg bool, args []string) {
	call(ts, neg, "vault", "", "https://"+ts.Getenv("VAULT_SUFFIX"), args)
}

func call(ts *testscript.TestScript, neg bool, name, base, resource string, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: %s STATUS METHOD ADDRESS [BODY]", name)
	}
	want, method, url := args[0], args[1], base+args[2]
	ts.Check(ts.Exec("midas", "token", "--resource", resource))
	token := strings.TrimSpace(ts.ReadFile("stdout"))
	curl := []string{"run", "--", "curl", "-sS", "--globoff", "--path-as-is", "-X", method, url,
		"-H", "Authorization: Bearer " + token, "-D", "head.txt", "-o", "body.json", "-w", "%{http_code}"}
	if len(args) == 4 {
		body := os.Expand(ts.ReadFile(args[3]), ts.Getenv)
		curl = append(curl, "-H", "Content-Type: application/json", "--data-binary", body)
	}
	ts.Check(os.WriteFile(ts.MkAbs("body.json"), nil, 0o600)) // curl writes no file for no body
	ts.Check(ts.Exec("midas", curl...))
	got := strings.TrimSpace(ts.ReadFile("stdout"))
	answer := ts.ReadFile("body.json")
	if !regexp.MustCompile(`^(?:` + want + `)$`).MatchString(got) {
		ts.Fatalf("%s %s: got %s, want %s\n%s", method, url, got, want, answer)
	}
	ts.Logf("[%s]\n%s", got, answer)
}

// cmdCapture runs a program and keeps its one line of output in a variable.
//
//	capture NAME PROGRAM [ARGS...]
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: capture NAME PROGRAM [ARGS...]")
	}
	ts.Check(ts.Exec(args[1], args[2:]...))
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if value == "" || value == "null" || strings.Contains(value, "\n") {
		ts.Fatalf("capture %s: want one line that says something, got %q", args[0], value)
	}
	ts.Setenv(args[0], value)
}
