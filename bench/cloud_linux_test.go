//go:build bench

package bench

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/rbac"
)

// cloud is a running `midas up --sample` and what is needed to ask it.
type cloud struct {
	*process
	status          control.Status
	manager, vaults place
	machine         place // the metadata service of the sample's machine
	// Tokens of the operator, who may do all, and of the machine, which may
	// read secrets.
	managerToken, writerToken, readerToken string
}

// buildMidas makes the program that the users have.
func buildMidas(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "midas")
	if out, err := exec.Command("go", "build", "-o", binary, "midas/cmd/midas").CombinedOutput(); err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, out)
	}
	return binary
}

// startMidas starts `midas up` with more arguments.
func startMidas(t testing.TB, cores unix.CPUSet, binary string, args ...string) (p *process, readyFile string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "bench") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	readyFile = filepath.Join(dir, "ready")
	cmd := exec.Command(binary, append([]string{"up", "--listen", "127.0.0.1:0", "--ready-file", readyFile}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	return start(t, cores, cmd), readyFile
}

// startCloud starts the sample, attaches to its machine, and gives the operator
// the right to write secrets.
func startCloud(t testing.TB, cores unix.CPUSet, binary string) *cloud {
	t.Helper()
	p, readyFile := startMidas(t, cores, binary, "--ephemeral", "--sample")
	c := &cloud{process: p}
	b, err := os.ReadFile(readyFile)
	if err == nil {
		err = json.Unmarshal(b, &c.status)
	}
	if err != nil {
		t.Fatal(err)
	}
	front := place{address: c.status.Endpoint, roots: rootsFrom(t, c.status.CAFile)}
	c.manager = front.at(strings.TrimPrefix(c.status.Endpoints.ResourceManager, "https://"))
	c.vaults = front.at(c.status.Sample.Vault + "." + c.status.Endpoints.VaultSuffix)
	attached, err := control.Dial(c.status.ControlSocket).Attach(t.Context(), control.AttachRequest{VM: c.status.Sample.VM})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { attached.Close() })
	c.machine = place{socket: attached.Socket("169.254.169.254:80")}
	c.managerToken = c.operatorToken(t, c.status.Endpoints.ResourceManager+"/")
	c.writerToken = c.operatorToken(t, c.vaultResource())
	c.readerToken = tokenIn(c.once(t, c.machine, 200, c.tokenRequest("")))
	c.allowWriting(t)
	return c
}

func (c *cloud) vaultResource() string { return "https://" + c.status.Endpoints.VaultSuffix }

func (c *cloud) operatorToken(t testing.TB, resource string) string {
	t.Helper()
	token, err := control.Dial(c.status.ControlSocket).Token(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

// once asks once, on a line of its own.
func (c *cloud) once(t testing.TB, at place, want int, r []byte) []byte {
	t.Helper()
	conn, err := at.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	status, body, err := newLine(conn).ask(r)
	if err != nil || status != want {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	return body
}

// allowWriting makes the operator a Key Vault Secrets Officer of the vault.
func (c *cloud) allowWriting(t testing.TB) {
	t.Helper()
	var claims struct {
		ObjectID string `json:"oid"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(c.managerToken, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	role := rbac.DefinitionID(azure.SubscriptionScope(azure.SubscriptionID(c.status.SubscriptionID)), rbac.BuiltInNamed("Key Vault Secrets Officer").ID)
	path := c.resource("Microsoft.KeyVault/vaults/"+c.status.Sample.Vault) + "/providers/Microsoft.Authorization/roleAssignments/" + azure.NewGUID() + "?api-version=2022-04-01"
	body := fmt.Sprintf(`{"properties":{"roleDefinitionId":%q,"principalId":%q,"principalType":"User"}}`, role, claims.ObjectID)
	c.once(t, c.manager, 201, request("PUT", c.manager.host, path, c.managerToken, body))
}

func (c *cloud) resource(typeAndName string) string {
	return "/subscriptions/" + c.status.SubscriptionID + "/resourceGroups/" + c.status.Sample.ResourceGroup + "/providers/" + typeAndName
}

// tokenRequest asks the metadata service for a token for vaults.
func (c *cloud) tokenRequest(more string) []byte {
	return request("GET", "169.254.169.254", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F"+c.status.Endpoints.VaultSuffix+more, "", "")
}

func (c *cloud) instanceRequest() []byte {
	return request("GET", "169.254.169.254", "/metadata/instance?api-version=2021-02-01", "", "")
}

func (c *cloud) getSecret(token string) []byte {
	return request("GET", c.vaults.host, "/secrets/"+c.status.Sample.Secret+"?api-version=7.4", token, "")
}

func (c *cloud) setSecret(name string) []byte {
	return request("PUT", c.vaults.host, "/secrets/"+name+"?api-version=7.4", c.writerToken, `{"value":"TheCakeIsALie"}`)
}

func (c *cloud) getMachine() []byte {
	return request("GET", c.manager.host, c.resource("Microsoft.Compute/virtualMachines/"+c.status.Sample.VM)+"?api-version=2024-11-01", c.managerToken, "")
}

// tokenIn is the token of an answer of the metadata service, which has it first.
func tokenIn(answer []byte) string { return strings.Split(string(answer), `"`)[3] }
