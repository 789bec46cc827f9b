package midas_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"

	"midas/internal/control"
	"midas/internal/fault"
)

// identity makes a user-assigned identity and returns its URL and client id.
func (o *operator) identity(name string) (address, clientID string) {
	o.t.Helper()
	address = o.group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name
	o.must(http.MethodPut, o.group()+"?api-version=2021-04-01", object{"location": "westeurope"}, nil)
	var made struct {
		Properties struct {
			ClientID string `json:"clientId"`
		} `json:"properties"`
	}
	o.must(http.MethodPut, address+"?api-version=2023-01-31", object{"location": "westeurope"}, &made)
	return address, made.Properties.ClientID
}

// trust lets an identity sign in with the tokens of an issuer.
func (o *operator) trust(identity, name, issuer, subject string) {
	o.t.Helper()
	o.must(http.MethodPut, identity+"/federatedIdentityCredentials/"+name+"?api-version=2023-01-31",
		object{"properties": object{"issuer": issuer, "subject": subject, "audiences": []string{"api://AzureADTokenExchange"}}}, nil)
}

// attached gives the sample's machine these identities, and no others.
func (o *operator) attached(identities ...string) {
	o.t.Helper()
	set := object{}
	for _, address := range identities {
		set[strings.TrimPrefix(address, o.s.Status().Endpoints.ResourceManager)] = object{}
	}
	block := object{"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": set}
	if len(set) == 0 {
		block = object{"type": "SystemAssigned"}
	}
	vm := strings.Replace(o.group(), "/tests", "/midas-sample", 1) + "/providers/Microsoft.Compute/virtualMachines/ubuntu?api-version=2024-07-01"
	o.must(http.MethodPatch, vm, object{"identity": object{"type": "SystemAssigned"}}, nil)
	o.must(http.MethodPatch, vm, object{"identity": block}, nil)
}

