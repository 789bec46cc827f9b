//go:build !linux

package sandbox

import (
	"context"
	"runtime"
)

func here() error {
	return &unsupported{
		why: "they are a feature of Linux, and this is " + runtime.GOOS,
		fix: "use --via proxy",
	}
}

// Supported says why namespaces cannot be used here: this is not Linux.
func Supported() error { return here() }

// Run fails: this is not Linux.
func Run(context.Context, Config) (int, error) { return codeFailed, here() }

// Main returns false: there is no second half of a run here.
func Main() bool { return false }
