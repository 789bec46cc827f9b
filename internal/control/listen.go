package control

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"

	"midas/internal/fault"
)

// maxSocketPath is what every system takes: macOS has 104 bytes with the final NUL.
const maxSocketPath = 103

// Listen opens a unix socket at path that only its owner may open. A socket
// that a dead process left there is removed; one that answers, and anything
// that is no socket, is a Conflict. Two processes that start at once are kept
// apart by the data directory's lock, not by this.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fault.New(fault.Invalid, "the socket path %s has %d bytes, and a socket may have at most %d%schoose a shorter data directory", path, len(path), maxSocketPath, hintMark)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: bornPrivate}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the socket %s cannot be opened", path)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "the socket %s cannot be made private", path)
	}
	return l, nil
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path) // a link is not followed: it could lead anywhere
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault.Wrap(err, fault.Unavailable, "the socket %s cannot be looked at", path)
	case info.Mode().Type() != fs.ModeSocket:
		return fault.New(fault.Conflict, "%s is in the way of a socket and is none itself%smove it away", path, hintMark)
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return fault.New(fault.Conflict, "another process listens on %s", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fault.Wrap(err, fault.Conflict, "another process may be listening on %s", path)
	}
	if err := os.Remove(path); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the stale socket %s cannot be removed", path)
	}
	return nil
}
