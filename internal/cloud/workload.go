package cloud

import "midas/internal/azure"

// exchangeAudiences are what federated credentials are made for, by cloud; a
// cloud that is not here has the public one's (control-plane.md A8).
var exchangeAudiences = map[string]string{
	"AzureChinaCloud":   "api://AzureADTokenExchangeChina",
	"AzureUSGovernment": "api://AzureADTokenExchangeUSGov",
}

// TokenExchangeAudience is the audience that a federated credential has by
// default, and with it the tokens that are made to be exchanged.
func (p Profile) TokenExchangeAudience() string {
	if audience, ok := exchangeAudiences[p.Name]; ok {
		return audience
	}
	return "api://AzureADTokenExchange"
}

// WorkloadIssuer is the issuer of the tokens that local pods and jobs have,
// with its trailing slash, as AKS names a cluster's.
func (p Profile) WorkloadIssuer(t azure.TenantID) string {
	return "https://" + p.IssuerHost + "/" + string(t) + "/"
}
