package midas_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"midas/internal/control"
	"midas/internal/fault"
)

// guest is a program on a machine, or behind a proxy that it asks for every
// address: it connects to the endpoints of one lease and no other.
func guest(a control.Attachment, config *tls.Config) *http.Client {
	proxy := func(*http.Request) (*url.URL, error) {
		if a.Proxy == "" {
			return nil, nil
		}
		return url.Parse(a.Proxy)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, Proxy: proxy, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		if socket := a.Socket(addr); socket != "" {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}}}
}

// question is what a client of a source asks, by the variables it finds.
func question(source string, env map[string]string) (method, address, form string, headers map[string]string, err error) {
	const resource = "resource=https%3A%2F%2Fmanagement.azure.com%2F"
	metadata := map[string]string{"Metadata": "true"}
	switch source {
	case "":
		return "GET", "http://169.254.169.254:80/metadata/identity/oauth2/token?api-version=2018-02-01&" + resource, "", metadata, nil
	case "appservice":
		return "GET", env["IDENTITY_ENDPOINT"] + "?api-version=2019-08-01&" + resource, "", map[string]string{"X-Identity-Header": env["IDENTITY_HEADER"]}, nil
	case "appservice2017", "azureml":
		return "GET", env["MSI_ENDPOINT"] + "?api-version=2017-09-01&" + resource, "", map[string]string{"Secret": env["MSI_SECRET"]}, nil
	case "cloudshell", "extension":
		return "POST", env["MSI_ENDPOINT"], resource, metadata, nil
	case "servicefabric":
		return "GET", env["IDENTITY_ENDPOINT"] + "?api-version=" + env["IDENTITY_API_VERSION"] + "&" + resource, "", map[string]string{"Secret": env["IDENTITY_HEADER"]}, nil
	}
	return "", "", "", nil, fmt.Errorf("no client knows the source %q", source)
}

// pinned takes the server with that certificate and no other, as the clients of
// Service Fabric do.
func pinned(thumbprint string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		if sum := sha1.Sum(s.PeerCertificates[0].Raw); !strings.EqualFold(hex.EncodeToString(sum[:]), thumbprint) {
			return fmt.Errorf("the certificate is not the one of the variable %s", thumbprint)
		}
		return nil
	}}
}

// ask asks as a client of the source does, and returns whose token came.
func ask(ctx context.Context, a control.Attachment, source string, change func(*http.Request)) (owner string, status int, err error) {
	method, address, form, headers, err := question(source, a.Env)
	if err != nil {
		return "", 0, err
	}
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form))
	if err != nil {
		return "", 0, err
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	if change != nil {
		change(r)
	}
	resp, err := guest(a, pinned(a.Env["IDENTITY_SERVER_THUMBPRINT"])).Do(r)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", resp.StatusCode, err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", 0, err
	}
	owner, err = oid(answer.AccessToken)
	return owner, resp.StatusCode, err
}

