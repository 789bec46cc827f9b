package entra

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
)

// Limits of a client assertion.
const (
	assertionSkew     = 5 * time.Minute // how far the client's clock may be off
	assertionLifetime = 24 * time.Hour  // how far in the future it may expire; clients send ten minutes
	maxAssertion      = 32 << 10        // bytes; with x5c real ones have 5,000
)

// assertion is a client assertion (RFC 7523) before its signature is checked.
type assertion struct {
	signed     *jose.JSONWebSignature
	thumbprint string // of the certificate, base64url without padding, or ""
}

// assertionAlgorithms are those that MSAL signs with, now and in the past
// (control-plane.md A5).
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.PS256, jose.RS256}

var errTooLong = errors.New("too long")

// parseAssertion reads the envelope. Clients write the thumbprint in either
// base64 alphabet, padded or not; both forms of it are a name only.
func parseAssertion(raw string) (assertion, error) {
	if len(raw) > maxAssertion {
		return assertion{}, errTooLong
	}
	signed, err := jose.ParseSignedCompact(raw, assertionAlgorithms)
	if err != nil {
		return assertion{}, err
	}
	a := assertion{signed: signed}
	for _, name := range []jose.HeaderKey{"x5t#S256", "x5t"} {
		if given, ok := signed.Signatures[0].Protected.ExtraHeaders[name].(string); ok {
			a.thumbprint = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(given, "="))
			break
		}
	}
	return a, nil
}

// hexThumbprint is how messages show a thumbprint.
func (a assertion) hexThumbprint() string {
	b, err := base64.RawURLEncoding.DecodeString(a.thumbprint)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%X", b)
}

// assertionClaims are the claims of a client assertion. Times may be
// fractions: az sends them so (az-cli.md 5.1).
type assertionClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
	IssuedAt  *float64 `json:"iat"`
}

// audience is one or several, as RFC 7519 section 4.1.3 has it.
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// checkAssertion verifies a client assertion: the certificate it names, the
// signature, and only then its claims.
func (d *Door) checkAssertion(tx *store.Tx, tenant directory.Tenant, app azure.AppID, raw string) error {
	a, err := parseAssertion(raw)
	if err != nil {
		return malformedToken.with().because(err)
	}
	payload, err := d.checkSignature(tx, app, a)
	if err != nil {
		return err
	}
	var claims assertionClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return malformedToken.with().because(err)
	}
	if !strings.EqualFold(claims.Issuer, string(app)) || !strings.EqualFold(claims.Subject, string(app)) {
		return assertionNotTheClients.with(string(app))
	}
	if !slices.ContainsFunc(claims.Audience, func(s string) bool { return d.isTokenEndpoint(tenant, s) }) {
		return assertionAudience.with()
	}
	return claims.checkTimes(d.Now())
}

// checkSignature returns the payload of an assertion that a certificate of the
// application has signed.
func (d *Door) checkSignature(tx *store.Tx, app azure.AppID, a assertion) ([]byte, error) {
	refuse := func(reason string) *failure { return assertionKey.with(string(app), reason, a.hexThumbprint()) }
	credential, err := directory.CertificateByThumbprint(tx, app, a.thumbprint)
	if fault.Is(err, fault.NotFound) {
		return nil, refuse("The key was not found.")
	}
	if err != nil {
		return nil, err
	}
	if now := d.Now(); now.Before(credential.StartAt) || !now.Before(credential.EndAt) {
		return nil, refuse("The key used is expired.")
	}
	cert, err := x509.ParseCertificate(credential.Certificate)
	if err != nil {
		return nil, err
	}
	payload, err := a.signed.Verify(cert.PublicKey)
	if err != nil {
		return nil, refuse("The provided signature value did not match the expected signature value.").because(err)
	}
	return payload, nil
}

// checkTimes refuses what is expired, not valid yet, or valid for too long.
func (c assertionClaims) checkTimes(now time.Time) error {
	at, skew := seconds(now), assertionSkew.Seconds()
	from := math.Inf(-1)
	for _, t := range []*float64{c.NotBefore, c.IssuedAt} {
		if t != nil {
			from = max(from, *t)
		}
	}
	if c.Expires == nil || *c.Expires+skew <= at || from-skew > at || *c.Expires > at+assertionLifetime.Seconds()+skew {
		return assertionTime.with(clock(at), clock(from), clock(pointed(c.Expires)), assertionLifetime.String())
	}
	return nil
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func pointed(f *float64) float64 {
	if f == nil {
		return math.Inf(-1)
	}
	return *f
}

// clock prints a time of a claim, or "none" where it is no time at all.
func clock(s float64) string {
	if s < 0 || s > 253402300799 { // the last second of the year 9999
		return "none"
	}
	return time.UnixMicro(int64(s * 1e6)).UTC().Format(time.RFC3339Nano)
}

// isTokenEndpoint reports whether an assertion's audience means this tenant's
// token endpoint: that of either version on any of our hosts, or an issuer
// (control-plane.md A5, az-cli.md 11.6). The port is the caller's business.
func (d *Door) isTokenEndpoint(tenant directory.Tenant, aud string) bool {
	u, err := url.Parse(aud)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return false
	}
	if !slices.Contains(d.hosts(), strings.ToLower(u.Hostname())) {
		return false
	}
	name, path, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if !strings.EqualFold(name, string(tenant.ID)) && !strings.EqualFold(name, tenant.Domain) {
		return false
	}
	switch strings.ToLower(path) {
	case "", "v2.0", "oauth2/token", "oauth2/v2.0/token":
		return true
	}
	return false
}
