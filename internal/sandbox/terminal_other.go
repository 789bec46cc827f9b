//go:build !unix

package sandbox

// atTerminal is true: the console sends its interrupt to all of its processes.
func atTerminal() bool { return true }
