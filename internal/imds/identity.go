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
func (m *machine) info(w http.ResponseWriter, r *http.Request) error {
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
func (m *machine) token(w http.ResponseWriter, r *http.Request) error {
	p, _, err := admitVersion(w, r, sinceIdentity)
	if err != nil {
		return err
	}
	sel, err := readSelector(p)
	if err != nil {
		return err
	}
	key := tokenKey{resource: p.get("resource"), capabilities: p.get("xms_cc")}
	if key.resource == "" {
		return errResource
	}
	s, err := m.present(r.Context())
	if err != nil {
		return err
	}
	id, err := s.choose(sel)
	if err != nil {
		return err
	}
	e := wire.EventOf(r.Context())
	e.Caller = string(id.ID)
	key.principal = id.ID
	now := m.Now()
	t := s.cached(key, now)
	if t == nil || strings.EqualFold(p.get("bypass_cache"), "true") || t.refused(p.get("token_sha256_to_refresh")) {
		e.Operation, e.Target = operationToken, key.resource // the sign-in; what comes from the cache is none
		if t, err = m.issue(r.Context(), s, id, key, now); err != nil {
			return err
		}
		s.keep(key, t)
	}
	tail := t.tail(sel, now)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(t.head)+len(tail)))
	w.WriteHeader(http.StatusOK)
	w.Write(t.head) // a peer that went away is not our failure
	w.Write(tail)
	return nil
}

// issue mints a token for an identity of this machine.
func (m *machine) issue(ctx context.Context, s *state, id *identity, key tokenKey, now time.Time) (*issued, error) {
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
func (m *machine) audience(ctx context.Context, tenant azure.TenantID, resource string) (aud string, version int, err error) {
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
