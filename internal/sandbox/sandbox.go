// Package sandbox owns the world in which `midas run` starts a command: a user,
// network and mount namespace where chosen names resolve to listeners of ours,
// where the installation's CA is trusted, and from which no route leads out
// unless its caller asks for a way out.
//
// It does not know what is served behind a listener, which names a cloud has, or
// how certificates are made: callers hand in addresses, a name test and bundles.
// It may import the standard library, golang.org/x/sys/unix,
// golang.org/x/net/dns/dnsmessage, github.com/vishvananda/netlink, and
// gvisor.dev/gvisor's network stack only.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
)

// Config is one run of one command. The design is az-cli.md section 8.
type Config struct {
	// Hosts tells whether a name (lower case, no trailing dot) resolves to
	// 127.0.0.1 inside; every other name does not exist there. It is called from
	// several goroutines. Nil means no name.
	Hosts func(name string) bool

	// Listeners are the addresses opened inside the namespace. Port 53 of
	// 127.0.0.1 is taken by the sandbox's own name server.
	Listeners []Listener

	// Egress is a way out of the namespace. Nil leaves it closed.
	Egress *Egress

	// Bundle is the PEM of all trusted roots, mounted over each bundle file that
	// this system has. Empty means no mount.
	Bundle []byte

	// JavaTrustStore is mounted over each JVM's cacerts that is found. A JVM opens
	// its default store with no password, so the certificates in it must be
	// readable without one. Empty means no mount.
	JavaTrustStore []byte

	Command []string // the program and its arguments; the program is looked up in Env's PATH
	Env     []string // the command's whole environment; see [Env]
	Dir     string   // the command's working directory; empty is the caller's

	// The command's standard files; nil is the null device.
	Stdin, Stdout, Stderr *os.File

	// Kill, when closed, ends every process in the namespace at once. Nil is never.
	Kill <-chan struct{}
}

// A Listener is one TCP address inside the namespace. The address says who is
// calling: everything accepted on it goes to Dial.
type Listener struct {
	// Addr is an IP address and port, such as "169.254.169.254:80". An address
	// that is not loopback is added to the namespace's loopback link.
	Addr string

	// Dial opens the other end, in the caller's own network. Bytes are relayed both
	// ways. A half-close is passed on when the connection has CloseWrite, as TCP,
	// unix and TLS connections do; one without it is closed instead.
	Dial func(ctx context.Context) (net.Conn, error)
}

// Exit codes of a command that never ran, as shells give them.
const (
	codeFailed        = 1
	codeNotExecutable = 126
	codeNotFound      = 127
	codeSignal        = 128 // plus the signal's number
)

// unsupported says why namespaces do not work here and what to do instead.
// It matches [errors.ErrUnsupported].
type unsupported struct {
	why, fix string
	cause    error
}

func (u *unsupported) Error() string {
	text := "no namespaces for an ordinary user here: " + u.why
	if u.cause != nil {
		text += " (" + u.cause.Error() + ")"
	}
	return text + "; " + u.fix
}

func (u *unsupported) Is(target error) bool { return target == errors.ErrUnsupported }

func (u *unsupported) Unwrap() error { return u.cause }

func (c Config) check() error {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return errors.New("sandbox: no command to run")
	}
	for _, l := range c.Listeners {
		if _, err := netip.ParseAddrPort(l.Addr); err != nil {
			return fmt.Errorf("sandbox: listener %q: %w", l.Addr, err)
		}
		if l.Dial == nil {
			return fmt.Errorf("sandbox: listener %q has no Dial", l.Addr)
		}
	}
	if len(c.Listeners) > maxListeners {
		return fmt.Errorf("sandbox: %d listeners, at most %d are possible", len(c.Listeners), maxListeners)
	}
	return nil
}

// maxListeners leaves room for the name server's two sockets and the way out in
// the 253 descriptors that the kernel passes in one message (SCM_MAX_FD).
const maxListeners = 250