// exchange asks the token service for Resource Manager's token.
func (o *operator) exchange(clientID, assertion string) (status int, token, description string) {
	o.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {o.s.Status().Endpoints.ResourceManager + "/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
	resp, err := o.http.PostForm(o.s.Status().Endpoints.Login+"/"+o.s.Status().TenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token       string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, answer.Token, answer.Description
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// claimsOf are what a token says.
func claimsOf(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestWorkloadSource follows a token file through its life: written for a
// lease, exchanged, renewed by the cloud's clock, not renewed once the machine
// has lost the identity, and gone with the lease.
func TestWorkloadSource(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, _ := start(t, c)
	o := operate(t, s)
	issuer, subject := s.Status().Endpoints.WorkloadIssuer, "system:serviceaccount:ci:job"
	address, clientID := o.identity("job")
	o.trust(address, "own", issuer, subject)
	o.attached(address)
	lease, err := o.control.Attach(t.Context(), control.AttachRequest{VM: "ubuntu", Source: "workload", Via: control.ViaNamespace})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close()
	file := lease.Env["AZURE_FEDERATED_TOKEN_FILE"]
	if len(lease.Endpoints) != 0 || len(lease.Env) != 4 || lease.Env["AZURE_CLIENT_ID"] != clientID || lease.Env["AZURE_TENANT_ID"] != s.Status().TenantID || lease.Env["AZURE_AUTHORITY_HOST"] != s.Status().Endpoints.Login+"/" {
		t.Errorf("attached is %+v", lease.Attachment)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	first := read(t, file)
	if got := claimsOf(t, first); got["iss"] != issuer || got["sub"] != subject || got["aud"].([]any)[0] != "api://AzureADTokenExchange" {
		t.Errorf("it says %v", got)
	}
	status, token, said := o.exchange(clientID, first)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, said)
	}
	if got := claimsOf(t, token); got["appid"] != clientID || !strings.HasSuffix(got["xms_mirid"].(string), "/userAssignedIdentities/job") {
		t.Errorf("the access token says %v", got)
	}
	o.advance("20m")
	if read(t, file) != first {
		t.Error("it is renewed before half of its life")
	}
	o.advance("25h")
	second := read(t, file)
	if second == first {
		t.Fatal("an expired token is still in the file")
	}
	if status, _, said := o.exchange(clientID, first); status != http.StatusUnauthorized || !strings.HasPrefix(said, "AADSTS700024: ") {
		t.Errorf("the old one: %d %s", status, said)
	}
	if status, _, said := o.exchange(clientID, second); status != http.StatusOK {
		t.Errorf("the new one: %d %s", status, said)
	}
	o.attached()
	o.advance("2h")
	if read(t, file) != second {
		t.Error("it is renewed for a machine that has lost the identity")
	}
	lease.Close()
	for errors.Is(err, fs.ErrNotExist) == false {
		runtime.Gosched()
		_, err = os.Stat(file)
	}
}

// TestWorkloadChoice: which identity it is, and what is said where none or
// several could be.
func TestWorkloadChoice(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, _ := start(t, c)
	o := operate(t, s)
	issuer := s.Status().Endpoints.WorkloadIssuer
	one, first := o.identity("one")
	two, second := o.identity("two")
	foreign, _ := o.identity("foreign")
	o.trust(foreign, "elsewhere", "https://issuer.example", "job")
	ask := func(q control.AttachRequest, hints ...string) string {
		t.Helper()
		lease, err := o.control.Attach(t.Context(), q)
		if err == nil {
			defer lease.Close()
			return lease.Env["AZURE_CLIENT_ID"]
		}
		for _, h := range append(hints, "hint:") {
			if !strings.Contains(err.Error(), h) {
				t.Errorf("%q is not in %q", h, err)
			}
		}
		if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
		return ""
	}
	workload := control.AttachRequest{VM: "ubuntu", Source: "workload"}
	chosen := workload
	chosen.ClientID = strings.ToUpper(second)
	how := []string{"az identity federated-credential create", "--issuer " + issuer + " ", "system:serviceaccount:", "--audiences api://AzureADTokenExchange"}
	if got := ask(workload, how...); got != "" {
		t.Errorf("without an identity it is %s", got)
	}
	o.attached(one, foreign)
	if got := ask(workload, how...); got != "" {
		t.Errorf("without a trust it is %s", got)
	}
	o.trust(one, "own", issuer, "job")
	o.trust(one, "again", issuer, "another job")
	o.trust(two, "own", issuer, "job")
	if got := ask(workload); got != first {
		t.Errorf("of one it is %q", got)
	}
	if got := ask(chosen, "choose with --client-id", first); got != "" {
		t.Errorf("one that is not attached: %s", got)
	}
	o.attached(one, two, foreign)
	if got := ask(workload, "several", "--client-id", first, second); got != "" {
		t.Errorf("of two it is %s", got)
	}
	if got := ask(chosen); got != second {
		t.Errorf("chosen is %q", got)
	}
	for _, q := range []control.AttachRequest{{VM: "ubuntu", ClientID: first}, {Source: "workload"}} {
		if _, err := o.control.Attach(t.Context(), q); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v gives %v", q, err)
		}
	}
}

// TestWorkloadToken: the operator makes a token for a script, and the token
// service takes it without a call to anybody.
func TestWorkloadToken(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	o := operate(t, s)
	address, clientID := o.identity("ci-job")
	issuer := s.Status().Endpoints.WorkloadIssuer
	o.trust(address, "own", issuer, "deploy")
	made, err := o.control.WorkloadToken(t.Context(), control.WorkloadTokenRequest{Subject: "deploy"})
	if err != nil || made.Issuer != issuer || made.Subject != "deploy" || made.Audience != "api://AzureADTokenExchange" || float64(made.ExpiresOn) != claimsOf(t, made.Token)["exp"] {
		t.Fatalf("%+v, %v", made, err)
	}
	if status, _, said := o.exchange(clientID, made.Token); status != http.StatusOK {
		t.Errorf("%d %s", status, said)
	}
	other, err := o.control.WorkloadToken(t.Context(), control.WorkloadTokenRequest{Subject: "deploy", Audience: "api://elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, said := o.exchange(clientID, other.Token); status != http.StatusUnauthorized || !strings.HasPrefix(said, "AADSTS700212: ") {
		t.Errorf("%d %s", status, said)
	}
	for _, q := range []control.WorkloadTokenRequest{{}, {Subject: "a\nb"}, {Subject: strings.Repeat("x", 601)}, {Subject: "a", Audience: "\x00"}} {
		if _, err := o.control.WorkloadToken(t.Context(), q); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q gives %v", q.Subject, err)
		}
	}
	// The documents are where the issuer says, by the cloud's own names.
	resp, err := o.http.Get(issuer + ".well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var document struct{ Issuer string }
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil || document.Issuer != issuer {
		t.Errorf("%s: %+v, %v", resp.Status, document, err)
	}
}
