package entra

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/wire"
)

// instanceAnswer says which document describes an authority, and which hosts
// are one and the same (control-plane.md A3). Version 1.0 has the first field only.
type instanceAnswer struct {
	Document string             `json:"tenant_discovery_endpoint"`
	Version  string             `json:"api-version,omitempty"`
	Metadata []instanceMetadata `json:"metadata,omitempty"`
}

type instanceMetadata struct {
	PreferredNetwork string   `json:"preferred_network"`
	PreferredCache   string   `json:"preferred_cache"`
	Aliases          []string `json:"aliases"`
}

// instance answers whether an authority belongs to this cloud.
func (d *Door) instance(r *http.Request) (any, error) {
	given, _ := wire.Query(r, "authorization_endpoint")
	authority, err := url.Parse(given)
	if err != nil || !strings.EqualFold(authority.Scheme, "https") || !slices.Contains(d.hosts(), strings.ToLower(authority.Hostname())) {
		return nil, unknownInstance.with()
	}
	path := strings.Split(strings.Trim(authority.EscapedPath(), "/"), "/")
	if path[0] == "" {
		return nil, unknownInstance.with()
	}
	document := "https://" + strings.ToLower(authority.Host) + "/" + path[0]
	if slices.ContainsFunc(path[1:], func(s string) bool { return strings.EqualFold(s, "v2.0") }) {
		document += "/v2.0"
	}
	answer := instanceAnswer{Document: document + "/.well-known/openid-configuration"}
	if version, _ := wire.Query(r, "api-version"); version != "1.0" {
		answer.Version = "1.1"
		answer.Metadata = []instanceMetadata{{d.Cloud.LoginHost(), d.preferredCache(), d.hosts()}}
	}
	return answer, nil
}

// hosts are the names of the token service, which all mean the same.
func (d *Door) hosts() []string {
	return append(slices.Clone(d.Cloud.LoginHosts), d.Cloud.STSHost)
}

// preferredCache is the host under which clients keep tokens: the login host
// beside the v1 issuer's where there is one (login.windows.net), else the
// preferred one.
func (d *Door) preferredCache() string {
	if sibling := "login." + strings.TrimPrefix(d.Cloud.STSHost, "sts."); slices.Contains(d.Cloud.LoginHosts, sibling) {
		return sibling
	}
	return d.Cloud.LoginHost()
}

// realm says how a user signs in (control-plane.md A4).
type realm struct {
	Version     string `json:"ver"`
	AccountType string `json:"account_type"` // "Managed" here, "Unknown" elsewhere
	Domain      string `json:"domain_name,omitempty"`
	Instance    string `json:"cloud_instance_name"`
	Audience    string `json:"cloud_audience_urn"`
}

// userRealm answers for the domain of a user, whether or not there is such a user.
func (d *Door) userRealm(w http.ResponseWriter, r *http.Request, upn string) (any, error) {
	answer := realm{Version: "1.0", AccountType: "Unknown", Instance: d.instanceName(), Audience: "urn:federation:MicrosoftOnline"}
	err := d.DB.View(r.Context(), func(tx *store.Tx) error {
		_, domain, _ := strings.Cut(upn, "@")
		t, err := directory.TenantByIDOrDomain(tx, domain)
		if err == nil && strings.EqualFold(t.Domain, domain) {
			answer.AccountType, answer.Domain = "Managed", t.Domain
		}
		return err
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	w.Header().Set("Content-Disposition", "inline; filename=userrealm.json")
	return answer, nil
}
