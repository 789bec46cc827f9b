package sts

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
)

// Why a token is refused: the codes of the Unauthorized faults of [Service.Verify].
const (
	Malformed     = "TokenMalformed"  // not a token in compact form signed with RS256
	UnknownKey    = "TokenUnknownKey" // no kid, or none of ours
	BadSignature  = "TokenBadSignature"
	Expired       = "TokenExpired"
	NotYetValid   = "TokenNotYetValid"
	WrongIssuer   = "TokenWrongIssuer"   // not a tenant of ours, or another than tid says
	WrongAudience = "TokenWrongAudience" // made for another service
	PrincipalGone = "TokenPrincipalGone" // deleted, disabled, or of another tenant
)

// verifySkew is how much exp and nbf may be off. It is small because the clocks
// that it bridges are those of the replicas of one installation, and because a
// user who moves the clock past a token's end wants to see it refused.
const verifySkew = 30 * time.Second

// maxToken bounds the tokens that are looked at; ours have about 1,500 bytes.
const maxToken = 16 << 10

// Caller is who a verified token speaks for.
type Caller struct {
	Claims     Claims // set as soon as the signature is good, even with an error
	ID         azure.ObjectID
	AppID      azure.AppID // the client that the token was given to
	Tenant     azure.TenantID
	Principals []azure.ObjectID // itself, then its groups; shared, not to be changed
}

// Verify checks a bearer token for a service: the signature before any claim,
// then times, issuer, audience and that its principal is there and enabled. A
// refusal is a fault of kind Unauthorized with one of the codes above. What
// was verified is remembered until it expires or the directory or the keys
// change. It waits for the first key of the installation while ctx lasts.
func (s *Service) Verify(ctx context.Context, raw string, service cloud.Service) (Caller, error) {
	if len(raw) > maxToken {
		return Caller{}, refuse(Malformed, "The access token is too long.")
	}
	now := s.Now()
	at := cacheKey{token: sha256.Sum256([]byte(raw)), service: service.AppID}
	epochs := epochs{s.DB.Epoch(store.Directory), s.DB.Epoch(store.Keys)}
	if c, ok := s.verified.get(at, epochs, now); ok {
		return c, nil
	}
	claims, err := s.open(ctx, raw)
	if err != nil {
		return Caller{}, err
	}
	c := Caller{Claims: claims, ID: claims.ObjectID, AppID: claims.client(), Tenant: claims.TenantID}
	if err := s.checkTimes(claims, now); err != nil {
		return c, err
	}
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		c.Principals, err = s.checkClaims(tx, claims, service)
		return err
	})
	if err != nil {
		return c, err
	}
	s.verified.put(at, epochs, now, c)
	return c, nil
}

// open returns the claims of a token that one of our keys signed.
func (s *Service) open(ctx context.Context, raw string) (Claims, error) {
	token, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return Claims{}, fault.Wrap(err, fault.Unauthorized, "The access token is malformed.").Named(Malformed)
	}
	keys, err := s.keys(ctx)
	if err != nil {
		return Claims{}, err
	}
	key, ok := keys.byKid[token.Signatures[0].Header.KeyID]
	if !ok {
		return Claims{}, refuse(UnknownKey, "The access token is signed with an unknown key.")
	}
	payload, err := token.Verify(&key.private.PublicKey)
	if err != nil {
		return Claims{}, fault.Wrap(err, fault.Unauthorized, "The signature of the access token is wrong.").Named(BadSignature)
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return Claims{}, fault.Wrap(err, fault.Unauthorized, "The access token is malformed.").Named(Malformed)
	}
	return claims, nil
}

func (s *Service) checkTimes(c Claims, now time.Time) error {
	if now.After(time.Unix(c.ExpiresAt, 0).Add(verifySkew)) {
		return refuse(Expired, "The access token has expired.")
	}
	if now.Before(time.Unix(c.NotBefore, 0).Add(-verifySkew)) {
		return refuse(NotYetValid, "The access token is not valid yet.")
	}
	return nil
}

// checkClaims holds the claims against the directory and returns the
// principals that the token speaks for. A principal that is there has a tenant
// that is there, so the tenant is only looked for where it is missing.
func (s *Service) checkClaims(tx *store.Tx, c Claims, service cloud.Service) ([]azure.ObjectID, error) {
	if c.Issuer != s.Cloud.V1Issuer(c.TenantID) && c.Issuer != s.Cloud.V2Issuer(c.TenantID) {
		return nil, refuse(WrongIssuer, "The access token is from the wrong issuer.")
	}
	if !service.Accepts(c.Audience) {
		return nil, refuse(WrongAudience, "The access token is for another service.")
	}
	p, err := directory.PrincipalByID(tx, c.ObjectID)
	switch {
	case fault.Is(err, fault.NotFound) || err == nil && p.Tenant != c.TenantID:
		_, err = directory.TenantByIDOrDomain(tx, string(c.TenantID))
		if fault.Is(err, fault.NotFound) {
			return nil, refuse(WrongIssuer, "The access token is from the wrong issuer.")
		}
		if err != nil {
			return nil, err
		}
		return nil, refuse(PrincipalGone, "The principal of the access token does not exist.")
	case err != nil:
		return nil, err
	case !p.Enabled:
		return nil, refuse(PrincipalGone, "The principal of the access token is disabled.")
	}
	groups, err := directory.Groups(tx, c.ObjectID)
	return append([]azure.ObjectID{c.ObjectID}, groups...), err
}

func refuse(code, message string) error {
	return fault.New(fault.Unauthorized, "%s", message).Named(code)
}
