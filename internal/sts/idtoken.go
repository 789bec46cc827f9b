package sts

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

// LifetimeID is how long an id token is good for.
const LifetimeID = time.Hour

// IDClaims is what an id token says to the client about its user (OpenID
// Connect Core section 2, in Entra's words).
type IDClaims struct {
	Audience   azure.AppID      `json:"aud"` // the client
	Issuer     string           `json:"iss"`
	IssuedAt   int64            `json:"iat"`
	NotBefore  int64            `json:"nbf"`
	ExpiresAt  int64            `json:"exp"`
	AIO        string           `json:"aio"`
	AMR        []string         `json:"amr,omitempty"`     // 1.0 only
	AccessHash string           `json:"at_hash,omitempty"` // binds the access token beside it, 2.0 only
	AuthTime   int64            `json:"auth_time"`         // when the user signed in
	Email      string           `json:"email,omitempty"`
	Groups     []azure.ObjectID `json:"groups,omitempty"`
	HasGroups  bool             `json:"hasgroups,omitempty"`
	IPAddress  string           `json:"ipaddr,omitempty"` // 1.0 only
	Name       string           `json:"name,omitempty"`
	Nonce      string           `json:"nonce,omitempty"`
	ObjectID   azure.ObjectID   `json:"oid"`
	Preferred  string           `json:"preferred_username,omitempty"` // 2.0 only
	RH         string           `json:"rh"`
	Subject    string           `json:"sub"`
	TenantID   azure.TenantID   `json:"tid"`
	Unique     string           `json:"unique_name,omitempty"` // 1.0 only
	UPN        string           `json:"upn,omitempty"`         // 1.0 only
	UTI        string           `json:"uti"`
	Version    string           `json:"ver"`
}

// IDGrant is an id token that a client may have.
type IDGrant struct {
	User          directory.Principal
	Client        azure.AppID
	Version       int // of the endpoint
	SignedInAt    time.Time
	Nonce         string
	AccessToken   string // that goes with it
	Profile       bool   // whether the client may know the user's name
	Email         bool   // and address
	Methods       []string
	ClientAddress string
	Groups        []azure.ObjectID
}

// IssueID signs an id token.
func (s *Service) IssueID(ctx context.Context, g IDGrant) (string, error) {
	keys, err := s.keys(ctx)
	if err != nil {
		return "", err
	}
	now := s.Now()
	opaque, issued := newOpaque(), now.Add(-clockTolerance).Unix()
	c := IDClaims{
		Audience: g.Client, Issuer: s.Cloud.V2Issuer(g.User.Tenant), Version: version2, IssuedAt: issued, NotBefore: issued, ExpiresAt: now.Add(LifetimeID).Unix(),
		AuthTime: g.SignedInAt.Unix(), Nonce: g.Nonce, ObjectID: g.User.ID, Subject: pairwise(g.User, g.Client), TenantID: g.User.Tenant,
		AIO: opaque.aio, RH: opaque.rh, UTI: opaque.uti,
	}
	c.Groups, c.HasGroups = claimedGroups(g.Groups)
	if g.Email {
		c.Email = g.User.UPN
	}
	key := keys.signing(now)
	if g.Version == 1 {
		c.Version, c.Issuer = version1, s.Cloud.V1Issuer(g.User.Tenant)
		c.Name, c.Unique, c.UPN, c.AMR, c.IPAddress = g.User.DisplayName, g.User.UPN, g.User.UPN, g.Methods, g.ClientAddress
		return key.sign(key.header1, c)
	}
	if g.Profile {
		c.Name, c.Preferred = g.User.DisplayName, g.User.UPN
	}
	if g.AccessToken != "" {
		c.AccessHash = halfHash(g.AccessToken)
	}
	return key.sign(key.header2, c)
}

// halfHash is at_hash and c_hash of OpenID Connect Core section 3.1.3.6, for RS256.
func halfHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// ReadID returns the claims of an id token of ours, which may be expired: as a
// hint of who signs out, it names somebody and gives no right.
func (s *Service) ReadID(ctx context.Context, raw string) (c IDClaims, err error) {
	malformed := fault.New(fault.Unauthorized, "The id token is malformed.").Named(Malformed)
	if len(raw) > maxToken {
		return c, malformed
	}
	token, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return c, malformed
	}
	keys, err := s.keys(ctx)
	if err != nil {
		return c, err
	}
	key, ok := keys.byKid[token.Signatures[0].Header.KeyID]
	if !ok {
		return c, refuse(UnknownKey, "The id token is signed with an unknown key.")
	}
	payload, err := token.Verify(&key.private.PublicKey)
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return IDClaims{}, malformed
	}
	return c, nil
}
