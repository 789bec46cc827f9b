package sandbox

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnv(t *testing.T) {
	trust := func(bundle, ca string, first ...string) []string {
		return append(first,
			"SSL_CERT_FILE="+bundle, "REQUESTS_CA_BUNDLE="+bundle, "CURL_CA_BUNDLE="+bundle,
			"GIT_SSL_CAINFO="+bundle, "AWS_CA_BUNDLE="+bundle, "PIP_CERT="+bundle, "NODE_EXTRA_CA_CERTS="+ca)
	}
	for _, tt := range []struct {
		name, ca string
		base     []string
		want     []string
	}{
		{"empty", "", nil, trust("/b", "/b")},
		{"own certificate for Node", "/ca", nil, trust("/b", "/ca")},
		{"kept in order", "", []string{"PATH=/bin", "HOME=/h", "EMPTY=", "A=b=c"},
			trust("/b", "/b", "PATH=/bin", "HOME=/h", "EMPTY=", "A=b=c")},
		{"proxies in every case", "", []string{"http_proxy=p", "HTTPS_PROXY=p", "All_Proxy=p", "no_proxy=*", "FTP_PROXY=p"},
			trust("/b", "/b", "FTP_PROXY=p")},
		{"caller's trust", "", []string{"SSL_CERT_FILE=x", "SSL_CERT_DIR=x", "REQUESTS_CA_BUNDLE=x", "NODE_EXTRA_CA_CERTS=x", "PIP_CERT=x"},
			trust("/b", "/b")},
		{"identity", "", []string{
			"IDENTITY_ENDPOINT=x", "IDENTITY_HEADER=x", "IDENTITY_SERVER_THUMBPRINT=x", "IDENTITY_API_VERSION=x", "APPSETTING_WEBSITE_SITE_NAME=x",
			"IMDS_ENDPOINT=x", "MSI_ENDPOINT=x",
			"MSI_SECRET=x", "AZURE_POD_IDENTITY_AUTHORITY_HOST=x", "AZURE_CLIENT_ID=x", "AZURE_CLIENT_SECRET=x",
			"AZURE_TENANT_ID=x", "AZURE_FEDERATED_TOKEN_FILE=x", "AZURE_AUTHORITY_HOST=x", "AZURE_CLIENT_CERTIFICATE_PATH=x",
			"AZURE_CLIENT_CERTIFICATE_PASSWORD=x", "AZURE_USERNAME=x", "AZURE_PASSWORD=x",
			"AZURE_REGIONAL_AUTHORITY_NAME=x", "AZURE_CONFIG_DIR=kept", "AZURE_CLIENT_IDS=kept",
		}, trust("/b", "/b", "AZURE_CONFIG_DIR=kept", "AZURE_CLIENT_IDS=kept")},
		{"a choice of identity", "", []string{"AZURE_CLIENT_ID=kept", "AZURE_TENANT_ID=kept", "AZURE_TOKEN_CREDENTIALS=kept"},
			trust("/b", "/b", "AZURE_CLIENT_ID=kept", "AZURE_TENANT_ID=kept", "AZURE_TOKEN_CREDENTIALS=kept")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Env(tt.base, "/b", tt.ca)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
