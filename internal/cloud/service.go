package cloud

import (
	"strings"

	"midas/internal/azure"
)

// Service is one of the cloud's own services, as the audience of a token.
type Service struct {
	Name      string
	AppID     azure.AppID
	Audiences []string // with no trailing slash; each is known with one, too
}

// Names of the services whose doors are here.
const (
	ResourceManager = "Azure Resource Manager"
	KeyVault        = "Azure Key Vault"
	Graph           = "Microsoft Graph"
	OldGraph        = "Windows Azure Active Directory"
)

// Services lists the services that tokens can be had for: the resource table
// of control-plane.md G.
func (p Profile) Services() []Service {
	return []Service{
		{ResourceManager, "797f4846-ba00-4fd7-ba43-dac1f8f63013", []string{"https://" + p.managementHost, "https://" + p.ResourceHost}},
		{KeyVault, "cfa8b339-82a2-471a-a3c9-0fc0be7a4093", []string{p.VaultResource()}},
		{Graph, "00000003-0000-0000-c000-000000000000", []string{"https://" + p.GraphHost}},
		{OldGraph, "00000002-0000-0000-c000-000000000000", []string{"https://" + p.oldGraphHost}},
	}
}

// Accepts reports whether the service takes tokens for an audience: one of its
// own names with or without a trailing slash, or its app id.
func (s Service) Accepts(audience string) bool {
	if strings.EqualFold(audience, string(s.AppID)) {
		return true
	}
	audience = strings.TrimSuffix(audience, "/")
	for _, a := range s.Audiences {
		if strings.EqualFold(a, audience) {
			return true
		}
	}
	return false
}

// Service finds the service that a resource URI or app id means.
func (p Profile) Service(resource string) (Service, bool) {
	for _, s := range p.Services() {
		if s.Accepts(resource) {
			return s, true
		}
	}
	return Service{}, false
}

// ServiceNamed returns one of the services above by its name.
func (p Profile) ServiceNamed(name string) Service {
	for _, s := range p.Services() {
		if s.Name == name {
			return s
		}
	}
	return Service{}
}
