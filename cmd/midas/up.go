package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"midas"
	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/control"
)

type upFlags struct {
	data, listen, cloud, tenant, subscription, readyFile, logLevel string
	ephemeral, sample                                              bool
}

func newUp(stdout, stderr io.Writer) *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use:   "up",
		Short: "Start a whole cloud on this machine",
		Long:  "Starts a token service, Resource Manager and Key Vault on this machine, and serves until\ninterrupted. A second start on the same data directory continues where the first one was.",
		Example: `  midas up --sample
  midas run --vm ubuntu -- curl -H Metadata:true 'http://169.254.169.254/metadata/instance?api-version=2021-02-01'`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return up(c.Context(), f, stdout, stderr) },
	}
	dataFlag(c, &f.data)
	c.Flags().BoolVar(&f.ephemeral, "ephemeral", false, "keep the data in a temporary directory that goes when the command ends")
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:7443", "`address` of the front port; port 0 takes a free one")
	c.Flags().StringVar(&f.cloud, "cloud", "", "`name` of the cloud: AzureCloud, AzureChinaCloud or AzureUSGovernment (default AzureCloud)")
	c.Flags().StringVar(&f.tenant, "tenant", "", "`GUID` of the tenant (default: a new one)")
	c.Flags().StringVar(&f.subscription, "subscription", "", "`GUID` of the subscription (default: a new one)")
	c.Flags().BoolVar(&f.sample, "sample", false, "make a machine, a vault and a secret to play with")
	c.Flags().StringVar(&f.readyFile, "ready-file", "", "`file` to write the status to, as JSON, once every door answers")
	c.Flags().StringVar(&f.logLevel, "log-level", "info", "what to tell on stderr: debug, info, warn or error")
	return c
}

func up(ctx context.Context, f upFlags, stdout, stderr io.Writer) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return usageError{fmt.Errorf("--log-level %q is not a level", f.logLevel)}
	}
	if f.ephemeral && f.data != "" {
		return usageError{errors.New("--ephemeral and --data exclude each other")}
	}
	if f.cloud != "" {
		if _, err := cloud.Lookup(f.cloud); err != nil {
			return usageError{fmt.Errorf("--cloud: %w", err)}
		}
	}
	for flag, value := range map[string]string{"--tenant": f.tenant, "--subscription": f.subscription} {
		if _, ok := azure.ParseGUID(value); value != "" && !ok {
			return usageError{fmt.Errorf("%s %q is not a GUID", flag, value)}
		}
	}
	dir, err := upDir(f)
	if err != nil {
		return err
	}
	if f.ephemeral {
		defer os.RemoveAll(filepath.Dir(dir))
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	server, err := midas.New(ctx, midas.Config{DataDir: dir, Listen: f.listen, Cloud: f.cloud, Tenant: f.tenant, Subscription: f.subscription,
		Sample: f.sample, Development: true, RootKey: os.Getenv("MIDAS_ROOT_KEY"), Log: log})
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Run(ctx) }()
	select {
	case err := <-failed:
		return err
	case <-server.Ready():
	}
	status := server.Status()
	if f.readyFile != "" {
		if err := writeReady(f.readyFile, status); err != nil {
			return err
		}
		defer os.Remove(f.readyFile)
	}
	tellUp(stdout, stderr, status)
	tellPassword(stderr, server)
	return <-failed
}

// upDir is the data directory. An ephemeral one takes the place of MIDAS_HOME
// only for those who are told: it is printed.
func upDir(f upFlags) (string, error) {
	if !f.ephemeral {
		return dataDir(f.data)
	}
	parent, err := os.MkdirTemp("", "midas-up-")
	return filepath.Join(parent, "data"), err
}

// writeReady writes the file whole: whoever sees it can read all of it.
func writeReady(path string, s control.Status) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("the ready file cannot be written: %w", err)
	}
	return os.Rename(tmp, path)
}

// tellPassword shows the operator's first password, this once.
func tellPassword(stderr io.Writer, server *midas.Server) {
	if upn, password := server.FirstPassword(); password != "" {
		fmt.Fprintf(stderr, "Sign in as %s with the password %s\n(shown this once; `midas user set-password` gives another)\n\n", upn, password)
	}
}

func tellUp(stdout, stderr io.Writer, s control.Status) {
	printStatus(stdout, s)
	at := ""
	if dir, err := dataDir(""); err != nil || dir != s.DataDir {
		at = "export MIDAS_HOME=" + s.DataDir + "\n  "
	}
	me := os.Args[0] // as it was called here, so that the lines work as they stand
	fmt.Fprintf(stderr, "\nThe cloud is up; Ctrl-C ends it. Try, in another terminal:\n\n")
	if s.Sample == nil {
		fmt.Fprintf(stderr, "  %[1]s%[2]s token --resource %[3]s/ --decode\n  %[2]s run -- curl '%[3]s/subscriptions?api-version=2022-12-01' -H \"Authorization: Bearer $(%[2]s token --resource %[3]s/)\"\n\n",
			at, me, s.Endpoints.ResourceManager)
		return
	}
	fmt.Fprintf(stderr, `  %s%s run --vm %s -- sh
  token=$(curl -s -H Metadata:true 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%%3A%%2F%%2F%s' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl '%ssecrets/%s?api-version=2016-10-01' -H "Authorization: Bearer $token"

`, at, me, s.Sample.VM, s.Endpoints.VaultSuffix, s.Sample.VaultURI, s.Sample.Secret)
}
