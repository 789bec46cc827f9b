package keyvault

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/sts"
	"midas/internal/vault"
)

// authenticate verifies the bearer. Each refusal carries the challenge, from
// which every client learns where to ask for a token and for what.
func (h *handler) authenticate(r *http.Request, v *vault.Vault) (sts.Caller, error) {
	raw, ok := bearer(r)
	if !ok {
		return sts.Caller{}, h.refused(r, v, "AKV10000: Request is missing a Bearer or PoP token.", nil)
	}
	caller, err := h.Sts.Verify(r.Context(), raw, h.service)
	if fault.Is(err, fault.Unauthorized) {
		refused := h.refused(r, v, h.refusal(err, caller.Claims, v), err)
		if e, ok := errors.AsType[*wireError](refused); ok && code(err) == sts.Expired {
			e.challenge += ", " + sts.ClaimsChallenge(h.Now())
		}
		return caller, refused
	}
	if err == nil && v != nil && !strings.EqualFold(string(caller.Tenant), string(v.Properties.TenantID)) {
		return caller, h.refused(r, v, h.wrongIssuer(caller.Claims, v), nil)
	}
	return caller, err
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	token = strings.TrimSpace(token)
	return token, token != "" && strings.EqualFold(scheme, "Bearer")
}

// refusal is the text of a token that is not good. The AKV numbers are those
// seen on the wire (control-plane.md E3); for the rest the numbers are those of
// the library that checks tokens there.
func (h *handler) refusal(err error, claims sts.Claims, v *vault.Vault) string {
	switch code(err) {
	case sts.WrongAudience:
		return fmt.Sprintf("AKV10022: Invalid audience. Expected %s, found: %s.", h.Cloud.VaultResource(), claims.Audience)
	case sts.WrongIssuer:
		return h.wrongIssuer(claims, v)
	case sts.UnknownKey:
		return "AKV10046: Unable to resolve the key used for signature validation."
	case sts.BadSignature:
		return "Error validating token: IDX10511: Signature validation failed."
	case sts.Expired:
		return "Error validating token: IDX10223: Lifetime validation failed. The token is expired."
	case sts.NotYetValid:
		return "Error validating token: IDX10222: Lifetime validation failed. The token is not yet valid."
	case sts.PrincipalGone:
		return "Error validating token: The principal of the token does not exist any more or is disabled."
	}
	return "Error validating token: IDX12741: The token is not a well-formed JSON Web Token."
}

func (h *handler) wrongIssuer(claims sts.Claims, v *vault.Vault) string {
	expected := ""
	if v != nil {
		expected = "Expected one of " + h.Cloud.V1Issuer(v.Properties.TenantID) + ", " + h.Cloud.V2Issuer(v.Properties.TenantID) + ", "
	}
	return fmt.Sprintf("AKV10032: Invalid issuer. %sfound %s.", expected, claims.Issuer)
}

// refused is the 401 with its challenge: exactly one path segment, the tenant,
// and no "=" or space within a value, because that is what clients can read
// (clients.md 3.3).
func (h *handler) refused(r *http.Request, v *vault.Vault, message string, cause error) error {
	var tenant azure.TenantID
	if v != nil {
		tenant = v.Properties.TenantID
	} else {
		t, err := h.anyTenant(r.Context())
		if err != nil {
			return err
		}
		tenant = t.ID
	}
	return &wireError{
		status: http.StatusUnauthorized, code: codeUnauthorized, message: message, cause: cause,
		challenge: fmt.Sprintf(`Bearer authorization="%s", resource="%s"`, h.Cloud.Authority(tenant), h.Cloud.VaultResource()),
	}
}
