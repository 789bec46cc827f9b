package sts

import (
	"strings"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
)

// Why there are no tokens for a resource: the codes of [Audience]'s faults.
const (
	ResourceNotFound = "ResourcePrincipalNotFound" // NotFound: nothing in the tenant has this name
	ResourceDisabled = "ResourcePrincipalDisabled" // Forbidden: what has it is switched off
)

// Audience resolves what a token is asked for: a service of the cloud, or an
// application of the tenant by one of its identifier URIs or its app id. The
// resource, not the endpoint, decides the version of the token and with it
// what aud says: as asked in version 1.0, the app id in 2.0 (clients.md
// section 4).
func Audience(tx *store.Tx, profile cloud.Profile, tenant azure.TenantID, resource string) (aud string, version int, err error) {
	if _, ok := profile.Service(resource); ok {
		return resource, 1, nil
	}
	app, err := application(tx, tenant, resource)
	if err == nil {
		var p directory.Principal
		// An application that was never made usable in this tenant has no principal here.
		if p, err = directory.PrincipalByAppID(tx, tenant, app.AppID); err == nil && !p.Enabled {
			return "", 0, fault.New(fault.Forbidden, "The resource '%s' is disabled.", resource).Named(ResourceDisabled)
		}
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return "", 0, fault.New(fault.NotFound, "The resource '%s' was not found in the tenant %s.", resource, tenant).Named(ResourceNotFound)
	case err != nil:
		return "", 0, err
	case app.TokenVersion == 2:
		return string(app.AppID), 2, nil
	}
	return resource, 1, nil
}

// application finds the application that a resource names. A trailing slash
// may be more than its URI has.
func application(tx *store.Tx, tenant azure.TenantID, resource string) (directory.Application, error) {
	if id, ok := azure.ParseGUID(resource); ok {
		return directory.ApplicationByAppID(tx, azure.AppID(id))
	}
	app, err := directory.ApplicationByURI(tx, tenant, resource)
	if trimmed := strings.TrimSuffix(resource, "/"); fault.Is(err, fault.NotFound) && trimmed != resource {
		return directory.ApplicationByURI(tx, tenant, trimmed)
	}
	return app, err
}
