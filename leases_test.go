package midas_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"midas"
	"midas/internal/control"
	"midas/internal/fault"
)

// behind is a client of a machine's proxy.
func behind(t *testing.T, proxy string) *http.Client {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(u)}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// metadataToken asks for a token where a machine has its metadata service, and
// returns the status and the resource id in the token.
func metadataToken(t *testing.T, c *http.Client) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Metadata", "true")
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.AccessToken == "" {
		return resp.StatusCode, string(b)
	}
	var claims struct {
		Machine string `json:"xms_mirid"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.AccessToken, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, claims.Machine
}

// TestProxyIsTheMachine asks for tokens as many machines at once, through
// credentials that come and go, and wants each to get its own identity only.
func TestProxyIsTheMachine(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	o := operate(t, s)
	o.must(http.MethodPut, o.group()+"?api-version=2021-04-01", object{"location": "eastus"}, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		name := fmt.Sprintf("vm%d", i)
		o.must(http.MethodPut, o.group()+"/providers/Microsoft.Compute/virtualMachines/"+name+"?api-version=2024-07-01",
			object{"location": "eastus", "identity": object{"type": "SystemAssigned"}, "properties": object{"hardwareProfile": object{"vmSize": "Standard_B1s"}}}, nil)
		wg.Go(func() {
			for range 4 {
				lease, err := o.control.Attach(t.Context(), control.AttachRequest{VM: name, Via: control.ViaProxy})
				if err != nil {
					t.Error(err)
					return
				}
				for range 4 {
					if status, machine := metadataToken(t, behind(t, lease.Proxy)); status != 200 || !strings.EqualFold(machine, lease.VM) || !strings.HasSuffix(machine, "/"+name) {
						t.Errorf("%s got %d %s", name, status, machine)
					}
				}
				lease.Close()
			}
		})
	}
	wg.Wait()
}

// TestProxyCredentialEnds: it ends with the connection of the one who asked
// for it. Without a machine it opens the names, and no machine's address.
func TestProxyCredentialEnds(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, _ := start(t, c)
	client := control.Dial(s.Status().ControlSocket)
	lease, err := client.Attach(t.Context(), control.AttachRequest{VM: "ubuntu", Via: control.ViaProxy})
	if err != nil || len(lease.Endpoints) != 1 || lease.Endpoints[0] != (control.LocalEndpoint{Addr: "169.254.169.254:80"}) {
		t.Fatalf("attached %+v, %v", lease, err)
	}
	machine := behind(t, lease.Proxy)
	if status, id := metadataToken(t, machine); status != 200 || !strings.EqualFold(id, lease.VM) {
		t.Errorf("%d %s", status, id)
	}
	tunnel := dialTunnel(t, s, lease.Proxy)
	lease.Close()
	if n, err := tunnel.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes came through a tunnel whose lease has ended", n)
	}
	if status, said := metadataToken(t, machine); status != 407 {
		t.Errorf("after the end: %d %s", status, said)
	}
	none, err := client.Attach(t.Context(), control.AttachRequest{Via: control.ViaProxy})
	if err != nil || none.VM != "" || !strings.HasPrefix(none.Proxy, "http://midas:") {
		t.Fatalf("attached %+v, %v", none, err)
	}
	defer none.Close()
	if status, said := metadataToken(t, behind(t, none.Proxy)); status != 403 || !strings.Contains(said, "NotOfThisCloud") {
		t.Errorf("without a machine: %d %s", status, said)
	}
	dialTunnel(t, s, none.Proxy)
	if _, err := client.Attach(t.Context(), control.AttachRequest{VM: "ubuntu", Egress: true}); !fault.Is(err, fault.Invalid) {
		t.Errorf("egress from a namespace gives %v", err)
	}
}

// dialTunnel opens a tunnel to the token service, greets, and asks it something.
func dialTunnel(t *testing.T, s *midas.Server, proxy string) *tls.Conn {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "CONNECT login.microsoftonline.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic %s\r\n\r\n", base64.StdEncoding.EncodeToString([]byte(u.User.String())))
	const want = "HTTP/1.1 200 Connection established\r\n\r\n"
	head := make([]byte, len(want))
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != want {
		t.Fatalf("%q, %v", head, err)
	}
	ca, err := os.ReadFile(s.Status().CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	inner := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "login.microsoftonline.com"})
	if err := inner.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return inner
}

func TestStandingLeases(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	client := control.Dial(s.Status().ControlSocket)
	ask := control.AttachRequest{VM: "ubuntu", Via: control.ViaProxy}
	var leases []control.Attachment
	for range midas.MaxStanding {
		a, err := client.Lease(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, a)
	}
	if _, err := client.Lease(t.Context(), ask); !fault.Is(err, fault.Throttled) || !strings.Contains(err.Error(), "--undo") {
		t.Errorf("one more gives %v", err)
	}
	first, second := leases[0].Proxy, leases[1].Proxy
	if ended, err := client.EndLease(t.Context(), strings.Replace(first, "127.0.0.1", "host.docker.internal", 1)); !ended || err != nil {
		t.Errorf("the end: %v, %v", ended, err)
	}
	if status, _ := metadataToken(t, behind(t, first)); status != 407 {
		t.Errorf("after the end: %d", status)
	}
	if status, _ := metadataToken(t, behind(t, second)); status != 200 {
		t.Errorf("the other: %d", status)
	}
	for _, address := range []string{first, "http://ubuntu@127.0.0.1:1", "nothing", ":"} {
		if ended, err := client.EndLease(t.Context(), address); ended || err != nil {
			t.Errorf("the end of %q: %v, %v", address, ended, err)
		}
	}
	if _, err := client.Lease(t.Context(), ask); err != nil {
		t.Errorf("in the place of the ended one: %v", err)
	}
	run, err := client.Attach(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if ended, err := client.EndLease(t.Context(), run.Proxy); ended || err != nil {
		t.Errorf("a run's own credential was ended by another: %v, %v", ended, err)
	}
	for what, q := range map[string]control.AttachRequest{"a namespace": {VM: "ubuntu"}, "no machine of this cloud": {VM: "nobody", Via: control.ViaProxy}} {
		if a, err := client.Lease(t.Context(), q); err == nil {
			t.Errorf("a lease of %s: %+v", what, a)
		}
	}
	stop()
	if _, err := behind(t, second).Get("http://169.254.169.254/"); err == nil {
		t.Error("it outlives the server")
	}
}

// TestFrontPortGreets holds that a client that does not speak is let go, and
// that one who speaks plain HTTP is told where it is.
func TestFrontPortGreets(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	resp, err := http.Get("http://" + s.Status().Endpoint + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 400 || !strings.Contains(string(b), "midas env") {
		t.Errorf("%s %s %v", resp.Status, b, err)
	}
	silent, err := net.Dial("tcp", s.Status().Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	operate(t, s).must(http.MethodGet, s.Status().Endpoints.ResourceManager+"/subscriptions?api-version=2022-12-01", nil, nil)
	if err := silent.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who waits is not waited for: %v", err)
	}
}
