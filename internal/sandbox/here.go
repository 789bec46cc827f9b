package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// Here runs the command of c in the caller's own world: nothing of c but the
// command, its environment, directory and files counts. What [Run] says of
// exit codes and signals holds here, too; an interrupt that a terminal has
// sent to both is not sent again.
func Here(ctx context.Context, c Config) (exitCode int, err error) {
	if err := c.check(); err != nil {
		return codeFailed, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.Command[0], c.Command[1:]...)
	cmd.Env, cmd.Dir = append([]string{}, c.Env...), c.Dir
	c.files(cmd)
	signals := make(chan os.Signal, 16)
	notify(signals)
	defer signal.Stop(signals)
	switch err := cmd.Start(); {
	case errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist):
		return codeNotFound, fmt.Errorf("%s: command not found", c.Command[0])
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOEXEC):
		return codeNotExecutable, fmt.Errorf("%s: cannot be executed", c.Command[0])
	case err != nil:
		return codeFailed, fmt.Errorf("sandbox: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for cancelled := ctx.Done(); ; {
		select {
		case err := <-ended:
			return codeOf(cmd, err)
		case s := <-signals:
			if s != syscall.SIGINT || !atTerminal() {
				cmd.Process.Signal(s) // it may have ended meanwhile
			}
		case <-cancelled:
			cancelled = nil
			cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

// codeOf is the exit code of a command that has ended.
func codeOf(cmd *exec.Cmd, err error) (int, error) {
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return codeFailed, err
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return codeSignal + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// files gives a command its standard files: a nil *os.File in the interface
// would not be nil.
func (c Config) files(cmd *exec.Cmd) {
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin
	}
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	if c.Stderr != nil {
		cmd.Stderr = c.Stderr
	}
}

// notify asks for the signals that are passed on, except those that our own
// caller had us ignore, as nohup does: the command inherits that.
func notify(signals chan<- os.Signal) {
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
}
