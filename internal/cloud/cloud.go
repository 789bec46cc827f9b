// Package cloud holds the cloud profiles: how a cloud's services are called,
// which audiences they accept and who issues their tokens (design.md section
// 4; control-plane.md A3, G). Nothing else in the code names a host. It
// imports internal/azure only.
package cloud

import (
	"fmt"
	"slices"
	"strings"

	"midas/internal/azure"
)

// Profile says how one cloud is called. Host names carry no scheme and no port.
type Profile struct {
	Name           string   // "AzureCloud", as `az cloud` has it
	LoginHosts     []string // the token service; the first is the preferred one
	STSHost        string   // host of the v1 issuer
	ResourceHost   string   // Resource Manager
	GraphHost      string   // Microsoft Graph
	PortalHost     string
	IssuerHost     string // of the installation's own issuer of workload tokens, named as AKS has its clusters'
	VaultSuffix    string // vaults live one label below it; no leading dot
	AzEnvironment  string // what the metadata service calls the cloud
	Locations      []Location
	managementHost string // the classic name of Resource Manager's audience
	oldGraphHost   string // the retired directory Graph's audience, which old clients ask for
}

// Location is a region.
type Location struct {
	Name        string // "eastus"
	DisplayName string // "East US"
}

// profiles are the clouds that Microsoft runs.
var profiles = []Profile{
	{
		Name: "AzureCloud", AzEnvironment: "AzurePublicCloud",
		LoginHosts: []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com"}, STSHost: "sts.windows.net",
		ResourceHost: "management.azure.com", managementHost: "management.core.windows.net",
		GraphHost: "graph.microsoft.com", oldGraphHost: "graph.windows.net",
		PortalHost: "portal.azure.com", IssuerHost: "midas.oic.prod-aks.azure.com", VaultSuffix: "vault.azure.net",
		Locations: []Location{{"eastus", "East US"}, {"eastus2", "East US 2"}, {"westus", "West US"}, {"westus2", "West US 2"}, {"westus3", "West US 3"},
			{"centralus", "Central US"}, {"northcentralus", "North Central US"}, {"southcentralus", "South Central US"}, {"westcentralus", "West Central US"},
			{"canadacentral", "Canada Central"}, {"canadaeast", "Canada East"}, {"brazilsouth", "Brazil South"}, {"northeurope", "North Europe"}, {"westeurope", "West Europe"},
			{"uksouth", "UK South"}, {"ukwest", "UK West"}, {"francecentral", "France Central"}, {"germanywestcentral", "Germany West Central"}, {"switzerlandnorth", "Switzerland North"},
			{"norwayeast", "Norway East"}, {"swedencentral", "Sweden Central"}, {"polandcentral", "Poland Central"}, {"italynorth", "Italy North"}, {"spaincentral", "Spain Central"},
			{"southeastasia", "Southeast Asia"}, {"eastasia", "East Asia"}, {"japaneast", "Japan East"}, {"japanwest", "Japan West"}, {"koreacentral", "Korea Central"},
			{"australiaeast", "Australia East"}, {"australiasoutheast", "Australia Southeast"}, {"centralindia", "Central India"}, {"southindia", "South India"},
			{"southafricanorth", "South Africa North"}, {"uaenorth", "UAE North"}, {"qatarcentral", "Qatar Central"}, {"israelcentral", "Israel Central"}, {"mexicocentral", "Mexico Central"}},
	},
	{
		Name: "AzureChinaCloud", AzEnvironment: "AzureChinaCloud",
		LoginHosts: []string{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"}, STSHost: "sts.chinacloudapi.cn",
		ResourceHost: "management.chinacloudapi.cn", managementHost: "management.core.chinacloudapi.cn",
		GraphHost: "microsoftgraph.chinacloudapi.cn", oldGraphHost: "graph.chinacloudapi.cn",
		PortalHost: "portal.azure.cn", IssuerHost: "midas.oic.prod-aks.azure.cn", VaultSuffix: "vault.azure.cn",
		Locations: []Location{{"chinanorth", "China North"}, {"chinaeast", "China East"}, {"chinanorth2", "China North 2"}, {"chinaeast2", "China East 2"}, {"chinanorth3", "China North 3"}, {"chinaeast3", "China East 3"}},
	},
	{
		Name: "AzureUSGovernment", AzEnvironment: "AzureUSGovernmentCloud",
		LoginHosts: []string{"login.microsoftonline.us", "login.usgovcloudapi.net"}, STSHost: "sts.windows.net",
		ResourceHost: "management.usgovcloudapi.net", managementHost: "management.core.usgovcloudapi.net",
		GraphHost: "graph.microsoft.us", oldGraphHost: "graph.windows.net",
		PortalHost: "portal.azure.us", IssuerHost: "midas.oic.prod-aks.azure.us", VaultSuffix: "vault.usgovcloudapi.net",
		Locations: []Location{{"usgovvirginia", "USGov Virginia"}, {"usgovarizona", "USGov Arizona"}, {"usgovtexas", "USGov Texas"}, {"usdodeast", "USDoD East"}, {"usdodcentral", "USDoD Central"}},
	},
}

// Names lists the clouds there are.
func Names() []string {
	names := make([]string, len(profiles))
	for i, p := range profiles {
		names[i] = p.Name
	}
	return names
}

// Lookup finds a profile by name, without regard to case.
func Lookup(name string) (Profile, error) {
	for _, p := range profiles {
		if strings.EqualFold(p.Name, name) {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("there is no cloud %q\nhint: the clouds are %s", name, strings.Join(Names(), ", "))
}

// ExactHosts lists every single name that the cloud answers for.
func (p Profile) ExactHosts() []string {
	hosts := append(slices.Clone(p.LoginHosts), p.STSHost, p.ResourceHost, p.managementHost, p.GraphHost, p.oldGraphHost, p.PortalHost, p.IssuerHost)
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// WildcardHosts lists the names, "*.suffix", below which it answers for every label.
func (p Profile) WildcardHosts() []string { return []string{"*." + p.VaultSuffix} }

// Serves reports whether a host name, in any case, is the cloud's.
func (p Profile) Serves(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, ok := p.VaultName(host); ok {
		return true
	}
	return slices.Contains(p.ExactHosts(), host)
}

// VaultName returns the vault that a host name means: one label below the suffix.
func (p Profile) VaultName(host string) (string, bool) {
	name, ok := strings.CutSuffix(strings.ToLower(host), "."+p.VaultSuffix)
	return name, ok && name != "" && !strings.Contains(name, ".")
}

// LoginHost is the preferred host of the token service.
func (p Profile) LoginHost() string { return p.LoginHosts[0] }

// Authority is the address under which a tenant signs in, without a trailing slash.
func (p Profile) Authority(t azure.TenantID) string {
	return "https://" + p.LoginHost() + "/" + string(t)
}

// V1Issuer is the issuer of version 1.0 tokens, with its trailing slash (control-plane.md A2).
func (p Profile) V1Issuer(t azure.TenantID) string {
	return "https://" + p.STSHost + "/" + string(t) + "/"
}

// V2Issuer is the issuer of version 2.0 tokens, without one.
func (p Profile) V2Issuer(t azure.TenantID) string { return p.Authority(t) + "/v2.0" }

// ResourceManagerHosts are the names that Resource Manager answers under.
func (p Profile) ResourceManagerHosts() []string { return []string{p.ResourceHost, p.managementHost} }

// ResourceManager is the base address of Resource Manager, without a trailing slash.
func (p Profile) ResourceManager() string { return "https://" + p.ResourceHost }

// VaultResource is the audience of Key Vault, which its documents ask for
// without a trailing slash.
func (p Profile) VaultResource() string { return "https://" + p.VaultSuffix }

// VaultURI is the address of a vault, with its trailing slash.
func (p Profile) VaultURI(name string) string {
	return "https://" + strings.ToLower(name) + "." + p.VaultSuffix + "/"
}

// DefaultLocation is the region of what is made without one.
func (p Profile) DefaultLocation() string { return p.Locations[0].Name }

// Location finds a region by name or display name, in any case and spacing.
func (p Profile) Location(s string) (Location, bool) {
	folded := strings.ToLower(strings.ReplaceAll(s, " ", ""))
	for _, l := range p.Locations {
		if l.Name == folded || strings.ToLower(strings.ReplaceAll(l.DisplayName, " ", "")) == folded {
			return l, true
		}
	}
	return Location{}, false
}
