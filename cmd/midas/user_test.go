package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midas/internal/control"
)

// up runs `midas up` until what it says on stderr has a line that begins so,
// does something, and returns all that it said.
func upUntil(t *testing.T, dir, begins string, then func()) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var out, said bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"up", "--data", dir, "--listen", "127.0.0.1:0", "--ready-file", filepath.Join(dir, "ready.json"), "--log-level", "debug"}, strings.NewReader(""), &out, w)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if then != nil && strings.HasPrefix(lines.Text(), begins) {
			then()
			then = nil
			cancel()
		}
	}
	cancel()
	if code := <-done; code != 0 || then != nil {
		t.Fatalf("up exits with %d and said\n%s", code, &said)
	}
	return out.String(), said.String()
}

// TestFirstPassword: the operator's first password is shown once, on stderr,
// by the start that makes the installation, and is nowhere else.
func TestFirstPassword(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	shown := regexp.MustCompile(`Sign in as operator@midas\.onmicrosoft\.com with the password ((?:[a-z2-9]{5}-){3}[a-z2-9]{5})\n`)
	stdout, stderr := upUntil(t, dir, "(shown this once", func() {
		ready, err := os.ReadFile(filepath.Join(dir, "ready.json"))
		if err != nil || !json.Valid(ready) {
			t.Errorf("%s, %v", ready, err)
		}
		if shown.Match(ready) || bytes.Contains(ready, []byte("assword")) {
			t.Errorf("the ready file tells: %s", ready)
		}
	})
	m := shown.FindStringSubmatch(stderr)
	if m == nil {
		t.Fatalf("no password is shown:\n%s", stderr)
	}
	if strings.Count(stderr, m[1]) != 1 || strings.Contains(stdout, m[1]) {
		t.Errorf("it is shown again:\n%s%s", stdout, stderr)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(m[1])) {
			t.Errorf("it is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr = upUntil(t, dir, "The cloud is up", func() {})
	if strings.Contains(stderr, m[1]) || shown.MatchString(stderr) || strings.Contains(stdout, m[1]) {
		t.Errorf("it is shown by the second start:\n%s%s", stdout, stderr)
	}
}

func TestUserCommands(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	serve(t, dir)
	typed := func(code int, in string, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		if got := run(t.Context(), append(args, "--data", dir), strings.NewReader(in), &out, &errs); got != code {
			t.Fatalf("midas %v exits with %d, not %d\n%s%s", args, got, code, &out, &errs)
		}
		return out.String(), errs.String()
	}
	const ada = "ada@midas.onmicrosoft.com"
	stdout, _ := typed(0, "correct horse battery\nand more\n", "user", "create", ada, "--name", "Ada")
	var made control.NewUser
	if err := json.Unmarshal([]byte(stdout), &made); err != nil || made.UPN != ada || made.Password != "" || !made.HasPassword {
		t.Errorf("%s, %v", stdout, err)
	}
	stdout, stderr := typed(0, "", "user", "set-password", ada, "--generate")
	if !regexp.MustCompile(`^([a-z2-9]{5}-){3}[a-z2-9]{5}\n$`).MatchString(stdout) || stderr != "" {
		t.Errorf("%q, %q", stdout, stderr)
	}
	if stdout, stderr = typed(0, "another password\n", "user", "set-password", strings.ToUpper(ada)); stdout+stderr != "" {
		t.Errorf("%q, %q", stdout, stderr)
	}
	stdout, _ = typed(0, "", "user", "list")
	wantIn(t, stdout, ada, "operator@midas.onmicrosoft.com", "can sign in")
	for want, args := range map[string][]string{
		"there is no password on standard input\nhint: ": {"user", "set-password", ada},
		"there is no user nobody@x":                      {"user", "set-password", "nobody@x", "--generate"},
		"cannot be a user's name":                        {"user", "create", "ada@elsewhere.example", "--name", "A", "--generate"},
		"there is a user ADA@midas.onmicrosoft.com":      {"user", "create", "ADA@midas.onmicrosoft.com", "--name", "A", "--generate"},
		"there is no role":                               {"user", "create", "bob@midas.onmicrosoft.com", "--name", "B", "--generate", "--role", "Nothing", "--scope", "/"},
		"a role and a scope go together":                 {"user", "create", "bob@midas.onmicrosoft.com", "--name", "B", "--generate", "--role", "Reader"},
	} {
		_, stderr := typed(exitFailed, "", args...)
		wantIn(t, stderr, want)
	}
	if stdout, _ = typed(0, "", "user", "list"); strings.Contains(stdout, "bob@") {
		t.Errorf("a user was made in spite of its role:\n%s", stdout)
	}
	typed(exitUsage, "", "user", "create", ada)
	typed(exitUsage, "", "user", "set-password")
}
