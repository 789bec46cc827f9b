package directory

import (
	"slices"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Application is a registration: who may sign in as it (its credentials) and
// what its own tokens look like when it is the resource.
type Application struct {
	AppID          azure.AppID
	ObjectID       azure.ObjectID // of the registration; its service principal has another
	Tenant         azure.TenantID
	DisplayName    string
	TokenVersion   int      // of the tokens that are issued for it: 1 or 2 (accessTokenAcceptedVersion)
	IdentifierURIs []string // its names as a resource, in ascending order; compared exactly
	CreatedAt      time.Time
}

// CreateApplication stores a with new ids; an app id that is given stays. The
// token version is 1 where none is given, as on Azure. An identifier URI that
// is taken in the tenant is a Conflict.
func CreateApplication(tx *store.Tx, a Application) (Application, error) {
	if a.AppID == "" {
		a.AppID = azure.NewAppID()
	}
	if a.TokenVersion == 0 {
		a.TokenVersion = 1
	}
	id, err := guid(a.AppID, "application")
	if err != nil {
		return Application{}, err
	}
	if err := checkApplication(a); err != nil {
		return Application{}, err
	}
	a.AppID, a.ObjectID, a.CreatedAt = id, azure.NewObjectID(), tx.Now
	a.IdentifierURIs = slices.Sorted(slices.Values(a.IdentifierURIs))
	err = create(tx, `INSERT INTO applications (app_id, object_id, tenant_id, display_name, token_version, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		string(a.AppID), string(a.ObjectID), string(a.Tenant), a.DisplayName, a.TokenVersion, store.Micros(a.CreatedAt))
	if err != nil {
		return Application{}, err
	}
	return a, addURIs(tx, a)
}

func noApplication() *fault.Error {
	return fault.New(fault.NotFound, "The application does not exist in the directory.").Named("ApplicationNotFound").At("appId")
}

const applicationColumns = `a.app_id, a.object_id, a.tenant_id, a.display_name, a.token_version, a.created_at`

func scanApplication(scan func(...any) error) (a Application, err error) {
	var at int64
	err = scan(&a.AppID, &a.ObjectID, &a.Tenant, &a.DisplayName, &a.TokenVersion, &at)
	a.CreatedAt = store.Time(at)
	return a, err
}

func applicationWhere(tx *store.Tx, from string, args ...any) (Application, error) {
	a, err := one(tx, scanApplication, noApplication(), `SELECT `+applicationColumns+` FROM applications a `+from, args...)
	if err != nil {
		return Application{}, err
	}
	a.IdentifierURIs, err = identifierURIs(tx, a.AppID)
	return a, err
}

// ApplicationByAppID finds an application by its app id.
func ApplicationByAppID(tx *store.Tx, id azure.AppID) (Application, error) {
	return applicationWhere(tx, `WHERE a.app_id = $1`, azure.Fold(string(id)))
}

// ApplicationByURI finds the application that a resource name means in a tenant.
func ApplicationByURI(tx *store.Tx, tenant azure.TenantID, uri string) (Application, error) {
	return applicationWhere(tx, `JOIN application_uris u ON u.app_id = a.app_id WHERE u.tenant_id = $1 AND u.uri = $2`, string(tenant), uri)
}

// DeleteApplication removes an application, its credentials of every kind and
// its service principals, all for good.
func DeleteApplication(tx *store.Tx, id azure.AppID) error {
	a, err := ApplicationByAppID(tx, id)
	if err != nil {
		return err
	}
	if err := change(tx, noApplication(), `DELETE FROM applications WHERE app_id = $1`, string(a.AppID)); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM federated_credentials WHERE app_id = $1`, string(a.AppID)); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM owners WHERE object_id = $1 OR object_id IN (SELECT object_id FROM principals WHERE app_id = $2)`, string(a.ObjectID), string(a.AppID)); err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM principals WHERE app_id = $1 AND sp_type = $2`, string(a.AppID), string(TypeApplication))
	return err
}
