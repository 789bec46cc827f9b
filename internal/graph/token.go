package graph

import (
	"errors"
	"net/http"
	"strings"

	"midas/internal/fault"
	"midas/internal/sts"
)

// authenticate verifies the bearer of a request.
func (h *handler) authenticate(r *http.Request) (sts.Caller, error) {
	scheme, raw, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	raw = strings.TrimSpace(raw)
	if raw == "" || !strings.EqualFold(scheme, "Bearer") {
		return sts.Caller{}, fault.New(fault.Unauthorized, "Access token is empty.")
	}
	caller, err := h.Sts.Verify(r.Context(), raw, h.service)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind == fault.Unauthorized {
		return caller, fault.Wrap(err, fault.Unauthorized, "%s", refusal(f.Code))
	}
	if err == nil && caller.Tenant != h.Tenant {
		return caller, fault.New(fault.Unauthorized, "%s", refusal(sts.WrongIssuer))
	}
	return caller, err
}

// refusal is the text of a token that is not good.
func refusal(code string) string {
	switch code {
	case sts.Expired:
		return "Lifetime validation failed, the token is expired."
	case sts.NotYetValid:
		return "Lifetime validation failed, the token is not yet valid."
	case sts.WrongAudience:
		return "Access token validation failure. Invalid audience."
	case sts.WrongIssuer:
		return "Access token validation failure. Invalid issuer."
	case sts.UnknownKey, sts.BadSignature:
		return "Access token validation failure. Signature is invalid."
	case sts.PrincipalGone:
		return "Access token validation failure. The principal of the token does not exist or is disabled."
	}
	return "CompactToken parsing failed with error code: 80049217"
}
