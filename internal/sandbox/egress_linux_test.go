package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// insideVariable makes a test of this file be the command, and tells it where to go.
const insideVariable = "SANDBOX_TEST_INSIDE"

// again runs the calling test once more as the command. Where this user may not
// open the device, the run has to say so, and again returns false.
func again(t *testing.T, c Config, arg string) bool {
	t.Helper()
	c.Env = append(os.Environ(), insideVariable+"="+arg)
	out, code, err := run(t, c, "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	if unix.Access(tunDevice, unix.R_OK|unix.W_OK) != nil {
		if code != 1 || err == nil || !strings.Contains(err.Error(), "no way out") || !strings.Contains(err.Error(), "\nhint: let this user open it") || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("exit code %d, error %v, printed %s", code, err, out)
		}
		return false
	}
	if err != nil || code != 0 || !strings.Contains(out, "--- PASS: "+t.Name()+" ") {
		t.Fatalf("exit code %d, error %v, printed %s", code, err, out)
	}
	return true
}

// listenTCP serves connections on the host's loopback, and returns the port.
func listenTCP(t *testing.T, address string, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { l.Close() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestEgressTransfer(t *testing.T) {
	if port := os.Getenv(insideVariable); port != "" {
		conn, err := net.Dial("tcp", HostName+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := exchange(conn, 1), sum(&pattern{2, transferSize}); got != want {
			t.Errorf("inside: got %s, want %s", got, want)
		}
		return
	}
	results := make(chan string, 1)
	port := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) { results <- exchange(conn, 2) })
	if !again(t, Config{Egress: &Egress{}}, port) {
		return
	}
	if got, want := <-results, sum(&pattern{1, transferSize}); got != want {
		t.Errorf("outside: got %s, want %s", got, want)
	}
}

// TestEgressHalfClose: the server answers only when the client has closed its
// half, and listens on the other loopback address.
func TestEgressHalfClose(t *testing.T) {
	if port := os.Getenv(insideVariable); port != "" {
		conn, err := net.Dial("tcp", HostName+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "hello")
		conn.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "answer to hello" {
			t.Errorf("got %q, error %v", got, err)
		}
		return
	}
	again(t, Config{Egress: &Egress{}}, listenTCP(t, "[::1]:0", func(conn net.Conn) {
		question, _ := io.ReadAll(conn)
		fmt.Fprintf(conn, "answer to %s", question)
	}))
}

func TestEgressManyConnections(t *testing.T) {
	const connections = 300
	if port := os.Getenv(insideVariable); port != "" {
		var wg sync.WaitGroup
		for i := range connections {
			wg.Go(func() {
				conn, err := net.Dial("tcp", HostName+":"+port)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				fmt.Fprintf(conn, "number %d", i)
				conn.(*net.TCPConn).CloseWrite()
				if got, err := io.ReadAll(conn); err != nil || string(got) != fmt.Sprintf("number %d", i) {
					t.Errorf("got %q, error %v", got, err)
				}
			})
		}
		wg.Wait()
		return
	}
	var served atomic.Int64
	port := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
		served.Add(1)
		io.Copy(conn, conn)
	})
	if again(t, Config{Egress: &Egress{}}, port) && served.Load() != connections {
		t.Errorf("%d connections arrived", served.Load())
	}
}

// ask sends a packet until it is answered: packets may be lost.
func ask(conn net.Conn, packet []byte) ([]byte, error) {
	buf := make([]byte, 1<<16)
	for {
		if _, err := conn.Write(packet); err != nil {
			return nil, err
		}
		conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := conn.Read(buf)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return buf[:n], err
		}
	}
}

func TestEgressUDP(t *testing.T) {
	if port := os.Getenv(insideVariable); port != "" {
		for flow := range 20 {
			conn, err := net.Dial("udp", HostName+":"+port)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1, 1400, 9000, 60000} {
				want, _ := io.ReadAll(&pattern{byte(flow), size})
				if got, err := ask(conn, want); err != nil || !slices.Equal(got, want) {
					t.Errorf("%d octets: got %d, error %v", size, len(got), err)
				}
			}
			// Left open: the end of the command ends the flow, too.
		}
		return
	}
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := l.ReadFrom(buf)
			if err != nil {
				return
			}
			l.WriteTo(buf[:n], from)
		}
	}()
	_, port, _ := net.SplitHostPort(l.LocalAddr().String())
	again(t, Config{Egress: &Egress{}}, port)
}

