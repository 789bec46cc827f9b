package midas_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"midas"
	"midas/internal/control"
)

type object map[string]any

// operator calls the doors of a server as its first user. Its methods end the
// test where a call fails.
type operator struct {
	t       *testing.T
	s       *midas.Server
	control *control.Client
	http    *http.Client
}

func operate(t *testing.T, s *midas.Server) *operator {
	o := &operator{t, s, control.Dial(s.Status().ControlSocket), s.Client()}
	t.Cleanup(o.http.CloseIdleConnections)
	return o
}

func (o *operator) token(resource string) string {
	o.t.Helper()
	token, err := o.control.Token(o.t.Context(), resource)
	if err != nil {
		o.t.Fatal(err)
	}
	return token.AccessToken
}

func (o *operator) vaultToken() string {
	o.t.Helper()
	return o.token("https://" + o.s.Status().Endpoints.VaultSuffix)
}

// do sends a request with the operator's token for where it goes.
func (o *operator) do(method, url string, body any) (int, []byte) {
	o.t.Helper()
	manager := o.s.Status().Endpoints.ResourceManager + "/"
	if strings.HasPrefix(url, manager) {
		return o.send(method, url, o.token(manager), body)
	}
	return o.send(method, url, o.vaultToken(), body)
}

func (o *operator) send(method, url, token string, body any) (int, []byte) {
	o.t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		o.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(o.t.Context(), method, url, bytes.NewReader(content))
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := o.http.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// must wants a success, and decodes the answer where into is not nil.
func (o *operator) must(method, url string, body, into any) {
	o.t.Helper()
	status, answer := o.do(method, url, body)
	if status/100 != 2 {
		o.t.Fatalf("%s %s: %d %s", method, url, status, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			o.t.Fatal(err)
		}
	}
}

// status wants an answer's status.
func (o *operator) status(url, token string, want int) {
	o.t.Helper()
	if got, answer := o.send(http.MethodGet, url, token, nil); got != want {
		o.t.Errorf("GET %s: %d, not %d: %s", url, got, want, answer)
	}
}

func (o *operator) advance(by string) {
	o.t.Helper()
	if _, err := o.control.AdvanceClock(o.t.Context(), by); err != nil {
		o.t.Fatal(err)
	}
}

// group is the URL of the resource group of all that the operator makes.
func (o *operator) group() string {
	return o.s.Status().Endpoints.ResourceManager + "/subscriptions/" + o.s.Status().SubscriptionID + "/resourceGroups/tests"
}

// makeVault makes a vault whose policy lets the operator do all, and returns its URI.
func (o *operator) makeVault(name string, retentionDays int) string {
	o.t.Helper()
	var claims struct {
		ObjectID string `json:"oid"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(o.vaultToken(), ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	o.must(http.MethodPut, o.group()+"?api-version=2021-04-01", object{"location": "westeurope"}, nil)
	var vault struct {
		Properties struct {
			VaultURI string `json:"vaultUri"`
		} `json:"properties"`
	}
	o.must(http.MethodPut, o.group()+"/providers/Microsoft.KeyVault/vaults/"+name+"?api-version=2023-07-01", object{
		"location": "westeurope",
		"properties": object{
			"tenantId": o.s.Status().TenantID, "sku": object{"family": "A", "name": "standard"}, "softDeleteRetentionInDays": retentionDays,
			"enableRbacAuthorization": false,
			"accessPolicies":          []any{object{"tenantId": o.s.Status().TenantID, "objectId": claims.ObjectID, "permissions": object{"secrets": []string{"all"}}}},
		},
	}, &vault)
	return vault.Properties.VaultURI
}

// machineToken asks a machine's endpoint for a token.
func (o *operator) machineToken(socket, audience string) string {
	o.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+url.QueryEscape(audience), nil)
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Metadata", "true")
	resp, err := client.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil || resp.StatusCode != http.StatusOK {
		o.t.Fatalf("a token for %s: %s, %v", audience, resp.Status, err)
	}
	return token.AccessToken
}
