//go:build unix

package storetest

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner is the user that a cluster runs as: PostgreSQL refuses to run as root.
type owner struct{ uid, gid int }

// disownRoot gives a directory to an unprivileged user where this one is root.
func disownRoot(dir string) (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	var o owner
	if o.uid, err = strconv.Atoi(u.Uid); err != nil {
		return nil, err
	}
	if o.gid, err = strconv.Atoi(u.Gid); err != nil {
		return nil, err
	}
	return &o, os.Chown(dir, o.uid, o.gid)
}

// run makes a command run as the owner.
func (o *owner) run(c *exec.Cmd) {
	if o != nil {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}}
	}
}
