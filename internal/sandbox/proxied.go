package sandbox

import (
	"encoding/base64"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Proxied are the variables that lead a command to a proxy of ours, in place
// of a namespace: for systems without one, and for shells. Which client reads
// which variable is in clients.md 3 and az-cli.md 3.
type Proxied struct {
	URL            string            // of the proxy, with its credential
	Bundle         string            // path of a file with all roots, PEM
	CA             string            // path of the installation's CA alone, PEM
	JavaTrustStore string            // path of the roots as a PKCS#12 store that opens without a password
	ConfigDir      string            // the Azure CLI's own directory; "" leaves it alone
	Dir            string            // the data directory, which all of these paths are in
	Machine        map[string]string // by which clients on the machine find its identity
}

// Variable is one variable of an environment.
type Variable struct{ Name, Value string }

// proxied are the proxy variables that are set. curl reads http_proxy in lower
// case only. ALL_PROXY is not: it adds no protocol that we answer, and some
// programs refuse to start for a scheme in it that they do not know.
var proxied = []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"}

// tokenFile holds the token of a workload identity; the others say whose it is.
const tokenFile = "AZURE_FEDERATED_TOKEN_FILE"

var workload = []string{tokenFile, "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"}

const (
	nodeProxy = "NODE_USE_ENV_PROXY" // has Node's own clients read the variables above
	javaTool  = "JAVA_TOOL_OPTIONS"  // read by every JVM, however it was started
	azureCLI  = "AZURE_CONFIG_DIR"
)

// Variables lists what has to be set, in a fixed order. base is the caller's
// environment: what it says for JVMs is kept.
func (p Proxied) Variables(base []string) []Variable {
	var vs []Variable
	for _, name := range proxied {
		vs = append(vs, Variable{name, p.URL})
	}
	for _, name := range trusting {
		vs = append(vs, Variable{name, p.Bundle})
	}
	vs = append(vs, Variable{nodeExtra, p.CA}, Variable{nodeProxy, "1"})
	vs = append(vs, Variable{javaTool, joined(p.withoutJava(base), p.java())})
	if p.ConfigDir != "" {
		vs = append(vs, Variable{azureCLI, p.ConfigDir})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Machine)) {
		vs = append(vs, Variable{name, p.Machine[name]})
	}
	return vs
}

// Env is base for a command behind the proxy: without what would divert its
// clients, and with [Proxied.Variables].
func (p Proxied) Env(base []string) []string {
	vs := p.Variables(base)
	diverts := Diverting(base)
	env := slices.DeleteFunc(slices.Clone(base), func(entry string) bool {
		name := nameOf(entry)
		return slices.Contains(diverts, name) || slices.ContainsFunc(vs, func(v Variable) bool { return v.Name == name })
	})
	for _, v := range vs {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

// Undo lists what takes [Proxied.Variables] back from the environment base, as
// far as it holds what they set: a variable with no value is to be unset. Only
// Dir and JavaTrustStore of p need to be known.
func (p Proxied) Undo(base []string) []Variable {
	behind := len(Credentials(base)) > 0
	federated := slices.ContainsFunc(base, func(entry string) bool { return nameOf(entry) == tokenFile })
	var vs []Variable
	for _, entry := range base {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case name == javaTool:
			if kept := p.withoutJava(base); kept != value {
				vs = append(vs, Variable{name, kept})
			}
		case slices.Contains(proxied, name) && credential(value),
			(name == azureCLI || name == nodeExtra || slices.Contains(trusting, name)) && strings.HasPrefix(value, p.Dir+string(filepath.Separator)),
			(name == nodeProxy || slices.Contains(endpoints, name) || federated && slices.Contains(workload, name)) && behind:
			vs = append(vs, Variable{Name: name})
		}
	}
	return vs
}

// Credentials lists the addresses of a proxy of ours in base, each once.
func Credentials(base []string) []string {
	var found []string
	for _, entry := range base {
		name, value, _ := strings.Cut(entry, "=")
		if slices.Contains(proxied, name) && credential(value) && !slices.Contains(found, value) {
			found = append(found, value)
		}
	}
	return found
}

// tokenBytes is how much the password in the address of a proxy of ours encodes.
const tokenBytes = 32

// credential reports whether an address of a proxy has the form of ours.
func credential(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	token, _ := u.User.Password()
	b, err := base64.RawURLEncoding.DecodeString(token)
	return err == nil && len(b) == tokenBytes
}

// java are the options of a JVM. The Azure SDK takes the proxy, with its
// credential, from the variables once useSystemProxies is said. The JDK's own
// clients take host and port from the properties; a credential cannot be given
// there, and would be printed by every JVM: they are refused, and reach no
// other cloud, unless their program has an Authenticator, which the last
// option lets answer for tunnels, too.
func (p Proxied) java() string {
	options := []string{"-Djavax.net.ssl.trustStore=" + p.JavaTrustStore, "-Djavax.net.ssl.trustStoreType=PKCS12", "-Djava.net.useSystemProxies=true"}
	if u, err := url.Parse(p.URL); err == nil {
		for _, scheme := range []string{"http", "https"} {
			options = append(options, "-D"+scheme+".proxyHost="+u.Hostname(), "-D"+scheme+".proxyPort="+u.Port())
		}
	}
	return joinedOptions(append(options, "-Djdk.http.auth.tunneling.disabledSchemes=")...)
}

// withoutJava is what base says for JVMs before what p does; ours come last.
func (p Proxied) withoutJava(base []string) string {
	for _, entry := range base {
		if value, ok := strings.CutPrefix(entry, javaTool+"="); ok {
			kept, _, _ := strings.Cut(value, joinedOptions("-Djavax.net.ssl.trustStore="+p.JavaTrustStore))
			return strings.TrimSpace(kept)
		}
	}
	return ""
}

func joined(a, b string) string { return strings.TrimSpace(a + " " + b) }

// joinedOptions quotes as the JVM splits: at blanks outside of quotes.
func joinedOptions(options ...string) string {
	for i, o := range options {
		if strings.ContainsAny(o, " \t\n") {
			options[i] = `"` + o + `"`
		}
	}
	return strings.Join(options, " ")
}
