package entra

import (
	"encoding/json"
	"net/http"
)

// issuerDocument is the discovery document of the issuer of workload tokens,
// with the members that a Kubernetes cluster's has.
type issuerDocument struct {
	Issuer            string   `json:"issuer"`
	JWKS              string   `json:"jwks_uri"`
	ResponseTypes     []string `json:"response_types_supported"`
	SubjectTypes      []string `json:"subject_types_supported"`
	SigningAlgorithms []string `json:"id_token_signing_alg_values_supported"`
}

// issuerKeys is where the keys are, below the issuer.
const issuerKeys = "openid/v1/jwks"

// workloadIssuer serves the issuer of workload tokens of a tenant: what anybody
// needs to verify one, and nothing else.
func (d *Door) workloadIssuer(w http.ResponseWriter, r *http.Request, tenant, path string) error {
	switch path {
	case ".well-known/openid-configuration":
		return d.public(w, r, func() (any, error) {
			t, err := d.tenant(r.Context(), tenant)
			if f, ok := err.(*failure); ok {
				return nil, f.as("invalid_tenant")
			}
			issuer := d.Cloud.WorkloadIssuer(t.ID)
			return issuerDocument{issuer, issuer + issuerKeys, []string{"id_token"}, []string{"public"}, []string{"RS256"}}, err
		})
	case issuerKeys:
		return d.public(w, r, func() (any, error) {
			if _, err := d.tenant(r.Context(), tenant); err != nil {
				return nil, err
			}
			set, err := d.Sts.JWKS(r.Context(), "")
			return json.RawMessage(set), err
		})
	}
	return noEndpoint.with()
}
