// Command midas gives any machine a managed identity, and the services that
// accept it. There is one file per command: flags and printing, nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"midas"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/sandbox"
)

// Exit codes (design.md section 5).
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	sandbox.Main() // does not return in the child half of `midas run`
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// exitCode ends the command with a code of its own, and tells the error where
// there is one.
type exitCode struct {
	error
	code int
}

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newCommand(stdout, stderr)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	called, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	code := exitFailed
	if c, ok := errors.AsType[exitCode](err); ok {
		if code = int(c.code); c.error == nil {
			return code
		}
	}
	message := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		message = f.Message
	}
	fmt.Fprintln(stderr, "midas:", message)
	if _, ok := errors.AsType[usageError](err); ok || isUsage(err) {
		fmt.Fprintf(stderr, "hint: %s --help\n", called.CommandPath())
		return exitUsage
	}
	return code
}

// isUsage recognises cobra's own complaint about a command that is not there.
func isUsage(err error) bool { return strings.HasPrefix(err.Error(), "unknown command") }

func newCommand(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "midas",
		Short:         "Managed identities as a service",
		Long:          "Midas gives any machine a managed identity, and the token service, Resource Manager\nand Key Vault that accept it, on Azure's own wire.",
		Version:       midas.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newUp(stdout, stderr), newStatus(stdout), newRun(stderr), newEnv(stdout, stderr), newToken(stdout), newWhy(stdout), newServicePrincipal(stdout), newUser(stdout, stderr), newClock(stdout), newFault(stdout), newEvent(stdout), newVerify(stdout, stderr),
		newBackup(stdout, stderr), newRestore(stdout, stderr), newSeal(stdout, stderr), newWorkload(stdout))
	return root
}

// dataFlag adds --data to a command.
func dataFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "data", "", "data `directory` (default $MIDAS_HOME, else the user's data directory)")
}

// dataDir is where the data is: the flag, the environment, or the user's own place.
func dataDir(flag string) (string, error) {
	dir := flag
	if dir == "" {
		dir = os.Getenv("MIDAS_HOME")
	}
	if dir == "" {
		base := os.Getenv("XDG_DATA_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("there is no home directory: %w\nhint: name a data directory with --data", err)
			}
			base = filepath.Join(home, ".local", "share")
		}
		dir = filepath.Join(base, "midas")
	}
	return filepath.Abs(dir)
}

// dial returns a client of the server on a data directory.
func dial(flag string) (*control.Client, error) {
	dir, err := dataDir(flag)
	if err != nil {
		return nil, err
	}
	return control.Dial(midas.ControlSocket(dir)), nil
}

// exactly refuses arguments that a command does not take, as a usage error.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(c, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// need refuses a flag that was not given, as a usage error.
func need(flags map[string]string) error {
	for name, value := range flags {
		if value == "" {
			return usageError{fmt.Errorf("--%s is needed", name)}
		}
	}
	return nil
}
