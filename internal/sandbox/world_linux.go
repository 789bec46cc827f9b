package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// plan is what the child half is told to build.
type plan struct {
	Scratch  string // an empty directory, for the child half's own mount
	Overlays []overlay
	Addrs    []string // TCP listeners, in the order of Config.Listeners
	Egress   bool     // make a link to the outside
}

// overlay is a file that is mounted over each of Targets.
type overlay struct {
	Content []byte
	Targets []string
}

// bundlePlaces are the PEM bundles of Debian, Fedora and RHEL, SUSE, Alpine, Arch
// and NixOS. Several are links to another; each real file is mounted over once.
var bundlePlaces = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/pki/tls/cert.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/ca-bundle.pem",
	"/var/lib/ca-certificates/ca-bundle.pem",
	"/etc/ssl/cert.pem",
	"/etc/ca-certificates/extracted/tls-ca-bundle.pem",
	"/etc/ssl/certs/ca-bundle.crt",
	"/usr/lib/ssl/cert.pem",
}

var javaPlaces = []string{
	"/etc/ssl/certs/java/cacerts",
	"/etc/pki/java/cacerts",
	"/etc/pki/ca-trust/extracted/java/cacerts",
}

// cachePlaces are the sockets of nscd. glibc asks it before it reads any file of
// ours, and it would answer from the host's network; an ordinary file in its
// place refuses the connection.
var cachePlaces = []string{"/run/nscd/socket", "/var/run/nscd/socket"}

const resolvConf = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"

// egressResolvConf has time for names that are asked for outside.
const egressResolvConf = "nameserver 127.0.0.1\noptions timeout:10 attempts:2\n"

// prepare says what the world of c is made of. root is "/" outside tests. A
// place that does not exist stays away: without resolv.conf or nsswitch.conf the
// C libraries use files, then 127.0.0.1, as we want.
func prepare(root string, c Config) (plan, error) {
	p := plan{Egress: c.Egress != nil}
	for _, l := range c.Listeners {
		p.Addrs = append(p.Addrs, l.Addr)
	}
	hostname, err := os.Hostname()
	if err != nil {
		return p, fmt.Errorf("read the host's name: %w", err)
	}
	services, err := os.ReadFile(filepath.Join(root, "/etc/nsswitch.conf"))
	if err != nil && !os.IsNotExist(err) {
		return p, err
	}
	add := func(content []byte, places ...string) {
		if targets := existing(root, places); len(targets) > 0 {
			p.Overlays = append(p.Overlays, overlay{content, targets})
		}
	}
	add(hostsFile(hostname), "/etc/hosts")
	if p.Egress {
		add([]byte(egressResolvConf), "/etc/resolv.conf")
	} else {
		add([]byte(resolvConf), "/etc/resolv.conf")
	}
	add(nsswitch(services), "/etc/nsswitch.conf")
	add(nil, cachePlaces...)
	if len(c.Bundle) > 0 {
		add(c.Bundle, bundlePlaces...)
	}
	if len(c.JavaTrustStore) > 0 {
		add(c.JavaTrustStore, append(javaHomes(c.Env), javaPlaces...)...)
	}
	return p, nil
}

// existing resolves places below root and keeps each one that is there, once,
// and is not a directory.
func existing(root string, places []string) []string {
	var found []string
	for _, place := range places {
		real, err := filepath.EvalSymlinks(filepath.Join(root, place))
		if err != nil || slices.Contains(found, real) {
			continue
		}
		if info, err := os.Stat(real); err == nil && !info.IsDir() {
			found = append(found, real)
		}
	}
	return found
}

// javaHomes are the trust stores of JAVA_HOME and of each java in PATH.
func javaHomes(env []string) []string {
	var places []string
	for _, entry := range env {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case "JAVA_HOME":
			places = append(places, filepath.Join(value, "lib/security/cacerts"),
				filepath.Join(value, "jre/lib/security/cacerts")) // up to Java 8
		case "PATH":
			for _, dir := range filepath.SplitList(value) {
				if java, err := filepath.EvalSymlinks(filepath.Join(dir, "java")); err == nil {
					places = append(places, filepath.Join(filepath.Dir(java), "../lib/security/cacerts"))
				}
			}
		}
	}
	return places
}

// hostsFile has this machine's own name, which some programs insist to resolve,
// and none of the host's other lines: they may name what is ours here. localhost
// is IPv4 only, as our listeners are: not every client tries a second address.
func hostsFile(hostname string) []byte {
	return fmt.Appendf(nil, "127.0.0.1\tlocalhost\n::1\tip6-localhost ip6-loopback\n127.0.1.1\t%s\n", hostname)
}

// nsswitch is the host's file with names looked up in files and DNS only: other
// sources, such as nss-resolve, reach the host's resolver over unix sockets.
func nsswitch(host []byte) []byte {
	const ours = "hosts: files dns\n"
	var out []byte
	for line := range bytes.Lines(host) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("hosts:")) {
			out = append(out, line...)
		}
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return append(out, ours...)
}
