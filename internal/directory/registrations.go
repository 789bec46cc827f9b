package directory

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Registration is an application with its properties that no rule looks at.
type Registration struct {
	Application
	Properties json.RawMessage // a JSON object
}

func scanRegistration(scan func(...any) error) (r Registration, err error) {
	var properties string
	r.Application, err = scanApplication(func(into ...any) error { return scan(append(into, &properties)...) })
	r.Properties = json.RawMessage(properties)
	return r, err
}

const registrationColumns = applicationColumns + `, a.properties`

// RegistrationQuery asks for applications in the order of their object ids. A
// field that is "" does not narrow it.
type RegistrationQuery struct {
	Tenant azure.TenantID
	ID     azure.ObjectID
	AppID  azure.AppID
	URI    string         // one of its identifier URIs
	Owner  azure.ObjectID // one of its owners
	After  azure.ObjectID
	Limit  int
}

// Registrations lists what a query asks for.
func Registrations(tx *store.Tx, q RegistrationQuery) ([]Registration, error) {
	where, args := `a.tenant_id = $1 AND a.object_id > $2`, []any{string(q.Tenant), string(q.After)}
	for _, c := range []struct{ condition, value string }{
		{"a.object_id = $%d", azure.Fold(string(q.ID))},
		{"a.app_id = $%d", azure.Fold(string(q.AppID))},
		{"a.app_id IN (SELECT app_id FROM application_uris WHERE tenant_id = $1 AND uri = $%d)", q.URI},
		{"a.object_id IN (SELECT object_id FROM owners WHERE owner_id = $%d)", azure.Fold(string(q.Owner))},
	} {
		if c.value != "" {
			args = append(args, c.value)
			where += " AND " + fmt.Sprintf(c.condition, len(args))
		}
	}
	args = append(args, q.Limit)
	all, err := store.Collect(tx, scanRegistration, fmt.Sprintf(`SELECT %s FROM applications a WHERE %s ORDER BY a.object_id LIMIT $%d`, registrationColumns, where, len(args)), args...)
	for i := range all {
		if err == nil {
			all[i].IdentifierURIs, err = identifierURIs(tx, all[i].AppID)
		}
	}
	return all, err
}

// RegistrationByID finds an application of a tenant by its object id.
func RegistrationByID(tx *store.Tx, tenant azure.TenantID, id azure.ObjectID) (Registration, error) {
	return onlyRegistration(Registrations(tx, RegistrationQuery{Tenant: tenant, ID: id, Limit: 1}))
}

// RegistrationByAppID finds an application of a tenant by its app id.
func RegistrationByAppID(tx *store.Tx, tenant azure.TenantID, id azure.AppID) (Registration, error) {
	return onlyRegistration(Registrations(tx, RegistrationQuery{Tenant: tenant, AppID: id, Limit: 1}))
}

func onlyRegistration(found []Registration, err error) (Registration, error) {
	if err == nil && len(found) == 0 {
		err = noApplication()
	}
	if err != nil {
		return Registration{}, err
	}
	return found[0], nil
}

// UpdateApplication writes what may change of an application: its name, the
// version of its tokens, its identifier URIs and its properties. Its service
// principal takes the name on.
func UpdateApplication(tx *store.Tx, r Registration) error {
	if err := checkApplication(r.Application); err != nil {
		return err
	}
	err := change(tx, noApplication(), `UPDATE applications SET display_name = $1, token_version = $2, properties = $3 WHERE app_id = $4`,
		r.DisplayName, r.TokenVersion, string(r.Properties), string(r.AppID))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE principals SET display_name = $1 WHERE app_id = $2 AND tenant_id = $3`, r.DisplayName, string(r.AppID), string(r.Tenant)); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM application_uris WHERE app_id = $1`, string(r.AppID)); err != nil {
		return err
	}
	return addURIs(tx, r.Application)
}

// checkApplication holds an application to the rules for its own members.
func checkApplication(a Application) error {
	if err := checkName(a.DisplayName); err != nil {
		return err
	}
	if a.TokenVersion != 1 && a.TokenVersion != 2 {
		return fault.New(fault.Invalid, "The version of an access token is 1 or 2.").At("requestedAccessTokenVersion")
	}
	return nil
}

// addURIs writes the identifier URIs of an application that has none.
func addURIs(tx *store.Tx, a Application) error {
	for _, uri := range a.IdentifierURIs {
		if !strings.Contains(uri, ":") || len(uri) > 255 || strings.ContainsAny(uri, " \t\r\n\"") {
			return fault.New(fault.Invalid, "An identifier URI is a URI of at most 255 characters.").At("identifierUris")
		}
		if err := create(tx, `INSERT INTO application_uris (tenant_id, uri, app_id) VALUES ($1, $2, $3)`, string(a.Tenant), uri, string(a.AppID)); err != nil {
			if fault.Is(err, fault.Conflict) {
				return fault.Wrap(err, fault.Conflict, "Another application has the identifier URI already.").At("identifierUris")
			}
			return err
		}
	}
	return nil
}

func identifierURIs(tx *store.Tx, app azure.AppID) ([]string, error) {
	uris, err := store.Collect(tx, func(scan func(...any) error) (uri string, err error) { return uri, scan(&uri) },
		`SELECT uri FROM application_uris WHERE app_id = $1`, string(app))
	slices.Sort(uris) // here, because the engines order text differently
	return uris, err
}
