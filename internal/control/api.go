package control

import "time"

// The types below are the JSON of this API and what `--json` prints: scripts
// rely on their member names (design.md section 5).

// Status says what runs here and how to reach it.
type Status struct {
	Endpoint       string    `json:"endpoint"` // host:port of the front port
	PID            int       `json:"pid"`
	Version        string    `json:"version"`
	Cloud          string    `json:"cloud"` // name of the profile: "AzureCloud"
	TenantID       string    `json:"tenantId"`
	SubscriptionID string    `json:"subscriptionId"`
	DataDir        string    `json:"dataDir"`
	CAFile         string    `json:"caFile"`     // the installation's own CA, PEM
	BundleFile     string    `json:"bundleFile"` // the CA and the roots of this machine, PEM
	ControlSocket  string    `json:"controlSocket"`
	Endpoints      Endpoints `json:"endpoints"`
	Sample         *Sample   `json:"sample,omitempty"`
}

// Endpoints are the addresses by which clients call the cloud, without trailing slashes.
type Endpoints struct {
	Login           string `json:"login"`
	ResourceManager string `json:"resourceManager"`
	Graph           string `json:"graph"`
	VaultSuffix     string `json:"vaultSuffix"`    // a host suffix: no scheme, no leading dot
	WorkloadIssuer  string `json:"workloadIssuer"` // of the tokens of pods and jobs; with its trailing slash, as tokens name it
}

// Sample names what `midas up --sample` made.
type Sample struct {
	ResourceGroup string `json:"resourceGroup"`
	VM            string `json:"vm"`
	Vault         string `json:"vault"`
	VaultURI      string `json:"vaultUri"`
	Secret        string `json:"secret"`
}

// TokenRequest asks for an access token for the operator.
type TokenRequest struct {
	Resource string `json:"resource"` // the audience: "https://vault.azure.net"
}

// Token is an access token for the operator.
type Token struct {
	AccessToken string `json:"access_token"`
	ExpiresOn   int64  `json:"expires_on"` // Unix seconds
	TokenType   string `json:"token_type"` // "Bearer"
	Resource    string `json:"resource"`   // as asked
}

// WhyRequest asks whether a principal may do something.
type WhyRequest struct {
	Principal string `json:"principal"` // object id
	Action    string `json:"action"`    // "Microsoft.KeyVault/vaults/secrets/getSecret/action"
	Scope     string `json:"scope"`     // resource id
}

// WhyAnswer says whether it may, and why.
type WhyAnswer struct {
	Allowed    bool   `json:"allowed"`
	Reason     string `json:"reason"`               // one sentence for people
	Assignment string `json:"assignment,omitempty"` // resource id of the role assignment that allows it
	Role       string `json:"role,omitempty"`       // name of the role it assigns
	Deny       string `json:"deny,omitempty"`       // resource id of the deny assignment that takes it away
	Lock       string `json:"lock,omitempty"`       // resource id of the lock that forbids it
	Policy     string `json:"policy,omitempty"`     // the vault whose access policy decides
}

// ServicePrincipalRequest asks for an application with a service principal and
// a credential of its own.
type ServicePrincipalRequest struct {
	Name        string `json:"name"`
	Certificate string `json:"certificate,omitempty"` // PEM; in place of a password
	Role        string `json:"role,omitempty"`        // name or id of a role to assign
	Scope       string `json:"scope,omitempty"`       // resource id to assign it at

	DirectoryRoles []string `json:"directoryRoles,omitempty"` // names or ids of roles in the directory
	Permissions    []string `json:"permissions,omitempty"`    // of Microsoft Graph: "Directory.Read.All"
}

// ServicePrincipal is what was made, in the words of `az ad sp create-for-rbac`.
type ServicePrincipal struct {
	AppID       string `json:"appId"`
	DisplayName string `json:"displayName"`
	ObjectID    string `json:"objectId"`           // of the service principal
	Password    string `json:"password,omitempty"` // shown this once
	Tenant      string `json:"tenant"`
}

// Clock is what the cloud's clock shows.
type Clock struct {
	Now           time.Time `json:"now"`           // UTC
	Offset        string    `json:"offset"`        // how far it is ahead of the machine's: "1d1h0m0s"
	OffsetSeconds float64   `json:"offsetSeconds"` // the same as a number
}

// AdvanceRequest asks to move the clock forward.
type AdvanceRequest struct {
	By string `json:"by"` // "90m", "25h", "8d", "1d12h"
}

// Report is what was checked of what is stored.
type Report struct {
	Checks []Check  `json:"checks"`
	Faults []string `json:"faults"` // one line each; not all of them where there are very many
}

// Check is one kind of thing that was looked at.
type Check struct {
	What   string `json:"what"`
	Count  int64  `json:"count"`  // how many
	Faults int64  `json:"faults"` // how many faults were found with them
}

// OK reports whether no fault was found.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// Resealed says how far everything is under a new root key.
type Resealed struct {
	NewKey   bool  `json:"newKey"`   // a key was added; false where an unfinished run was continued
	Resealed int64 `json:"resealed"` // values that were sealed anew
	Total    int64 `json:"total"`    // values that are sealed
}

// How a command reaches the local endpoints of its machine.
const (
	ViaNamespace = "namespace" // they are at their own addresses, in a namespace of the command's own
	ViaProxy     = "proxy"     // they are behind the front port, which is the command's proxy
)

// AttachRequest asks for the local endpoints of a machine.
type AttachRequest struct {
	VM       string `json:"vm"`                 // a name, a resource id, or "" for no machine
	Via      string `json:"via,omitempty"`      // ViaNamespace, which "" is too, or ViaProxy
	Source   string `json:"source,omitempty"`   // where clients look for their identity: "imds", which "" is too, "appservice", "workload", …
	ClientID string `json:"clientId,omitempty"` // with "workload": which of several identities
	Egress   bool   `json:"egress,omitempty"`   // other hosts can be reached through the proxy, too
}

// Attachment is what stands ready while the one who asked stays connected.
type Attachment struct {
	VM        string            `json:"vm"`                  // resource id, "" for no machine
	Endpoints []LocalEndpoint   `json:"endpoints,omitempty"` // to be opened in the machine's namespace
	Env       map[string]string `json:"env,omitempty"`       // variables by which clients on the machine find its identity
	Proxy     string            `json:"proxy,omitempty"`     // by ViaProxy: the proxy's address, with a credential of this attachment's own
}

// LocalEndpoint is an address on a machine, and what answers there.
type LocalEndpoint struct {
	Addr   string `json:"addr"`   // "169.254.169.254:80"
	Socket string `json:"socket"` // path of a unix socket; "" by ViaProxy
}

// Socket is what answers at an address on the machine, "" where nothing does.
func (a Attachment) Socket(addr string) string {
	for _, e := range a.Endpoints {
		if e.Addr == addr {
			return e.Socket
		}
	}
	return ""
}
