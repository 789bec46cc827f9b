package directory

import (
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// AppRoleAssignment lets a principal do at an application, by its service
// principal, what an app role of it says.
type AppRoleAssignment struct {
	ID        string // GUID
	Principal azure.ObjectID
	Resource  azure.ObjectID // the service principal
	Role      string         // GUID; of zeros where the application has no roles
	CreatedAt time.Time
}

// AssignAppRole gives a principal an app role. That the resource has the role
// is for the caller to see. One that is given already is a Conflict.
func AssignAppRole(tx *store.Tx, a AppRoleAssignment) (AppRoleAssignment, error) {
	p, err := PrincipalByID(tx, a.Principal)
	if err != nil {
		return AppRoleAssignment{}, err
	}
	r, err := PrincipalByID(tx, a.Resource)
	if err != nil {
		return AppRoleAssignment{}, err
	}
	if r.Kind != ServicePrincipal || r.Tenant != p.Tenant {
		return AppRoleAssignment{}, fault.New(fault.Invalid, "The resource of an app role is a service principal of the same tenant.").At("resourceId")
	}
	if a.Role, err = guid(a.Role, "app role"); err != nil {
		return AppRoleAssignment{}, err
	}
	a.ID, a.Principal, a.Resource, a.CreatedAt = azure.NewGUID(), p.ID, r.ID, tx.Now
	return a, create(tx, `INSERT INTO app_role_assignments (id, principal_id, resource_id, role_id, created_at) VALUES ($1, $2, $3, $4, $5)`,
		a.ID, string(a.Principal), string(a.Resource), a.Role, store.Micros(a.CreatedAt))
}

const appRoleColumns = `SELECT id, principal_id, resource_id, role_id, created_at FROM app_role_assignments `

func scanAppRole(scan func(...any) error) (a AppRoleAssignment, err error) {
	var at int64
	err = scan(&a.ID, &a.Principal, &a.Resource, &a.Role, &at)
	a.CreatedAt = store.Time(at)
	return a, err
}

// AppRolesOf lists what a principal has been given, but for what its groups have.
func AppRolesOf(tx *store.Tx, principal azure.ObjectID) ([]AppRoleAssignment, error) {
	return store.Collect(tx, scanAppRole, appRoleColumns+`WHERE principal_id = $1 ORDER BY id`, string(principal))
}

// AppRolesAt lists who has been given app roles of a resource.
func AppRolesAt(tx *store.Tx, resource azure.ObjectID) ([]AppRoleAssignment, error) {
	return store.Collect(tx, scanAppRole, appRoleColumns+`WHERE resource_id = $1 ORDER BY id`, string(resource))
}

// UnassignAppRole takes an app role away, by the id of its assignment.
func UnassignAppRole(tx *store.Tx, id string) error {
	return change(tx, fault.New(fault.NotFound, "The app role assignment does not exist."), `DELETE FROM app_role_assignments WHERE id = $1`, azure.Fold(id))
}

// PermissionGrant lets a program do at a resource, in the name of a user or of
// all, what a scope says.
type PermissionGrant struct {
	ID        string         // GUID
	Client    azure.ObjectID // service principal of the program
	Resource  azure.ObjectID // service principal
	Principal azure.ObjectID // a user; "" for all
	Scope     string         // values of scopes, separated by blanks
}

// maxScope bounds the scopes of a grant, in bytes (Graph's own limit).
const maxScope = 3850

// Grant stores a permission grant. A second one for the same three is a Conflict.
func Grant(tx *store.Tx, g PermissionGrant) (PermissionGrant, error) {
	if len(g.Scope) > maxScope {
		return PermissionGrant{}, fault.New(fault.Invalid, "The scopes of a grant have %d characters at most.", maxScope).At("scope")
	}
	for _, p := range []struct {
		id   *azure.ObjectID
		kind Kind
	}{{&g.Client, ServicePrincipal}, {&g.Resource, ServicePrincipal}, {&g.Principal, User}} {
		if p.kind == User && *p.id == "" {
			continue
		}
		found, err := PrincipalByID(tx, *p.id)
		if err != nil {
			return PermissionGrant{}, err
		}
		if found.Kind != p.kind {
			return PermissionGrant{}, fault.New(fault.Invalid, "The object %s is no %s.", found.ID, p.kind)
		}
		*p.id = found.ID
	}
	g.ID = azure.NewGUID()
	return g, create(tx, `INSERT INTO permission_grants (id, client_id, resource_id, principal_id, principal_key, scope) VALUES ($1, $2, $3, $4, $5, $6)`,
		g.ID, string(g.Client), string(g.Resource), null(g.Principal), string(g.Principal), g.Scope)
}

// Grants lists the permission grants of a tenant in the order of their ids.
func Grants(tx *store.Tx, tenant azure.TenantID) ([]PermissionGrant, error) {
	return store.Collect(tx, func(scan func(...any) error) (g PermissionGrant, err error) {
		return g, scan(&g.ID, &g.Client, &g.Resource, &g.Principal, &g.Scope)
	}, `SELECT g.id, g.client_id, g.resource_id, g.principal_key, g.scope FROM permission_grants g JOIN principals p ON p.object_id = g.client_id
		WHERE p.tenant_id = $1 ORDER BY g.id`, string(tenant))
}

// SetGrant gives a permission grant other scopes.
func SetGrant(tx *store.Tx, id, scope string) error {
	if len(scope) > maxScope {
		return fault.New(fault.Invalid, "The scopes of a grant have %d characters at most.", maxScope).At("scope")
	}
	return change(tx, noGrant(), `UPDATE permission_grants SET scope = $1 WHERE id = $2`, scope, azure.Fold(id))
}

// RemoveGrant takes a permission grant away.
func RemoveGrant(tx *store.Tx, id string) error {
	return change(tx, noGrant(), `DELETE FROM permission_grants WHERE id = $1`, azure.Fold(id))
}

func noGrant() *fault.Error { return fault.New(fault.NotFound, "The permission grant does not exist.") }
