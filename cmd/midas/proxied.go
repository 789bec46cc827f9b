package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"midas/internal/control"
	"midas/internal/pki"
	"midas/internal/sandbox"
)

// runProxied runs a command in the caller's own world, behind the proxy.
func runProxied(ctx context.Context, client *control.Client, s control.Status, f runFlags, command []string) (int, error) {
	// The lease outlives an interrupt: the command decides when it is done.
	ctx = context.WithoutCancel(ctx)
	lease, err := client.Attach(ctx, control.AttachRequest{VM: f.vm, Via: control.ViaProxy, Source: f.source, ClientID: f.clientID, Egress: f.egress})
	if err != nil {
		return 0, err
	}
	defer lease.Close()
	p, err := proxied(s, lease.Attachment)
	if err != nil {
		return 0, err
	}
	return sandbox.Here(ctx, sandbox.Config{Command: command, Env: p.Env(os.Environ()), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
}

// proxied describes the way through the proxy, and makes the files that it needs.
func proxied(s control.Status, a control.Attachment) (sandbox.Proxied, error) {
	store, err := javaTrustStore(s)
	if err != nil {
		return sandbox.Proxied{}, err
	}
	dir, err := configDir(s.DataDir, a.VM)
	return sandbox.Proxied{URL: a.Proxy, Bundle: s.BundleFile, CA: s.CAFile, JavaTrustStore: store, ConfigDir: dir, Dir: s.DataDir, Machine: a.Env}, err
}

// javaTrustStorePath is where the trust store for JVMs is in a data directory.
func javaTrustStorePath(dataDir string) string { return filepath.Join(dataDir, "truststore.p12") }

// javaTrustStore writes the trust bundle as JVMs read it, where it is not there yet.
func javaTrustStore(s control.Status) (string, error) {
	bundle, err := os.ReadFile(s.BundleFile)
	if err != nil {
		return "", fmt.Errorf("the trust bundle cannot be read: %w", err)
	}
	store, err := pki.JavaTrustStore(bundle)
	if err != nil {
		return "", err
	}
	name := javaTrustStorePath(s.DataDir)
	if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, store) {
		return name, nil
	}
	// Whole or not at all: another command may be reading it.
	tmp, err := os.CreateTemp(s.DataDir, "truststore-")
	if err != nil {
		return "", fmt.Errorf("the trust store cannot be written: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(store)
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	return name, err
}

// azureCLI names the directory in which the Azure CLI keeps who is signed in.
const azureCLI = "AZURE_CONFIG_DIR"

// configDir is the Azure CLI's directory on a machine: each has one of its own,
// so that the user's own sign-in is never touched. It is "" where the caller
// has chosen one.
func configDir(dataDir, vm string) (string, error) {
	ours := filepath.Join(dataDir, "azure")
	if chosen := os.Getenv(azureCLI); chosen != "" && !strings.HasPrefix(chosen, ours+string(filepath.Separator)) {
		return "", nil
	}
	name := "no-machine"
	if vm != "" { // names are not unique, and of no use to people alone
		name = fmt.Sprintf("%s-%x", path.Base(vm), sha256.Sum256([]byte(strings.ToLower(vm))))[:len(path.Base(vm))+9]
	}
	dir := filepath.Join(ours, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("the Azure CLI's directory cannot be made: %w", err)
	}
	return dir, nil
}
