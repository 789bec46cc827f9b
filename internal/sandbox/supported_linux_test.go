package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestSupported(t *testing.T) {
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
}

// TestNotSupported sets the limit of a user namespace of its own to none.
func TestNotSupported(t *testing.T) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd := exec.Command("unshare", "--user", "--map-root-user", "sh", "-c",
		"echo 0 >/proc/sys/user/max_user_namespaces && exec /proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{self}
	cmd.Env = append(os.Environ(), supportedVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "user.max_user_namespaces is 0") || !strings.Contains(string(out), "--via proxy") {
		t.Errorf("error %v, printed %s", err, out)
	}
}

func TestReason(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		root  bool
		why   string
		fix   string
	}{
		{"limit", map[string]string{"/proc/sys/user/max_user_namespaces": "0"}, true, "max_user_namespaces", "sysctl"},
		{"Debian", map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0"}, false, "unprivileged_userns_clone", "sysctl"},
		{"Ubuntu", map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}, false, "apparmor", "AppArmor profile"},
		{"Ubuntu as root", map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}, true, "kernel refused", "--via proxy"},
		{"container", map[string]string{"/proc/self/status": "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1"}, true, "seccomp", "--security-opt"},
		{"unknown", nil, false, "kernel refused", "--via proxy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			why, fix := reason(func(path string) string { return tt.files[path] }, tt.root)
			if !strings.Contains(why, tt.why) || !strings.Contains(fix, tt.fix) || !strings.Contains(fix, "--via proxy") {
				t.Errorf("why %q, fix %q", why, fix)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	if err := explain(syscall.EPERM); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, syscall.EPERM) ||
		!strings.Contains(err.Error(), "--via proxy") {
		t.Errorf("a refusal is explained as %v", err)
	}
	if err := explain(syscall.E2BIG); errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("another error is explained as %v", err)
	}
}
