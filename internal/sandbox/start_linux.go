package sandbox

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// half is the parent's hold on a started child half.
type half struct {
	cmd     *exec.Cmd
	conn    *net.UnixConn
	network string // the identity of the child's network namespace
}

// failure is what the child half reported instead of success.
type failure struct {
	kind byte
	text string
}

func (f *failure) Error() string { return f.text }

// start re-executes this program in new namespaces and tells it the plan. The
// calling goroutine must stay locked to its thread until the child has ended:
// the kernel kills the child when the thread that made it ends.
func start(c Config, p plan) (*half, error) {
	if os.Args[0] == childName {
		return nil, errors.New("sandbox.Main was not the first call in main")
	}
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	attr, err := attributes()
	if err != nil {
		ours.Close()
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{childName}, c.Command...),
		Env: append([]string{}, c.Env...), Dir: c.Dir, // never nil, which would be our own
		ExtraFiles: []*os.File{theirs}, SysProcAttr: attr,
	}
	c.files(cmd)
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	h := &half{cmd: cmd, conn: ours}
	if h.network, err = networkOf(strconv.Itoa(cmd.Process.Pid)); err == nil {
		err = gob.NewEncoder(ours).Encode(p)
	}
	if err != nil {
		h.abandon()
		return nil, err
	}
	return h, nil
}

// pair makes the two ends of the socket between the halves.
func pair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs = os.NewFile(uintptr(fds[1]), "child")
	if ours, err = socket(uintptr(fds[0])); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// attributes ask for the three namespaces. The user keeps their own ids inside:
// a command that sees itself as root behaves differently. A caller that is root
// keeps every id that it has, so that it can change user as it can outside.
func attributes() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:   syscall.SIGKILL,
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE},
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return nil, err
	}
	const change = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	if os.Geteuid() != 0 || have[0].Effective&change != change {
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		return attr, nil
	}
	var err error
	if attr.UidMappings, err = allIDs("/proc/self/uid_map"); err != nil {
		return nil, err
	}
	if attr.GidMappings, err = allIDs("/proc/self/gid_map"); err != nil {
		return nil, err
	}
	attr.GidMappingsEnableSetgroups = true
	return attr, nil
}

// allIDs maps every id of our own user namespace to itself.
func allIDs(path string) ([]syscall.SysProcIDMap, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var maps []syscall.SysProcIDMap
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var inside, outside, size int
		if _, err := fmt.Sscan(lines.Text(), &inside, &outside, &size); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		maps = append(maps, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
	}
	return maps, nil
}

// ready waits until the child half has built its world and returns the n sockets
// that it opened there.
func (h *half) ready(n int) ([]*os.File, error) {
	kind := make([]byte, 1)
	rights := make([]byte, unix.CmsgSpace(4*n))
	got, used, _, _, err := h.conn.ReadMsgUnix(kind, rights)
	if err != nil || got == 0 {
		return nil, errors.New("ended before it was ready")
	}
	if kind[0] != reportReady {
		text, _ := io.ReadAll(h.conn)
		return nil, &failure{kind: kind[0], text: string(text)}
	}
	messages, err := unix.ParseSocketControlMessage(rights[:used])
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "namespace"))
		}
	}
	if len(files) != n {
		for _, f := range files {
			f.Close()
		}
		return nil, fmt.Errorf("passed %d sockets of %d", len(files), n)
	}
	return files, nil
}

// release lets the child half become the command, and returns when it has, or
// why it could not.
func (h *half) release() error {
	if _, err := h.conn.Write([]byte{'g'}); err != nil {
		return errors.New("ended before the command was started")
	}
	text, _ := io.ReadAll(h.conn) // ends when exec closes the other end
	if len(text) > 0 {
		return &failure{kind: text[0], text: string(text[1:])}
	}
	return nil
}

// abandon ends a child half that is not wanted any more.
func (h *half) abandon() {
	h.conn.Close()
	h.cmd.Process.Kill()
	h.cmd.Wait()
}

// wait is the exit code of the child.
func (h *half) wait() (int, error) {
	err := h.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return codeFailed, err
	}
	status := h.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return codeSignal + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// networkOf names the network namespace of a process ("self" is our own).
func networkOf(pid string) (string, error) { return os.Readlink("/proc/" + pid + "/ns/net") }

// maxSweeps bounds the search for processes that were made during the search.
const maxSweeps = 100

// kill ends every process in the child's network namespace; it does nothing
// should that be our own.
func (h *half) kill() {
	if own, err := networkOf("self"); err != nil || own == h.network {
		return
	}
	for range maxSweeps {
		if !h.sweep() {
			return
		}
	}
}

// sweep kills what is in the namespace now and tells whether there was any.
func (h *half) sweep() bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	found := false
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// The handle is taken before the look, so that it cannot mean a later process.
		process, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		if network, err := networkOf(e.Name()); err == nil && network == h.network {
			found = process.Kill() == nil || found
		}
		process.Release()
	}
	return found
}
