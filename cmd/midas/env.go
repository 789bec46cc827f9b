package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"midas"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/sandbox"
)

type envFlags struct {
	data, vm, source, clientID, shell string
	egress, undo                      bool
}

func newEnv(stdout, stderr io.Writer) *cobra.Command {
	var f envFlags
	c := &cobra.Command{
		Use:   "env [--vm NAME] [--shell SHELL] [--undo]",
		Short: "Print the variables that lead a shell to the cloud",
		Long: `Prints what makes a shell, a container or a CI job reach the cloud through its proxy, as
` + "`midas run --via proxy`" + ` does for one command. The variables hold a credential of their own,
which lasts until --undo, or as long as the server.`,
		Example: "  eval \"$(midas env --vm ubuntu)\"\n  eval \"$(midas env --undo)\"\n  midas env --vm ubuntu --shell docker >midas.env && docker run --env-file midas.env …\n  midas env --vm ubuntu --shell github >>\"$GITHUB_ENV\"",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			name, err := shellOf(f.shell, os.Getenv("SHELL"), runtime.GOOS)
			if err != nil {
				return err
			}
			if f.undo {
				return undoEnv(c.Context(), f, shells[name], stdout, stderr)
			}
			return printEnv(c.Context(), f, name, stdout, stderr)
		},
	}
	dataFlag(c, &f.data)
	c.Flags().StringVar(&f.vm, "vm", "", "`name` or resource id of the virtual machine to be")
	c.Flags().StringVar(&f.source, "source", "", "where clients on the machine look for its identity (default imds)")
	c.Flags().StringVar(&f.clientID, "client-id", "", "with --source workload: client `id` of the identity, where the machine has several")
	c.Flags().StringVar(&f.shell, "shell", "", "`form` of the lines: "+shellNames+" (default by $SHELL)")
	c.Flags().BoolVar(&f.egress, "egress", false, "let other hosts be reached, too")
	c.Flags().BoolVar(&f.undo, "undo", false, "print what takes the variables back, and end their credential")
	return c
}

func printEnv(ctx context.Context, f envFlags, name string, stdout, stderr io.Writer) error {
	client, err := dial(f.data)
	if err != nil {
		return err
	}
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	a, err := client.Lease(ctx, control.AttachRequest{VM: f.vm, Source: f.source, ClientID: f.clientID, Via: control.ViaProxy, Egress: f.egress})
	if err != nil {
		return err
	}
	text, err := envText(f, name, s, a)
	if err != nil {
		client.EndLease(ctx, a.Proxy) // nobody will know it
		return err
	}
	if name == "github" && os.Getenv("GITHUB_ACTIONS") == "true" {
		u, err := url.Parse(a.Proxy)
		if err != nil {
			return err
		}
		token, _ := u.User.Password()
		fmt.Fprintf(stderr, "::add-mask::%s\n", token) // the runner keeps it out of its log
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// envText writes the variables in the form that was asked for.
func envText(f envFlags, name string, s control.Status, a control.Attachment) (string, error) {
	p, err := proxied(s, a)
	if err != nil {
		return "", err
	}
	base, notes := os.Environ(), ""
	if name == "docker" { // a container has an environment and files of its own
		base = nil
		if p, notes, err = contained(p, s); err != nil {
			return "", err
		}
	}
	vs := p.Variables(base)
	for _, diverts := range sandbox.Diverting(base) {
		if shells[name].unset != nil && !shells[name].file && !slices.ContainsFunc(vs, func(v sandbox.Variable) bool { return v.Name == diverts }) {
			vs = append([]sandbox.Variable{{Name: diverts}}, vs...)
		}
	}
	var b strings.Builder
	for _, v := range vs {
		line, err := shells[name].line(v.Name, v.Value)
		if err != nil {
			return "", err
		}
		b.WriteString(line)
	}
	if undo := shells[name].undo; undo != "" {
		fmt.Fprintf(&b, "%s# to undo: "+undo+"\n", notes, commented(undoCommand(f)))
	}
	return b.String(), nil
}

// undoCommand is how the environment is undone, as this command was called.
func undoCommand(f envFlags) string {
	c := quoteWord(os.Args[0]) + " env --undo"
	if f.data != "" {
		c += " --data " + quoteWord(f.data)
	}
	return c
}

// quoteWord quotes for a POSIX shell where there is something to quote.
func quoteWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:") == "" && s != "" {
		return s
	}
	return quoteSh(s)
}

// commented keeps a text within the line of its comment.
func commented(s string) string { return strings.NewReplacer("\n", "?", "\r", "?").Replace(s) }

// dockerHost is how a container calls the machine that it runs on.
const dockerHost = "host.docker.internal"

// contained is p as a container sees it, and how to start one.
func contained(p sandbox.Proxied, s control.Status) (sandbox.Proxied, string, error) {
	front, err := netip.ParseAddrPort(s.Endpoint)
	if err != nil {
		return p, "", err
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		return p, "", err
	}
	flags, notes := "", ""
	if front.Addr().IsLoopback() || front.Addr().IsUnspecified() {
		u.Host = fmt.Sprintf("%s:%d", dockerHost, front.Port())
		flags = " --add-host " + dockerHost + ":host-gateway"
	}
	if front.Addr().IsLoopback() {
		notes = fmt.Sprintf("# The front port listens on %s only, which Docker Desktop leads to. Docker on Linux does not:\n"+
			"# there, start the cloud with --listen and the address of Docker's bridge, such as 172.17.0.1:%d.\n", front, front.Port())
	}
	files := []struct {
		of     *string
		inside string
	}{{&p.Bundle, "/midas/bundle.pem"}, {&p.CA, "/midas/ca.pem"}, {&p.JavaTrustStore, "/midas/truststore.p12"}}
	for _, file := range files {
		flags += " -v " + quoteWord(*file.of+":"+file.inside+":ro")
		*file.of = file.inside
	}
	p.URL, p.ConfigDir = u.String(), ""
	return p, "# docker run --env-file FILE" + commented(flags) + " IMAGE\n" + notes, nil
}

// undoEnv takes back what the environment has of ours. It works without a
// server, too: with it every credential has ended.
func undoEnv(ctx context.Context, f envFlags, form shell, stdout, stderr io.Writer) error {
	dir, err := dataDir(f.data)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, v := range (sandbox.Proxied{Dir: dir, JavaTrustStore: javaTrustStorePath(dir)}).Undo(os.Environ()) {
		line, err := form.line(v.Name, v.Value)
		if err != nil {
			return err
		}
		text.WriteString(line)
	}
	if _, err := io.WriteString(stdout, text.String()); err != nil {
		return err
	}
	client := control.Dial(midas.ControlSocket(dir))
	for _, address := range sandbox.Credentials(os.Environ()) {
		if _, err := client.EndLease(ctx, address); fault.Is(err, fault.Unavailable) {
			fmt.Fprintln(stderr, "midas: no server is running here; the credential has ended with it")
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}
