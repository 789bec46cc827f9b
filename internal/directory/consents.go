package directory

import (
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/store"
)

// Consented reads what a user lets an application do at a resource, in
// ascending order.
func Consented(tx *store.Tx, user azure.ObjectID, app, resource azure.AppID) ([]string, error) {
	all, err := store.Collect(tx, func(scan func(...any) error) (s string, err error) { return s, scan(&s) },
		`SELECT scopes FROM consents WHERE user_id = $1 AND app_id = $2 AND resource = $3`, string(user), string(app), string(resource))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return strings.Fields(all[0]), nil
}

// Consent adds to what a user lets an application do at a resource.
func Consent(tx *store.Tx, user azure.ObjectID, app, resource azure.AppID, scopes []string) error {
	before, err := Consented(tx, user, app, resource)
	if err != nil {
		return err
	}
	all := slices.Compact(slices.Sorted(slices.Values(append(before, scopes...))))
	_, err = tx.Exec(`INSERT INTO consents (user_id, app_id, resource, scopes) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, app_id, resource) DO UPDATE SET scopes = excluded.scopes`, string(user), string(app), string(resource), strings.Join(all, " "))
	return err
}
