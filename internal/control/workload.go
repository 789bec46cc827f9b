package control

import (
	"context"
	"net/http"

	"midas/internal/fault"
	"midas/internal/wire"
)

// WorkloadTokenRequest asks for a token of the cloud's own issuer.
type WorkloadTokenRequest struct {
	Subject  string `json:"subject"`            // "system:serviceaccount:NAMESPACE:NAME"
	Audience string `json:"audience,omitempty"` // "" is the one that federated credentials have by default
}

// WorkloadToken says who a pod or job is, to be exchanged for an access token.
type WorkloadToken struct {
	Token     string `json:"token"`
	ExpiresOn int64  `json:"expiresOn"` // Unix seconds
	Issuer    string `json:"issuer"`
	Subject   string `json:"subject"`
	Audience  string `json:"audience"`
}

func (d Door) workloadToken(w http.ResponseWriter, r *http.Request) error {
	q, err := read[WorkloadTokenRequest](r)
	if err != nil {
		return err
	}
	if q.Subject == "" {
		return fault.New(fault.Invalid, "The member 'subject' is missing.").At("subject")
	}
	wire.EventOf(r.Context()).Target = q.Subject
	t, err := d.WorkloadToken(r.Context(), q)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteJSON(w, http.StatusOK, t)
}

// WorkloadToken asks for a token of the cloud's own issuer.
func (c *Client) WorkloadToken(ctx context.Context, q WorkloadTokenRequest) (WorkloadToken, error) {
	return ask[WorkloadToken](ctx, c, http.MethodPost, "/workload/token", q)
}
