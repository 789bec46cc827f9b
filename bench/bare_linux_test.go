package bench

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
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"midas/internal/pki"
)

// The limit runs as this test's own program, called again: these say so.
const (
	bareBody   = "MIDAS_BENCH_BODY"   // file with what to answer
	bareSocket = "MIDAS_BENCH_SOCKET" // unix socket to listen on; without it, TLS on a free port
	bareCA     = "MIDAS_BENCH_CA"     // folder for an authority like ours
)

func TestMain(m *testing.M) {
	if body := os.Getenv(bareBody); body != "" {
		log.Fatal(serveBare(body))
	}
	os.Exit(m.Run())
}

// serveBare is the least that net/http can do: it takes a request, its body
// too, and answers always the same. Its TLS is that of our front port.
func serveBare(file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	length := strconv.Itoa(len(body))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", length)
		w.Write(body)
	})}
	l, err := listenBare()
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return server.Serve(l)
}

func listenBare() (net.Listener, error) {
	if socket := os.Getenv(bareSocket); socket != "" {
		return net.Listen("unix", socket)
	}
	ca, err := pki.Open(os.Getenv(bareCA), pki.Names{Exact: []string{bareHost}}, time.Now)
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: ca.Certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
}

const bareHost = "bare.example"

// startBare starts a limit that answers body, on a unix socket or over TLS.
func startBare(t testing.TB, cores unix.CPUSet, unixSocket bool, body []byte) (*process, place) {
	t.Helper()
	dir := t.TempDir()
	file, ca, at := filepath.Join(dir, "body"), filepath.Join(dir, "ca"), place{host: bareHost}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), bareBody+"="+file, bareCA+"="+ca)
	if unixSocket {
		at.socket = filepath.Join(dir, "s")
		cmd.Env = append(cmd.Env, bareSocket+"="+at.socket)
	}
	p := start(t, cores, cmd)
	if !unixSocket {
		at.address, at.roots = p.said, rootsFrom(t, filepath.Join(ca, "ca.crt"))
	}
	return p, at
}
