package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Supported is nil when namespaces work for this user on this machine. It tries:
// it builds a world, with the metadata address in it, and throws it away. The
// error matches [errors.ErrUnsupported] and says why not and what to do.
func Supported() error {
	p, err := prepare("/", Config{Listeners: []Listener{{Addr: "169.254.169.254:80"}}})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if p.Scratch, err = os.MkdirTemp("", "midas-run-"); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	defer os.Remove(p.Scratch)
	runtime.LockOSThread() // see start
	defer runtime.UnlockOSThread()
	h, err := start(Config{}, p)
	if err != nil {
		return explain(err)
	}
	defer h.abandon()
	files, err := h.ready(3)
	closeAll(files)
	if f := (*failure)(nil); errors.As(err, &f) && f.kind == reportDenied {
		return because(f)
	}
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

// refusals are how a kernel says that it makes no namespaces for us.
var refusals = []error{
	syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.ENOSYS, syscall.ENOSPC, syscall.EUSERS,
}

// explain adds the reason to an error of start, when it is a refusal.
func explain(err error) error {
	if slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }) {
		return because(err)
	}
	return fmt.Errorf("sandbox: %w", err)
}

// because finds the reason of a refusal.
func because(cause error) error {
	why, fix := reason(func(path string) string {
		text, _ := os.ReadFile(path) // absent on kernels without that switch
		return strings.TrimSpace(string(text))
	}, os.Geteuid() == 0)
	return &unsupported{why: why, fix: fix, cause: cause}
}

// reason guesses from the system's settings why a refusal came, likeliest first.
// AppArmor's and Debian's switches do not bind root (az-cli.md section 8).
func reason(read func(path string) string, root bool) (why, fix string) {
	const proxy = ", or use --via proxy"
	switch {
	case read("/proc/sys/user/max_user_namespaces") == "0":
		return "user.max_user_namespaces is 0", "run `sudo sysctl user.max_user_namespaces=15000`" + proxy
	case !root && read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		return "kernel.unprivileged_userns_clone is 0", "run `sudo sysctl kernel.unprivileged_userns_clone=1`" + proxy
	case !root && read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "kernel.apparmor_restrict_unprivileged_userns is 1",
			"run `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, give midas an AppArmor profile with `userns`" + proxy
	case strings.Contains(read("/proc/self/status"), "\nSeccomp:\t2"):
		return "a seccomp filter forbids them, as containers have by default",
			"start the container with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`" + proxy
	default:
		return "the kernel refused", "use --via proxy"
	}
}
