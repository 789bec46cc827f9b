package imds

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// operationToken is what the sign-in log calls a token that a machine obtained.
const operationToken = "managed_identity"

// info serves /metadata/identity/info (local-endpoints.md A.5).
func (m *Machine) info(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := admitVersion(w, r, sinceIdentity); err != nil {
		return err
	}
	s, err := m.present(r.Context())
	if err != nil {
		return err
	}
	if s.document == nil {
		return errNoIdentity
	}
	return wire.WriteJSON(w, http.StatusOK, struct {
		TenantID azure.TenantID `json:"tenantId"`
	}{s.tenant})
}

// token serves /metadata/identity/oauth2/token (local-endpoints.md A.6).
func (m *Machine) token(w http.ResponseWriter, r *http.Request) error {
	p, _, err := admitVersion(w, r, sinceIdentity)
	if err != nil {
		return err
	}
	a, err := readAsk(p, selectors)
	if err != nil {
		return err
	}
	t, err := m.obtain(r.Context(), a)
	if err != nil {
		return err
	}
	writeToken(w, t.head, t.tail(a.selector, "", m.Now()))
	return nil
}

// writeToken answers with a token, in parts that are JSON together.
func writeToken(w http.ResponseWriter, head, tail []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(head)+len(tail)))
	w.WriteHeader(http.StatusOK)
	w.Write(head) // a peer that went away is not our failure
	w.Write(tail)
}

// issue mints a token for an identity of this machine.
func (m *Machine) issue(ctx context.Context, s *state, id *identity, key tokenKey, now time.Time) (*issued, error) {
	g := sts.Grant{
		Principal: id.Principal, Client: id.AppID, ClientAuth: sts.ClientAuthCertificate,
		Lifetime: sts.LifetimeManagedIdentity, IdentityResource: id.Resource,
	}
	if !id.system {
		g.HostResource = m.vm // A.9: only a user-assigned identity's token says where it was asked for
	}
	if key.capabilities != "" {
		g.Capabilities = strings.Split(key.capabilities, ",")
	}
	var err error
	if g.Audience, g.Version, err = m.audience(ctx, s.tenant, key.resource); err != nil {
		return nil, err
	}
	t, err := m.Sts.Issue(ctx, g)
	if err != nil {
		return nil, err
	}
	return newIssued(t, id.AppID, key.resource, now), nil
}

// audience resolves the resource. One that is not there, or is switched off,
// is refused in the token service's words (local-endpoints.md A.3).
func (m *Machine) audience(ctx context.Context, tenant azure.TenantID, resource string) (aud string, version int, err error) {
	if _, ok := m.Cloud.Service(resource); ok {
		return resource, 1, nil // without the store: this is nearly every request
	}
	err = m.DB.View(ctx, func(tx *store.Tx) (err error) {
		aud, version, err = sts.Audience(tx, m.Cloud, tenant, resource)
		return err
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Forbidden) {
		e := wire.EventOf(ctx)
		return "", 0, unknownResource(resource, tenant, e.RequestID, e.CorrelationID, m.Now())
	}
	return aud, version, err
}
