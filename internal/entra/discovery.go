package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
)

// configuration is a discovery document (control-plane.md A2; OpenID Connect
// Discovery section 3). Members without a value in one version are absent there.
type configuration struct {
	TokenEndpoint         string   `json:"token_endpoint"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	JWKS                  string   `json:"jwks_uri"`
	ResponseModes         []string `json:"response_modes_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	Scopes                []string `json:"scopes_supported"`
	Issuer                string   `json:"issuer"`
	RequestURIParameter   *bool    `json:"request_uri_parameter_supported,omitempty"`
	MultiRefreshToken     bool     `json:"microsoft_multi_refresh_token,omitempty"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	DeviceEndpoint        string   `json:"device_authorization_endpoint"`
	LogoutSupported       bool     `json:"http_logout_supported"`
	FrontchannelLogout    bool     `json:"frontchannel_logout_supported"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	CheckSession          string   `json:"check_session_iframe,omitempty"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	Claims                []string `json:"claims_supported"`
	KerberosEndpoint      string   `json:"kerberos_endpoint"`
	TenantRegionScope     *string  `json:"tenant_region_scope"` // null where no tenant is named
	CloudInstanceName     string   `json:"cloud_instance_name"`
	CloudGraphHost        string   `json:"cloud_graph_host_name"`
	MSGraphHost           string   `json:"msgraph_host"`
	RBACURL               string   `json:"rbac_url"`
}

// templateTenant stands in the issuer where the document is for every tenant.
const templateTenant azure.TenantID = "{tenantid}"

// isShared reports whether a name in the path means any tenant.
func isShared(name string) bool {
	return strings.EqualFold(name, "common") || strings.EqualFold(name, "organizations")
}

// tenant finds a tenant by id or domain.
func (d *Door) tenant(ctx context.Context, name string) (t directory.Tenant, err error) {
	err = d.DB.View(ctx, func(tx *store.Tx) (err error) {
		t, err = tenantNamed(tx, name)
		return err
	})
	return t, err
}

// tenantNamed is [Door.tenant] within a transaction.
func tenantNamed(tx *store.Tx, name string) (directory.Tenant, error) {
	t, err := directory.TenantByIDOrDomain(tx, name)
	if fault.Is(err, fault.NotFound) {
		return t, tenantNotFound.with(name)
	}
	return t, err
}

// named is a tenant as a discovery address names it: its id for the issuer,
// and what stands in the other addresses.
func (d *Door) named(ctx context.Context, name string) (id azure.TenantID, path string, err error) {
	if isShared(name) {
		return templateTenant, strings.ToLower(name), nil
	}
	t, err := d.tenant(ctx, name)
	if f, ok := err.(*failure); ok {
		return "", "", f.as("invalid_tenant")
	}
	return t.ID, string(t.ID), err
}

// discovery is the discovery document of a tenant in version 1 or 2.
func (d *Door) discovery(r *http.Request, tenant string, version int) (any, error) {
	id, path, err := d.named(r.Context(), tenant)
	if err != nil {
		return nil, err
	}
	base := "https://" + d.authorityHost(r) + "/" + path
	oldGraph := strings.TrimPrefix(d.Cloud.ServiceNamed(cloud.OldGraph).Audiences[0], "https://")
	c := configuration{
		TokenAuthMethods:  []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		ResponseModes:     []string{"query", "fragment", "form_post"},
		SubjectTypes:      []string{"pairwise"},
		SigningAlgorithms: []string{"RS256"},
		LogoutSupported:   true, FrontchannelLogout: true,
		KerberosEndpoint:  base + "/kerberos",
		CloudInstanceName: d.instanceName(), CloudGraphHost: oldGraph, MSGraphHost: d.Cloud.GraphHost,
		RBACURL: "https://pas." + strings.TrimPrefix(d.Cloud.STSHost, "sts."),
	}
	if id != templateTenant {
		region := "WW"
		c.TenantRegionScope = &region
	}
	if version == 1 {
		c.version1(base, d.Cloud.V1Issuer(id))
	} else {
		c.version2(base, d.Cloud.V2Issuer(id), d.Cloud.GraphHost)
	}
	return c, nil
}

func (c *configuration) version1(base, issuer string) {
	c.Issuer, c.JWKS = issuer, base+"/discovery/keys"
	c.AuthorizationEndpoint, c.TokenEndpoint = base+"/oauth2/authorize", base+"/oauth2/token"
	c.DeviceEndpoint, c.EndSessionEndpoint = base+"/oauth2/devicecode", base+"/oauth2/logout"
	c.CheckSession, c.UserinfoEndpoint = base+"/oauth2/checksession", base+"/openid/userinfo"
	c.MultiRefreshToken = true
	c.ResponseTypes = []string{"code", "id_token", "code id_token", "token id_token", "token"}
	c.Scopes = []string{"openid"}
	c.Claims = []string{"sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
		"aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "email", "given_name", "family_name", "nickname"}
}

func (c *configuration) version2(base, issuer, graphHost string) {
	c.Issuer, c.JWKS = issuer, base+"/discovery/v2.0/keys"
	c.AuthorizationEndpoint, c.TokenEndpoint = base+"/oauth2/v2.0/authorize", base+"/oauth2/v2.0/token"
	c.DeviceEndpoint, c.EndSessionEndpoint = base+"/oauth2/v2.0/devicecode", base+"/oauth2/v2.0/logout"
	c.UserinfoEndpoint = "https://" + graphHost + "/oidc/userinfo"
	c.RequestURIParameter = new(bool)
	c.ResponseTypes = []string{"code", "id_token", "code id_token", "id_token token"}
	c.Scopes = []string{"openid", "profile", "email", "offline_access"}
	c.Claims = []string{"sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
		"aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"}
}

// instanceName is what the cloud calls itself: "microsoftonline.com".
func (d *Door) instanceName() string { return strings.TrimPrefix(d.Cloud.LoginHost(), "login.") }

// keys is the key set; only that of version 2 names the issuer of each key.
func (d *Door) keys(r *http.Request, tenant string, version int) (any, error) {
	id, _, err := d.named(r.Context(), tenant)
	if err != nil {
		return nil, err
	}
	issuer := ""
	if version == 2 {
		issuer = d.Cloud.V2Issuer(id)
	}
	set, err := d.Sts.JWKS(r.Context(), issuer)
	return json.RawMessage(set), err
}
