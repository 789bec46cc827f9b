package entra

import (
	"errors"
	"math"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/federation"
	"midas/internal/store"
)

// foreign reads an assertion that another issuer has made, or gives nil. An
// issuer is a URL; a client's own assertion names the client in that place. It
// is nothing that could be believed yet.
func foreign(assertion string) *federation.Token {
	t, err := federation.Parse(assertion)
	if err != nil || !strings.HasPrefix(t.Claims.Issuer, "https://") {
		return nil
	}
	return t
}

// signingIn finds who a proof is of. Only with a token of another issuer that
// may be a user-assigned managed identity, which is no application.
func signingIn(tx *store.Tx, tenant directory.Tenant, p proof) (directory.Principal, error) {
	if id, ok := azure.ParseGUID(p.clientID); ok && p.foreign != nil {
		m, err := directory.PrincipalByAppID(tx, tenant.ID, azure.AppID(id))
		if err == nil && m.IsUserAssigned() || err != nil && !fault.Is(err, fault.NotFound) {
			return m, err
		}
	}
	return client(tx, tenant, p.clientID)
}

// match finds the federated credential that admits a token by what it says,
// and tells as Entra does what none has: the issuer, the subject or the
// audience (control-plane.md A8). Nothing is fetched for a token without one.
func match(tx *store.Tx, app azure.AppID, c federation.Claims) error {
	all, err := directory.FederatedCredentials(tx, app)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return notFederated.with(c.Issuer, c.Subject, strings.Join(c.Audience, ","))
	}
	failed := otherIssuer.with(c.Issuer)
	for _, one := range all {
		switch {
		case one.Issuer != c.Issuer:
		case one.Subject != c.Subject:
			if strings.EqualFold(one.Subject, c.Subject) {
				failed = otherSubjectCase.with(c.Subject)
			} else if failed.number == otherIssuer {
				failed = otherSubject.with(c.Subject)
			}
		case slices.Contains(c.Audience, one.Audiences[0]):
			return nil
		default:
			return otherAudience.with(strings.Join(c.Audience, ",")) // issuer and subject are one owner's only once
		}
	}
	return failed
}

// verifyForeign checks a token of another issuer, if the proof is one: that a
// credential of the client admits it, its signature, and its times. The order
// keeps this server from calling anybody that no stored credential names.
func (d *Door) verifyForeign(t *tokenRequest, p proof) error {
	if p.foreign == nil {
		return nil
	}
	err := d.DB.View(t.Context(), func(tx *store.Tx) error {
		principal, err := signingIn(tx, t.tenant, p)
		if err != nil {
			return err
		}
		return match(tx, principal.AppID, p.foreign.Claims)
	})
	if err != nil {
		return err
	}
	if err := d.Issuers.Verify(t.Context(), p.foreign); err != nil {
		return d.unverified(p, err)
	}
	return d.checkForeignTimes(p.foreign.Claims)
}

// unverified says in Entra's words why a token of another issuer is not believed.
func (d *Door) unverified(p proof, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	switch f.Code {
	case federation.Unreachable:
		return issuerUnreachable.with().because(err)
	case federation.UnknownKey:
		return issuerKeyUnknown.with(p.foreign.KeyID(), p.foreign.Claims.Issuer).because(err)
	case federation.BadSignature:
		return assertionKey.with(p.clientID, "The provided signature value did not match the expected signature value.", p.foreign.KeyID()).because(err)
	}
	return err
}

// checkForeignTimes refuses what is expired or not valid yet. How long a token
// may live is its issuer's business.
func (d *Door) checkForeignTimes(c federation.Claims) error {
	at, skew := seconds(d.Now()), assertionSkew.Seconds()
	from := math.Inf(-1)
	for _, t := range []*float64{c.NotBefore, c.IssuedAt} {
		if t != nil {
			from = max(from, *t)
		}
	}
	if c.Expires == nil || *c.Expires+skew <= at || from-skew > at {
		return assertionTime.with(clock(at), clock(from), clock(pointed(c.Expires)), "as long as its issuer says")
	}
	return nil
}
