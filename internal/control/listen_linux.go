package control

import "syscall"

// bornPrivate sets the mode of a socket before it has a name: Linux carries it
// over to the file, so there is no moment in which others may open it.
func bornPrivate(_, _ string, c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); e != nil {
		return e
	}
	return err
}
