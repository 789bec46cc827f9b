package arm

import (
	"net/http"
	"strings"

	"midas/internal/wire"
)

// metadata answers what the cloud's services are called, before anybody has a
// token: that is how clients learn where to get one (control-plane.md B9). The
// shape has changed with the api-version three times.
func (d *Door) metadata(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodNotAllowed(r.Method)
	}
	v, err := apiVersion(r)
	if err != nil {
		return err
	}
	var body any
	switch date := v[:10]; {
	case date < "2018-01-01":
		body = d.firstMetadata()
	case date < "2019-05-01":
		body = object{{"cloudEndpoint", object{{"public", object{{"endpoint", strings.TrimPrefix(d.Cloud.ResourceManager(), "https://")}, {"locations", d.locationNames()}}}}}}
	case date < "2022-09-01":
		body = []any{d.cloudMetadata("/")}
	default:
		body = d.cloudMetadata("")
	}
	return d.write(w, r, &Answer{Status: http.StatusOK, Body: body})
}

// isMetadata reports whether a path is that of the document, with or without
// slashes before and after it.
func isMetadata(r *http.Request) bool {
	segs, err := wire.Segments(r)
	return err == nil && matches("metadata/endpoints", segs)
}

func (d *Door) firstMetadata() any {
	p, e := d.Cloud, d.Cloud.Endpoints()
	return object{{"galleryEndpoint", e.Gallery}, {"graphEndpoint", p.OldGraphResource()}, {"portalEndpoint", "https://" + p.PortalHost},
		{"authentication", object{{"loginEndpoint", "https://" + p.LoginHost() + "/"}, {"audiences", p.ManagementAudiences()}}}}
}

// cloudMetadata describes the cloud. The address of the token service ends in
// a slash in the older form.
func (d *Door) cloudMetadata(slash string) any {
	p, e := d.Cloud, d.Cloud.Endpoints()
	o := object{
		{"portal", "https://" + p.PortalHost},
		{"authentication", object{{"loginEndpoint", "https://" + p.LoginHost() + slash}, {"audiences", p.ManagementAudiences()}, {"tenant", "common"}, {"identityProvider", "AAD"}}},
		{"graphAudience", p.OldGraphResource()}, {"graph", p.OldGraphResource()}, {"name", p.Name}, {"resourceManager", p.ResourceManager() + "/"},
		{"microsoftGraphResourceId", "https://" + p.GraphHost + "/"}, {"vmImageAliasDoc", e.ImageAliases},
	}
	for _, m := range []member{{"media", e.Media}, {"batch", e.Batch}, {"sqlManagement", e.SQLManagement}, {"gallery", e.Gallery}, {"activeDirectoryDataLake", e.DataLake},
		{"logAnalyticsResourceId", e.LogAnalytics}, {"appInsightsResourceId", e.AppInsights}, {"appInsightsTelemetryChannelResourceId", e.AppInsightsChannel},
		{"ossrDbmsResourceId", e.OSSRDBMS}, {"attestationResourceId", e.AttestationResource}, {"synapseAnalyticsResourceId", e.SynapseResource}} {
		if m.value != "" {
			o = append(o, m)
		}
	}
	suffixes := object{{"keyVaultDns", p.VaultSuffix}}
	for _, m := range []member{{"storage", e.Storage}, {"sqlServerHostname", e.SQLServer}, {"acrLoginServer", e.ContainerRegistry}, {"azureDataLakeStoreFileSystem", e.DataLakeStore},
		{"azureDataLakeAnalyticsCatalogAndJob", e.DataLakeAnalytics}, {"mhsmDns", e.ManagedHSM}, {"storageSyncEndpointSuffix", e.StorageSync}, {"mysqlServerEndpoint", e.MySQL},
		{"postgresqlServerEndpoint", e.PostgreSQL}, {"mariadbServerEndpoint", e.MariaDB}, {"synapseAnalytics", e.Synapse}, {"attestationEndpoint", e.Attestation}, {"azureFrontDoorEndpointSuffix", e.FrontDoor}} {
		if m.value != "" {
			suffixes = append(suffixes, m)
		}
	}
	return append(o, member{"suffixes", suffixes})
}
