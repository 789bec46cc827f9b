package entra

import (
	"errors"
	"slices"
	"strings"

	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/sts"
)

// defaultScope ends the scope of a request for everything that an application
// may do at a resource.
const defaultScope = "/.default"

// oidcScopes are what MSAL adds to every scope. They ask for nothing that an
// application could have (clients.md 3.6).
var oidcScopes = []string{"openid", "profile", "email", "offline_access"}

// resource is what an application asks a token for: the resource parameter of
// version 1.0, or the one scope of version 2.0 without its "/.default". Only
// one slash goes with it: from "https://r//.default" the resource keeps its
// own trailing slash (control-plane.md A5).
func (t *tokenRequest) resource() (string, error) {
	if t.version == 1 {
		return t.required("resource")
	}
	if t.form.Get("resource") != "" {
		return "", resourceParameter.with()
	}
	given, err := t.required("scope")
	if err != nil {
		return "", err
	}
	scopes := slices.DeleteFunc(strings.Fields(given), func(s string) bool { return slices.Contains(oidcScopes, s) })
	if len(scopes) != 1 {
		return "", invalidScope.with(given)
	}
	resource, ok := strings.CutSuffix(scopes[0], defaultScope)
	if !ok || resource == "" {
		return "", invalidScope.with(given)
	}
	return resource, nil
}

// audience resolves a resource, and says in Entra's words why it cannot.
func (d *Door) audience(tx *store.Tx, tenant directory.Tenant, resource string) (aud string, version int, err error) {
	aud, version, err = sts.Audience(tx, d.Cloud, tenant.ID, resource)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		switch f.Code {
		case sts.ResourceNotFound:
			return "", 0, resourceNotFound.with(resource, tenant.DisplayName)
		case sts.ResourceDisabled:
			return "", 0, resourceDisabled.with(resource)
		}
	}
	return aud, version, err
}
