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

type runFlags struct {
	data, vm, via, source, clientID string
	egress                          bool
}

func newRun(stderr io.Writer) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [--vm NAME [--source SOURCE]] [--via namespace|proxy] -- COMMAND [ARGUMENT...]",
		Short: "Run a command as if on a machine of the cloud",
		Long: `Runs a command in a namespace where the cloud's names resolve to this cloud, its CA is
trusted, and nothing else can be reached. With --vm the metadata service at
169.254.169.254 answers as that virtual machine's, and so does the port of the retired
identity extension where it is installed. The command's exit code is passed on.

With --source the machine's identity is found where another service has it, and only
there: extension, appservice, appservice2017, azureml, cloudshell, servicefabric, or
workload, which is the token file of a pod.

With --via proxy the command keeps the network that it has, and is led to the cloud by the
variables that clients read for a proxy and for trust: for systems without namespaces. The
proxy reaches this cloud and the machine's own addresses.

With --egress everything else that this machine reaches can be reached, too. In a namespace
that is by name, as this machine resolves names, and this machine's own loopback is
host.midas.internal. The cloud's names stay in, and link-local addresses are never reached.`,
		Example: "  midas run --vm ubuntu -- curl -H Metadata:true 'http://169.254.169.254/metadata/instance?api-version=2021-02-01'\n  midas run --vm ubuntu --source appservice -- az login --identity\n  midas run --vm ubuntu -- python3 app.py\n  midas run --vm ubuntu --egress -- psql -h host.midas.internal",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("there is no command to run")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
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
	c.Flags().StringVar(&f.source, "source", "", "`where` the machine's identity is found; imds if not given")
	c.Flags().StringVar(&f.clientID, "client-id", "", "with --source workload: client `id` of the identity, where the machine has several")
	c.Flags().StringVar(&f.via, "via", control.ViaNamespace, "`way` to the cloud: namespace (Linux) or proxy (everywhere)")
	c.Flags().BoolVar(&f.egress, "egress", false, "let the command reach what this machine reaches")
	return c
}

// check finds what does not go together.
func (f runFlags) check() error {
	if f.via != control.ViaNamespace && f.via != control.ViaProxy {
		return usageError{fmt.Errorf("--via %q is neither %s nor %s", f.via, control.ViaNamespace, control.ViaProxy)}
	}
	return nil
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
	if f.via == control.ViaProxy {
		return runProxied(ctx, client, s, f, command)
	}
	if err := sandbox.Supported(); err != nil {
		return 0, err
	}
	// The lease outlives an interrupt: the command decides when it is done.
	lease, err := client.Attach(context.WithoutCancel(ctx), control.AttachRequest{VM: f.vm, Via: control.ViaNamespace, Source: f.source, ClientID: f.clientID})
	if err != nil {
		return 0, err
	}
	defer lease.Close()
	world, err := world(s, lease.Attachment)
	if err != nil {
		return 0, err
	}
	if f.egress {
		profile, err := cloud.Lookup(s.Cloud)
		if err != nil {
			return 0, err
		}
		world.Egress = &sandbox.Egress{Withhold: profile.Owns}
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
	if dir, err := configDir(s.DataDir, a.VM); err != nil {
		return sandbox.Config{}, err
	} else if dir != "" {
		env = append(env, "AZURE_CONFIG_DIR="+dir)
	}
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
