package sts

import (
	"context"
	"time"

	"midas/internal/azure"
)

// LifetimeWorkload is how long a workload token lives: as long as the token
// that Kubernetes puts into a pod by default.
const LifetimeWorkload = time.Hour

// workloadClaims are what a pod's token says, as Kubernetes writes it.
type workloadClaims struct {
	Audience  []string `json:"aud"`
	ExpiresAt int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	Issuer    string   `json:"iss"`
	ID        string   `json:"jti"`
	NotBefore int64    `json:"nbf"`
	Subject   string   `json:"sub"`
}

// IssueWorkload signs a token of the installation's own issuer: it says who a
// pod or job is, to be exchanged for an access token. It is none itself: its
// issuer is another one, which [Service.Verify] refuses. It is signed with the
// same keys, so that they rotate together.
func (s *Service) IssueWorkload(ctx context.Context, tenant azure.TenantID, subject, audience string) (Token, error) {
	keys, err := s.keys(ctx)
	if err != nil {
		return Token{}, err
	}
	now := s.Now().UTC().Truncate(time.Second)
	expires := now.Add(LifetimeWorkload)
	k := keys.signing(now)
	raw, err := k.sign(k.header2, workloadClaims{Audience: []string{audience}, ExpiresAt: expires.Unix(), IssuedAt: now.Unix(), Issuer: s.Cloud.WorkloadIssuer(tenant),
		ID: azure.NewGUID(), NotBefore: now.Unix(), Subject: subject})
	return Token{Raw: raw, IssuedAt: now, NotBefore: now, ExpiresAt: expires}, err
}
