package sandbox

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// childName is the argv[0] of the re-executed half.
const childName = "midas-sandbox"

// childSocket is the descriptor on which the two halves talk.
const childSocket = 3

// What the child half reports, one octet before the text. Nothing at all after
// reportReady means that the command has been started.
const (
	reportReady         = 'r' // with the sockets: the name server's UDP and TCP, then Addrs, then the way out
	reportFailed        = 'f'
	reportDenied        = 'd' // the kernel refused: namespaces are of no use here
	reportNoWayOut      = 'o' // the link to the outside cannot be made
	reportNotFound      = 'n'
	reportNotExecutable = 'x'
)

// nameServer is where the C libraries look (resolvConf).
const nameServer = "127.0.0.1:53"

// Main must be the first call in main. In the re-executed half of a run it does
// that half's work and never returns; anywhere else it returns false at once.
func Main() bool {
	if len(os.Args) == 0 || os.Args[0] != childName {
		return false
	}
	// Capabilities belong to threads: what is dropped here must be what executes.
	runtime.LockOSThread()
	os.Exit(child(os.Args[1:]))
	return true
}

// child builds the namespaces' inside, waits for leave to go on, and becomes the
// command. It returns only when it cannot.
func child(command []string) int {
	conn, err := socket(childSocket)
	if err != nil {
		fmt.Fprintln(os.Stderr, "midas: this half of `midas run` is started by the other half only")
		return codeFailed
	}
	var p plan
	if err := gob.NewDecoder(conn).Decode(&p); err != nil {
		return codeFailed // the parent has gone
	}
	sockets, err := build(p)
	var t tunnelError
	switch {
	case errors.As(err, &t):
		return report(conn, reportNoWayOut, err)
	case errors.Is(err, fs.ErrPermission):
		return report(conn, reportDenied, err)
	case err != nil:
		return report(conn, reportFailed, err)
	}
	if err := pass(conn, sockets); err != nil {
		return codeFailed
	}
	if n, _ := conn.Read(make([]byte, 1)); n == 0 {
		return codeFailed // the parent has gone, or gave up
	}
	err = execute(command)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return report(conn, reportNotFound, err)
	}
	return report(conn, reportNotExecutable, err)
}

// pass reports that the world is ready, with its sockets.
func pass(conn *net.UnixConn, sockets []*os.File) error {
	var fds []int
	for _, s := range sockets {
		fds = append(fds, int(s.Fd()))
	}
	_, _, err := conn.WriteMsgUnix([]byte{reportReady}, unix.UnixRights(fds...), nil)
	runtime.KeepAlive(sockets)
	return err
}

// socket makes the inherited descriptor a connection that is closed on exec.
func socket(fd uintptr) (*net.UnixConn, error) {
	f := os.NewFile(fd, "parent")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not a unix socket")
	}
	return u, nil
}

// report tells the parent what failed and returns this half's exit code.
func report(conn *net.UnixConn, kind byte, err error) int {
	conn.Write(append([]byte{kind}, err.Error()...))
	return codeFailed
}

// build does all that needs capabilities and returns the open sockets.
func build(p plan) ([]*os.File, error) {
	if err := loopback(p.Addrs); err != nil {
		return nil, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	if err := cover(p.Scratch, p.Overlays); err != nil {
		return nil, err
	}
	sockets, err := listen(p.Addrs)
	if err != nil || !p.Egress {
		return sockets, err
	}
	far, err := tunnel()
	return append(sockets, far), err
}

// cover mounts the overlays. Their files live in a file system in memory that
// ends with the namespace: nothing is left on disk whoever gets killed, and the
// files keep a name, without which the command could not mount over them itself.
func cover(scratch string, overlays []overlay) error {
	if len(overlays) == 0 {
		return nil
	}
	if err := unix.Mount("midas", scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700"); err != nil {
		return fmt.Errorf("mount a file system in memory: %w", err)
	}
	for i, o := range overlays {
		source := filepath.Join(scratch, strconv.Itoa(i))
		if err := os.WriteFile(source, o.Content, 0o644); err != nil {
			return err
		}
		// Whatever the umask: the command may change to another user.
		if err := os.Chmod(source, 0o644); err != nil {
			return err
		}
		for _, target := range o.Targets {
			if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("mount over %s: %w", target, err)
			}
		}
	}
	if err := unix.Unmount(scratch, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", scratch, err)
	}
	return nil
}

// loopback brings lo up with every address that is listened on.
func loopback(addrs []string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback link: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring the loopback link up: %w", err)
	}
	done := map[netip.Addr]bool{}
	for _, a := range addrs {
		ip := netip.MustParseAddrPort(a).Addr().Unmap()
		if ip.IsLoopback() || ip.IsUnspecified() || done[ip] {
			continue
		}
		done[ip] = true
		prefix := net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(ip.BitLen(), ip.BitLen())}
		if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: &prefix, Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("add %s to the loopback link: %w", ip, err)
		}
	}
	return nil
}

// listen opens the sockets. They keep this network namespace wherever they go.
func listen(addrs []string) ([]*os.File, error) {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(nameServer)))
	if err != nil {
		return nil, err
	}
	file, err := udp.File()
	if err != nil {
		return nil, err
	}
	files := []*os.File{file}
	for _, a := range append([]string{nameServer}, addrs...) {
		tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a)))
		if err != nil {
			return nil, err
		}
		if file, err = tcp.File(); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// execute becomes the command, without capabilities unless the user is root.
func execute(command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) { // a PATH with "." is the user's choice
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if os.Geteuid() != 0 {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			return fmt.Errorf("drop capabilities: %w", err)
		}
	}
	return &fs.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, command, os.Environ())}
}