// oid reads whose a token is.
func oid(token string) (string, error) {
	_, rest, _ := strings.Cut(token, ".")
	text, _, _ := strings.Cut(rest, ".")
	var claims struct {
		OID string `json:"oid"`
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	return claims.OID, err
}

// machine makes a virtual machine with an identity, and returns that.
func (o *operator) machine(name string) string {
	o.t.Helper()
	var vm struct {
		Identity struct {
			PrincipalID string `json:"principalId"`
		} `json:"identity"`
	}
	o.must(http.MethodPut, o.vm(name)+computeVersion, object{"location": "westeurope", "identity": object{"type": "SystemAssigned"}}, &vm)
	return vm.Identity.PrincipalID
}

const computeVersion = "?api-version=2024-11-01"

func (o *operator) vm(name string) string {
	return o.group() + "/providers/Microsoft.Compute/virtualMachines/" + name
}

// extend installs the identity extension on a machine.
func (o *operator) extend(vm string, port int) {
	o.t.Helper()
	o.must(http.MethodPut, o.vm(vm)+"/extensions/msi"+computeVersion, object{"location": "westeurope", "properties": object{
		"publisher": "Microsoft.ManagedIdentity", "type": "ManagedIdentityExtensionForLinux", "typeHandlerVersion": "1.0", "settings": object{"port": port}}}, nil)
}

var allSources = []string{"", "extension", "appservice", "appservice2017", "azureml", "cloudshell", "servicefabric"}

// TestSources asks each source in both of the ways to it.
func TestSources(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	o := operate(t, s)
	o.must(http.MethodPut, o.group()+"?api-version=2021-04-01", object{"location": "westeurope"}, nil)
	principal := o.machine("m")
	o.extend("m", 50343)
	client := control.Dial(s.Status().ControlSocket)
	for _, via := range []string{"", control.ViaNamespace, control.ViaProxy} {
		for _, source := range allSources {
			t.Run(via+"/"+source, func(t *testing.T) {
				lease, err := client.Attach(t.Context(), control.AttachRequest{VM: "m", Via: via, Source: source})
				if err != nil {
					t.Fatal(err)
				}
				defer lease.Close()
				if owner, status, err := ask(t.Context(), lease.Attachment, source, nil); owner != principal || err != nil {
					t.Errorf("the token is of %q, not %q: %d %v", owner, principal, status, err)
				}
				checkPlaces(t, via, source, lease.Attachment)
				lease.Close()
				for status := http.StatusOK; err == nil && status == http.StatusOK; { // the server learns of it in a moment
					_, status, err = ask(t.Context(), lease.Attachment, source, nil)
				}
			})
		}
	}
}

// checkPlaces holds that the chosen source answers and no other, that by proxy
// nothing is reachable without a credential, and that no two leases share one.
func checkPlaces(t *testing.T, via, source string, a control.Attachment) {
	t.Helper()
	imds := slices.ContainsFunc(a.Endpoints, func(e control.LocalEndpoint) bool { return e.Addr == "169.254.169.254:80" })
	if imds != (source == "") {
		t.Errorf("the metadata service answers: %v", imds)
	}
	if via != control.ViaProxy {
		if want := map[string]int{"": 2}[source]; len(a.Endpoints) != max(want, 1) {
			t.Errorf("there are %d endpoints", len(a.Endpoints))
		}
		return
	}
	if source == "" {
		if len(a.Endpoints) != 1 || len(a.Env) != 0 {
			t.Errorf("attached %+v", a)
		}
		return
	}
	if len(a.Endpoints) != 0 {
		t.Errorf("attached %+v", a)
	}
	_, status, err := ask(t.Context(), a, source, func(r *http.Request) {
		for _, name := range []string{"X-Identity-Header", "Secret"} {
			if r.Header.Get(name) != "" {
				r.Header.Set(name, strings.Repeat("0", 64))
			}
		}
		if first, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); ok && len(first) == 64 {
			r.URL.Path = "/" + strings.Repeat("0", 64) + "/" + rest
		}
	})
	if err != nil || status != http.StatusUnauthorized && status != http.StatusNotFound {
		t.Errorf("another credential is answered with %d, %v", status, err)
	}
	for _, name := range []string{"IDENTITY_ENDPOINT", "MSI_ENDPOINT"} {
		if u, err := url.Parse(a.Env[name]); err != nil || a.Env[name] != "" && u.Hostname() != "127.0.0.1" {
			t.Errorf("%s is %s, %v", name, a.Env[name], err)
		}
	}
}

func TestSourcesRefused(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	o := operate(t, s)
	o.must(http.MethodPut, o.group()+"?api-version=2021-04-01", object{"location": "westeurope"}, nil)
	o.machine("m")
	client := control.Dial(s.Status().ControlSocket)
	for _, c := range []struct {
		q    control.AttachRequest
		kind fault.Kind
		says string
	}{
		{control.AttachRequest{VM: "m", Source: "arc"}, fault.Invalid, "Arc machines"},
		{control.AttachRequest{VM: "m", Source: "moon"}, fault.Invalid, "there is no source"},
		{control.AttachRequest{VM: "m", Source: "extension"}, fault.NotFound, "has no identity extension"},
		{control.AttachRequest{VM: "m", Via: "carrier"}, fault.Invalid, "there is no way"},
		{control.AttachRequest{Source: "appservice"}, fault.Invalid, "--vm"},
	} {
		if _, err := client.Attach(t.Context(), c.q); !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v gives %v", c.q, err)
		}
	}
	o.extend("m", 443)
	if _, err := client.Attach(t.Context(), control.AttachRequest{VM: "m"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("an extension at a port that is taken: %v", err)
	}
}

