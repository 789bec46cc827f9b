package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	tunDevice = "/dev/net/tun"
	linkName  = "midas0"
)

// tunnelError is why there is no way out of the namespace.
type tunnelError struct{ error }

// tunnel makes the namespace's link to the outside, the default route over it,
// and returns its far end.
func tunnel() (*os.File, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, tunnelError{&fs.PathError{Op: "open", Path: tunDevice, Err: err}}
	}
	far := os.NewFile(uintptr(fd), tunDevice)
	if err := link(far); err != nil {
		far.Close()
		return nil, tunnelError{err}
	}
	return far, nil
}

func link(far *os.File) error {
	request, err := unix.NewIfreq(linkName)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(int(far.Fd()), unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("make the link %s: %w", linkName, err)
	}
	l, err := netlink.LinkByName(linkName)
	if err != nil {
		return fmt.Errorf("find the link %s: %w", linkName, err)
	}
	if err := netlink.LinkSetMTU(l, linkMTU); err != nil {
		return fmt.Errorf("set the MTU of %s: %w", linkName, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("bring %s up: %w", linkName, err)
	}
	prefixes := []netip.Prefix{commandNet4}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err == nil { // a kernel may be without it
		prefixes = append(prefixes, commandNet6)
	}
	for _, p := range prefixes {
		if err := route(l, p); err != nil {
			return err
		}
	}
	return nil
}

// route gives the link an address and everything that has no other way.
func route(l netlink.Link, p netip.Prefix) error {
	bits := p.Addr().BitLen()
	ours := net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), bits)}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: &ours, Flags: unix.IFA_F_NODAD}); err != nil {
		return fmt.Errorf("add %s to %s: %w", p, linkName, err)
	}
	all := net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: &all}); err != nil {
		return fmt.Errorf("route to %s: %w", linkName, err)
	}
	return nil
}

// noWayOut says what to do about a tunnelError of the child half.
func noWayOut(cause error, device string) error {
	fix := "the kernel refused it to this user; run without --egress, or as a user who may make network devices"
	switch info, err := os.Stat(device); {
	case errors.Is(err, fs.ErrNotExist):
		fix = "load the kernel's module with `sudo modprobe tun`; a container needs `--device " + device + "`"
	case err == nil && info.Mode()&fs.ModeCharDevice == 0:
		fix = device + " is not a device; load the kernel's module with `sudo modprobe tun`"
	case unix.Access(device, unix.R_OK|unix.W_OK) != nil:
		fix = "let this user open it, as most systems do: `sudo chmod 666 " + device + "`"
	}
	return fmt.Errorf("the namespace gets no way out: %w\nhint: %s", cause, fix)
}
