package sts

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"midas/internal/azure"
	"midas/internal/directory"
)

// How long tokens live, from now to exp (control-plane.md A5).
const (
	LifetimeApp             = 3599 * time.Second
	LifetimeUser            = time.Hour
	LifetimeManagedIdentity = 24 * time.Hour // exp − iat is 86,700 s: iat is backdated

	maxLifetime = LifetimeManagedIdentity // of any token: retired keys are kept for it
)

// Values of [Grant.ClientAuth]: appidacr and azpacr.
const (
	ClientAuthNone        = "0" // a public client
	ClientAuthSecret      = "1"
	ClientAuthCertificate = "2" // or an assertion; managed identities, too
)

// Grant is a token that somebody may have. The door has checked that.
type Grant struct {
	Principal  directory.Principal
	Client     azure.AppID // who asked: for apps the principal's own
	ClientAuth string      // one of the ClientAuth constants
	Audience   string      // verbatim
	Version    int         // of the token: 1 or 2, as the resource wants it
	Lifetime   time.Duration

	IdentityResource azure.ResourceID // xms_mirid of a managed identity, else zero
	HostResource     azure.ResourceID // xms_az_rid: the machine that asked, else zero
	Capabilities     []string         // xms_cc

	// Of users, where they signed in themselves.
	Scope         string           // scp; "" is everything that the user may do
	Methods       []string         // amr: how
	ClientAddress string           // ipaddr: from where
	Groups        []azure.ObjectID // for the claim of that name, where it is wanted
}

// Token is an access token and its times as its claims have them, in whole seconds.
type Token struct {
	Raw                            string
	IssuedAt, NotBefore, ExpiresAt time.Time
}

// Issue signs a token. It waits for the first key of the installation while
// ctx lasts.
func (s *Service) Issue(ctx context.Context, g Grant) (Token, error) {
	if g.Version != 1 && g.Version != 2 || g.Lifetime <= 0 || g.Lifetime > maxLifetime {
		return Token{}, fmt.Errorf("sts: no token has version %d and lifetime %v", g.Version, g.Lifetime)
	}
	keys, err := s.keys(ctx)
	if err != nil {
		return Token{}, err
	}
	now := s.Now()
	claims := newClaims(s.Cloud, g, now)
	key := keys.signing(now)
	header := key.header1
	if g.Version == 2 {
		header = key.header2
	}
	raw, err := key.sign(header, claims)
	if err != nil {
		return Token{}, err
	}
	return Token{Raw: raw, IssuedAt: time.Unix(claims.IssuedAt, 0).UTC(), NotBefore: time.Unix(claims.NotBefore, 0).UTC(), ExpiresAt: time.Unix(claims.ExpiresAt, 0).UTC()}, nil
}

// sign writes the token in the compact form of RFC 7515 section 7.1, RS256. It
// is written out here because it is five lines and the header never changes;
// reading tokens, where the danger is, is go-jose's.
func (k *key) sign(header string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	token := make([]byte, 0, len(header)+enc.EncodedLen(len(payload))+enc.EncodedLen(k.private.Size())+2)
	token = append(append(token, header...), '.')
	token = enc.AppendEncode(token, payload)
	digest := sha256.Sum256(token)
	signature, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return string(enc.AppendEncode(append(token, '.'), signature)), nil
}