// TestExtensionFollowsTheMachine changes a machine under a lease that is held.
func TestExtensionFollowsTheMachine(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	o := operate(t, s)
	o.must(http.MethodPut, o.group()+"?api-version=2021-04-01", object{"location": "westeurope"}, nil)
	principal := o.machine("m")
	client := control.Dial(s.Status().ControlSocket)
	bare, err := client.Attach(t.Context(), control.AttachRequest{VM: "m"})
	if err != nil || len(bare.Endpoints) != 1 {
		t.Fatalf("without the extension: %+v, %v", bare, err)
	}
	bare.Close()
	o.extend("m", 50342)
	lease, err := client.Attach(t.Context(), control.AttachRequest{VM: "m"})
	if err != nil || lease.Socket("127.0.0.1:50342") == "" {
		t.Fatalf("attached %+v, %v", lease, err)
	}
	defer lease.Close()
	at := control.Attachment{Endpoints: lease.Endpoints, Env: map[string]string{"MSI_ENDPOINT": "http://127.0.0.1:50342/oauth2/token"}}
	for _, step := range []struct {
		name   string
		change func()
		owner  string
		status int // 0 where there is no answer at all
	}{
		{"as it is", func() {}, principal, 200},
		{"the identity is off", func() {
			o.must(http.MethodPatch, o.vm("m")+computeVersion, object{"identity": object{"type": "None"}}, nil)
		}, "", 400},
		{"another port", func() { o.extend("m", 50343) }, "", 0},
		{"the port again", func() { o.extend("m", 50342) }, "", 400},
		{"the extension is deleted", func() { o.must(http.MethodDelete, o.vm("m")+"/extensions/msi"+computeVersion, nil, nil) }, "", 0},
	} {
		step.change()
		owner, status, err := ask(t.Context(), at, "extension", nil)
		if owner != step.owner || status != step.status || (err != nil) != (step.status == 0) {
			t.Errorf("%s: %q %d %v", step.name, owner, status, err)
		}
	}
}

// TestListenersAreMachines runs a hundred machines side by side, whose leases
// come and go: what comes through a machine's listener is always its own.
func TestListenersAreMachines(t *testing.T) {
	const count, leases, asks = 100, 3, 4
	s, _ := start(t, config(dataDir(t)))
	o := operate(t, s)
	o.must(http.MethodPut, o.group()+"?api-version=2021-04-01", object{"location": "westeurope"}, nil)
	client := control.Dial(s.Status().ControlSocket)
	owners := map[string]string{}
	for i := range count {
		name := fmt.Sprintf("m%d", i)
		owners[name] = o.machine(name)
	}
	var all sync.WaitGroup
	for i := range count {
		name := fmt.Sprintf("m%d", i)
		all.Go(func() {
			for n := range leases {
				q := control.AttachRequest{VM: name}
				if source := allSources[(i+n)%len(allSources)]; source != "extension" {
					q.Source = source
				}
				if (i+n)%2 == 0 && q.Source != "" {
					q.Via = control.ViaProxy
				}
				if err := askOften(t.Context(), client, q, owners[name], asks); err != nil {
					t.Errorf("%s by %+v: %v", name, q, err)
				}
			}
		})
	}
	all.Wait()
}

// askOften holds one lease and asks several times.
func askOften(ctx context.Context, client *control.Client, q control.AttachRequest, want string, times int) error {
	lease, err := client.Attach(ctx, q)
	if err != nil {
		return err
	}
	defer lease.Close()
	for range times {
		if owner, status, err := ask(ctx, lease.Attachment, q.Source, nil); err != nil || owner != want {
			return fmt.Errorf("the token is of %q, not %q: %d %v", owner, want, status, err)
		}
	}
	return nil
}