// recorded is what an Egress was asked for outside.
type recorded struct {
	mu       sync.Mutex
	addrs    []string
	names    []string
	loopback string // where every connection really goes; "" is nowhere
}

func (r *recorded) dial(ctx context.Context, network, address string) (net.Conn, error) {
	r.mu.Lock()
	r.addrs = append(r.addrs, network+" "+address)
	r.mu.Unlock()
	if r.loopback == "" {
		return nil, syscall.ECONNREFUSED
	}
	return new(net.Dialer).DialContext(ctx, network, r.loopback)
}

func (r *recorded) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	r.mu.Lock()
	r.names = append(r.names, name)
	r.mu.Unlock()
	switch name {
	case "db.example.org":
		return []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("::ffff:198.51.100.8"), netip.MustParseAddr("2001:db8::7")}, nil
	case "old.example.org":
		return []netip.Addr{netip.MustParseAddr("198.51.100.9")}, nil
	case "many.example.org":
		var all []netip.Addr
		for i := range 200 {
			all = append(all, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
		}
		return all, nil
	case "broken.example.org":
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// TestEgressAddresses: what is allowed arrives at its own address, what is not
// is refused at once, and nobody is asked for it.
func TestEgressAddresses(t *testing.T) {
	const port = "8080"
	allowed := []string{"198.51.100.7", "10.1.2.3", "168.63.129.17", "2001:db8::7", "fd00::1"}
	closed := []string{"169.254.169.254", "169.254.1.1", "192.0.2.3", "168.63.129.16", "0.1.2.3",
		"64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::1", "fd00:ec2::254", "fd6d:6964:6173::9"}
	if os.Getenv(insideVariable) != "" {
		for _, host := range allowed {
			conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if err != nil {
				t.Errorf("%s: %v", host, err)
				continue
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != "hello" {
				t.Errorf("%s: got %q, error %v", host, got, err)
			}
		}
		for _, host := range append([]string{"224.0.0.1", "240.0.0.1"}, closed...) {
			if _, err := net.Dial("tcp", net.JoinHostPort(host, port)); err == nil {
				t.Errorf("tcp %s is open", host)
			}
		}
		for _, host := range closed {
			conn, err := net.Dial("udp", net.JoinHostPort(host, port))
			if err != nil {
				continue // the kernel has refused it
			}
			if _, err := ask(conn, []byte("x")); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("udp %s: %v", host, err)
			}
		}
		if _, err := net.Dial("tcp", "198.51.100.7:853"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("DNS over TLS: %v", err)
		}
		return
	}
	r := &recorded{loopback: "127.0.0.1:" + listenTCP(t, "127.0.0.1:0", func(conn net.Conn) { io.WriteString(conn, "hello") })}
	if !again(t, Config{Egress: &Egress{Dial: r.dial}}, port) {
		return
	}
	var want []string
	for _, host := range allowed {
		want = append(want, "tcp "+net.JoinHostPort(host, port))
	}
	if diff := cmp.Diff(want, r.addrs); diff != "" {
		t.Error(diff)
	}
}

// TestEgressRefused: a port that is closed outside is closed inside.
func TestEgressRefused(t *testing.T) {
	if os.Getenv(insideVariable) != "" {
		for _, host := range []string{HostName, "198.51.100.7"} {
			if _, err := net.Dial("tcp", host+":9"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %v", host, err)
			}
		}
		return
	}
	r := &recorded{}
	if again(t, Config{Egress: &Egress{Dial: r.dial}}, "x") {
		if diff := cmp.Diff([]string{"tcp 127.0.0.1:9", "tcp [::1]:9", "tcp 198.51.100.7:9"}, r.addrs); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEgressNames(t *testing.T) {
	if os.Getenv(insideVariable) != "" {
		elsewhere := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "198.51.100.53:53") // a name server of the command's own choice
		}}
		for name, r := range map[string]*net.Resolver{"ours": {PreferGo: true}, "another": elsewhere} {
			for host, want := range map[string]string{
				"db.example.org":        "[198.51.100.7 198.51.100.8 2001:db8::7] <nil>",
				"old.example.org":       "[198.51.100.9] <nil>",
				"kv.vault.azure.net":    "[127.0.0.1] <nil>",
				HostName:                "[192.0.2.2] <nil>",
				"missing.example.org":   "no such host",
				"a.withheld.example":    "no such host",
				"other.midas.internal.": "no such host",
				"broken.example.org":    "server misbehaving",
			} {
				found, err := r.LookupNetIP(context.Background(), "ip", host)
				slices.SortFunc(found, netip.Addr.Compare)
				for i := range found {
					found[i] = found[i].Unmap()
				}
				if got := fmt.Sprint(found, " ", err); !strings.Contains(got, want) {
					t.Errorf("%s by %s name server: %s, want %s", host, name, got, want)
				}
			}
			if found, err := r.LookupNetIP(context.Background(), "ip4", "many.example.org"); len(found) != 200 || err != nil {
				t.Errorf("an answer too large for a packet by %s name server: %d, %v", name, len(found), err)
			}
			if found, err := r.LookupTXT(context.Background(), "db.example.org"); err == nil {
				t.Errorf("TXT by %s name server: %v", name, found)
			}
		}
		return
	}
	r := &recorded{}
	withhold := func(name string) bool { return strings.HasSuffix(name, ".withheld.example") }
	if !again(t, Config{Hosts: azure, Egress: &Egress{Lookup: r.lookup, Dial: r.dial, Withhold: withhold}}, "x") {
		return
	}
	if len(r.addrs) > 0 {
		t.Errorf("asked outside of our own name server: %v", r.addrs)
	}
	for _, name := range r.names {
		if azure(name) || withhold(name) || name == HostName {
			t.Errorf("%s was asked for outside", name)
		}
	}
	// The C library resolves them, too, and the link's addresses let it prefer IPv4.
	if got, want := must(t, Config{Hosts: azure, Egress: &Egress{Lookup: r.lookup}}, "getent ahosts db.example.org | cut -d' ' -f1 | uniq; getent hosts "+HostName+" missing.example.org || echo $?"),
		"198.51.100.7\n198.51.100.8\n2001:db8::7\n192.0.2.2       "+HostName+"\n2\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// TestEgressIsAsked: without it there is no way out, and no name of the host.
func TestEgressIsAsked(t *testing.T) {
	port := listenTCP(t, "127.0.0.1:0", func(net.Conn) { t.Error("reached") })
	if arg := os.Getenv(insideVariable); arg != "" {
		for _, to := range []string{"192.0.2.2:" + arg, "198.51.100.7:80", "[2001:db8::7]:80"} {
			if _, err := net.Dial("tcp", to); !errors.Is(err, syscall.ENETUNREACH) {
				t.Errorf("%s: %v", to, err)
			}
		}
		if found, err := net.LookupHost(HostName); err == nil {
			t.Errorf("%s is %v", HostName, found)
		}
		return
	}
	c := Config{Env: append(os.Environ(), insideVariable+"="+port)}
	if out, code, err := run(t, c, "/proc/self/exe", "-test.run=^TestEgressIsAsked$"); err != nil || code != 0 {
		t.Errorf("exit code %d, error %v, printed %s", code, err, out)
	}
}

// TestEgressKeepsTheWorld: a listener of the caller's keeps its address, and the
// link is the command's only other one.
func TestEgressKeepsTheWorld(t *testing.T) {
	if os.Getenv(insideVariable) != "" {
		conn, err := net.Dial("tcp", "169.254.169.254:80")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(conn); err != nil || string(got) != "metadata" {
			t.Errorf("got %q, error %v", got, err)
		}
		links, err := net.Interfaces()
		if err != nil || len(links) != 2 || links[1].Name != linkName || links[1].MTU != linkMTU {
			t.Errorf("links %+v, error %v", links, err)
		}
		return
	}
	r := &recorded{}
	c := Config{Egress: &Egress{Dial: r.dial}, Listeners: []Listener{{Addr: "169.254.169.254:80", Dial: dialUnix(t, func(conn net.Conn) {
		defer conn.Close()
		io.WriteString(conn, "metadata")
	})}}}
	if again(t, c, "x") && len(r.addrs) > 0 {
		t.Errorf("dialled %v", r.addrs)
	}
}

func TestNoWayOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tun")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for device, hint := range map[string]string{
		file + ".absent": "hint: load the kernel's module with `sudo modprobe tun`; a container needs `--device ",
		file:             "is not a device",
		"/dev/null":      "hint: the kernel refused it",
	} {
		err := noWayOut(syscall.EPERM, device)
		if text := err.Error(); !strings.HasPrefix(text, "the namespace gets no way out: operation not permitted\nhint: ") || !strings.Contains(text, hint) {
			t.Errorf("%s: %s", device, text)
		}
	}
}
