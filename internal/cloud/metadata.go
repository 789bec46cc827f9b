package cloud

// Suffixes are the ends of the names that a cloud's services have. A service
// that is not here has none.
type Suffixes struct {
	Storage             string
	SQLServer           string
	ContainerRegistry   string
	DataLakeStore       string
	DataLakeAnalytics   string
	ManagedHSM          string
	StorageSync         string
	MySQL               string
	PostgreSQL          string
	MariaDB             string
	Synapse             string
	Attestation         string
	FrontDoor           string
	Media               string // an address, as are those that follow
	Batch               string
	SQLManagement       string
	Gallery             string
	DataLake            string
	LogAnalytics        string
	AppInsights         string
	AppInsightsChannel  string
	OSSRDBMS            string
	AttestationResource string
	SynapseResource     string
	ImageAliases        string
}

// Endpoints are the names of services that are not served here. Clients of a
// cloud's metadata document want to know them all the same (control-plane.md B9).
func (p Profile) Endpoints() Suffixes {
	s := endpoints[p.Name]
	s.ImageAliases = "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/main/arm-compute/quickstart-templates/aliases.json"
	return s
}

var endpoints = map[string]Suffixes{
	"AzureCloud": {
		Storage: "core.windows.net", SQLServer: "database.windows.net", ContainerRegistry: "azurecr.io", DataLakeStore: "azuredatalakestore.net",
		DataLakeAnalytics: "azuredatalakeanalytics.net", ManagedHSM: "managedhsm.azure.net", StorageSync: "afs.azure.net", MySQL: "mysql.database.azure.com",
		PostgreSQL: "postgres.database.azure.com", MariaDB: "mariadb.database.azure.com", Synapse: "dev.azuresynapse.net", Attestation: "attest.azure.net",
		FrontDoor: "azurefd.net", Media: "https://rest.media.azure.net", Batch: "https://batch.core.windows.net/", SQLManagement: "https://management.core.windows.net:8443/",
		Gallery: "https://gallery.azure.com/", DataLake: "https://datalake.azure.net/", LogAnalytics: "https://api.loganalytics.io", AppInsights: "https://api.applicationinsights.io",
		AppInsightsChannel: "https://dc.applicationinsights.azure.com/v2/track", OSSRDBMS: "https://ossrdbms-aad.database.windows.net",
		AttestationResource: "https://attest.azure.net", SynapseResource: "https://dev.azuresynapse.net",
	},
	"AzureChinaCloud": {
		Storage: "core.chinacloudapi.cn", SQLServer: "database.chinacloudapi.cn", ContainerRegistry: "azurecr.cn", ManagedHSM: "managedhsm.azure.cn",
		MySQL: "mysql.database.chinacloudapi.cn", PostgreSQL: "postgres.database.chinacloudapi.cn", MariaDB: "mariadb.database.chinacloudapi.cn", Synapse: "dev.azuresynapse.azure.cn",
		Media: "https://rest.media.chinacloudapi.cn", Batch: "https://batch.chinacloudapi.cn/", SQLManagement: "https://management.core.chinacloudapi.cn:8443/",
		Gallery: "https://gallery.chinacloudapi.cn/", LogAnalytics: "https://api.loganalytics.azure.cn", AppInsights: "https://api.applicationinsights.azure.cn",
		AppInsightsChannel: "https://dc.applicationinsights.azure.cn/v2/track", OSSRDBMS: "https://ossrdbms-aad.database.chinacloudapi.cn", SynapseResource: "https://dev.azuresynapse.net",
	},
	"AzureUSGovernment": {
		Storage: "core.usgovcloudapi.net", SQLServer: "database.usgovcloudapi.net", ContainerRegistry: "azurecr.us", ManagedHSM: "managedhsm.usgovcloudapi.net",
		StorageSync: "afs.azure.us", MySQL: "mysql.database.usgovcloudapi.net", PostgreSQL: "postgres.database.usgovcloudapi.net", MariaDB: "mariadb.database.usgovcloudapi.net",
		Synapse: "dev.azuresynapse.usgovcloudapi.net", Media: "https://rest.media.usgovcloudapi.net", Batch: "https://batch.core.usgovcloudapi.net/",
		SQLManagement: "https://management.core.usgovcloudapi.net:8443/", Gallery: "https://gallery.usgovcloudapi.net/", LogAnalytics: "https://api.loganalytics.us",
		AppInsights: "https://api.applicationinsights.us", AppInsightsChannel: "https://dc.applicationinsights.us/v2/track",
		OSSRDBMS: "https://ossrdbms-aad.database.usgovcloudapi.net", SynapseResource: "https://dev.azuresynapse.usgovcloudapi.net",
	},
}

// ManagementResource is the classic audience of Resource Manager, which
// clients take for the cloud's own from the first place of its list; in the
// public cloud it ends in a slash (control-plane.md B9).
func (p Profile) ManagementResource() string { return "https://" + p.managementHost + p.slash() }

// OldGraphResource is the audience of the retired directory Graph.
func (p Profile) OldGraphResource() string { return "https://" + p.oldGraphHost + "/" }

// slash is what the public cloud's addresses end in.
func (p Profile) slash() string {
	if p.Name == "AzureCloud" {
		return "/"
	}
	return ""
}

// ManagementAudiences are those of the metadata document, the one that
// clients use first.
func (p Profile) ManagementAudiences() []string {
	return []string{p.ManagementResource(), p.ResourceManager() + p.slash()}
}
