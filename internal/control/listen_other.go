//go:build !linux

package control

import "syscall"

// bornPrivate does nothing: elsewhere a socket takes its mode when it has a
// name, and until then the data directory (0700) keeps others out.
func bornPrivate(string, string, syscall.RawConn) error { return nil }
