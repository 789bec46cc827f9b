package sts

import (
	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/store"
)

// Resource says which application a resource name means, and what people call
// it. The name is one that [Audience] has resolved.
func Resource(tx *store.Tx, profile cloud.Profile, tenant azure.TenantID, resource string) (id azure.AppID, name string, err error) {
	if s, ok := profile.Service(resource); ok {
		return s.AppID, s.Name, nil
	}
	app, err := application(tx, tenant, resource)
	return app.AppID, app.DisplayName, err
}
