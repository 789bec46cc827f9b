package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"midas/internal/cloud"
	"midas/internal/control"
	"midas/internal/pki"
	"midas/internal/sandbox"
)

type runFlags struct{ data, vm, source, clientID string }

func newRun(stderr io.Writer) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [--vm NAME] -- COMMAND [ARGUMENT...]",
		Short: "Run a command as if on a machine of the cloud",
		Long: `Runs a command in a namespace where the cloud's names resolve to this cloud, its CA is
trusted, and nothing else can be reached. With --vm the metadata service at
169.254.169.254 answers as that virtual machine's. The command's exit code is passed on.`,
		Example: "  midas run --vm ubuntu -- curl -H Metadata:true 'http://169.254.169.254/metadata/instance?api-version=2021-02-01'\n  midas run --vm ubuntu -- python3 app.py",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("there is no command to run")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			code, err := runCommand(c.Context(), f, args)
			if code != 0 {
				return exitCode{err, code}
			}
			return err
		},
	}
	c.Flags().SetInterspersed(false) // what follows the command's name is the command's
	dataFlag(c, &f.data)
	c.Flags().StringVar(&f.vm, "vm", "", "`name` or resource id of the virtual machine to be")
	c.Flags().StringVar(&f.source, "source", "", "`where` clients find their identity: imds (the default), or workload for a token file as a pod has it")
	c.Flags().StringVar(&f.clientID, "client-id", "", "with --source workload: client `id` of the identity, where the machine has several")
	return c
}

func runCommand(ctx context.Context, f runFlags, command []string) (int, error) {
	client, err := dial(f.data)
	if err != nil {
		return 0, err
	}
	s, err := client.Status(ctx)
	if err != nil {
		return 0, err
	}
	if err := sandbox.Supported(); err != nil {
		return 0, err
	}
	// The lease outlives an interrupt: the command decides when it is done.
	lease, err := client.Attach(context.WithoutCancel(ctx), control.AttachRequest{VM: f.vm, Source: f.source, ClientID: f.clientID})
	if err != nil {
		return 0, err
	}
	defer lease.Close()
	world, err := world(s, lease.Attachment)
	if err != nil {
		return 0, err
	}
	world.Command, world.Stdin, world.Stdout, world.Stderr = command, os.Stdin, os.Stdout, os.Stderr
	// The sandbox passes signals on itself, each as it is.
	return sandbox.Run(context.WithoutCancel(ctx), world)
}

// world describes the namespace: the cloud's names and trust, and the
// machine's own endpoint where there is one.
func world(s control.Status, a control.Attachment) (sandbox.Config, error) {
	profile, err := cloud.Lookup(s.Cloud)
	if err != nil {
		return sandbox.Config{}, err
	}
	bundle, err := os.ReadFile(s.BundleFile)
	if err != nil {
		return sandbox.Config{}, fmt.Errorf("the trust bundle cannot be read: %w", err)
	}
	java, err := pki.JavaTrustStore(bundle)
	if err != nil {
		return sandbox.Config{}, err
	}
	to := func(network, address string) func(context.Context) (net.Conn, error) {
		return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, network, address) }
	}
	env := sandbox.Env(os.Environ(), s.BundleFile, s.CAFile)
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		env = append(env, name+"="+a.Env[name])
	}
	c := sandbox.Config{Hosts: profile.Serves, Bundle: bundle, JavaTrustStore: java, Env: env,
		Listeners: []sandbox.Listener{{Addr: "127.0.0.1:443", Dial: to("tcp", s.Endpoint)}}}
	for _, e := range a.Endpoints {
		c.Listeners = append(c.Listeners, sandbox.Listener{Addr: e.Addr, Dial: to("unix", e.Socket)})
	}
	return c, nil
}
