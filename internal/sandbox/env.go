package sandbox

import (
	"slices"
	"strings"
)

// diverting are the variables of the caller that would lead a client in the
// namespace somewhere else: to another trust store, to another identity source
// (clients.md 3.5), or to a real credential.
var diverting = append([]string{"SSL_CERT_DIR", "AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME"}, endpoints...)

// endpoints say where a machine's identity is to be had.
var endpoints = []string{
	"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IDENTITY_API_VERSION", "APPSETTING_WEBSITE_SITE_NAME",
	"IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET", "AZURE_POD_IDENTITY_AUTHORITY_HOST",
}

// credentials prove an identity of another cloud.
var credentials = []string{
	"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD",
	"AZURE_FEDERATED_TOKEN_FILE", "AZURE_USERNAME", "AZURE_PASSWORD",
}

// credentialNames say whose credential it is. Without one they are settings of
// the program's own: AZURE_CLIENT_ID chooses a user-assigned identity.
var credentialNames = []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID"}

// proxies are read in both cases, and by some programs in any.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}

// trusting are the variables that name a whole bundle; a value of the caller's
// would win over the mounted files (az-cli.md section 8, traps).
var trusting = []string{
	"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
	"GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "PIP_CERT",
}

// nodeExtra names certificates that Node adds to its own built-in roots.
const nodeExtra = "NODE_EXTRA_CA_CERTS"

// Env is base for a command in the namespace: without the variables that would
// divert its clients, and with every ecosystem's trust variable set. bundlePath
// is a file with all roots, caPath one with the installation's CA alone, which
// is enough for Node and quicker to read; an empty caPath means bundlePath.
// Both must be readable by the command.
func Env(base []string, bundlePath, caPath string) []string {
	env := make([]string, 0, len(base)+len(trusting)+1)
	diverts := Diverting(base)
	for _, entry := range base {
		if name := nameOf(entry); name != nodeExtra && !slices.Contains(diverts, name) && !slices.Contains(trusting, name) {
			env = append(env, entry)
		}
	}
	if caPath == "" {
		caPath = bundlePath
	}
	for _, name := range trusting {
		env = append(env, name+"="+bundlePath)
	}
	return append(env, nodeExtra+"="+caPath)
}

// Diverting lists the variables of base that would lead a client to another
// proxy, another identity or another cloud's credential.
func Diverting(base []string) []string {
	dropped := credentials
	if slices.ContainsFunc(base, func(entry string) bool { return slices.Contains(credentials, nameOf(entry)) }) {
		dropped = append(slices.Clone(credentials), credentialNames...)
	}
	var names []string
	for _, entry := range base {
		name := nameOf(entry)
		if slices.Contains(dropped, name) || slices.Contains(diverting, name) || slices.Contains(proxies, strings.ToUpper(name)) {
			names = append(names, name)
		}
	}
	return names
}

func nameOf(entry string) string {
	name, _, _ := strings.Cut(entry, "=")
	return name
}
