package directory

import (
	"database/sql"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Kind is what a principal is, in Graph's words; the values are also those of
// principalType in a role assignment (control-plane.md C3).
type Kind string

// The kinds.
const (
	User             Kind = "User"
	Group            Kind = "Group"
	ServicePrincipal Kind = "ServicePrincipal"
)

// ServicePrincipalType is what a service principal stands for: servicePrincipalType in Graph.
type ServicePrincipalType string

// The types.
const (
	TypeApplication     ServicePrincipalType = "Application"
	TypeManagedIdentity ServicePrincipalType = "ManagedIdentity"
)

// Principal is a directory object that rights can be given to.
type Principal struct {
	ID          azure.ObjectID
	Tenant      azure.TenantID
	Kind        Kind
	DisplayName string
	Enabled     bool // one that is not gets no token and its tokens are refused
	CreatedAt   time.Time

	AppID    azure.AppID          // of a service principal
	Type     ServicePrincipalType // of a service principal
	Resource azure.ResourceID     // of a managed identity: the resource it lives and dies with
	UPN      string               // of a user, as given
}

// CreateManagedIdentity makes the service principal of a resource: the machine
// of a system-assigned identity, or the userAssignedIdentities resource. Its
// object id and app id are new even where a resource of that name had one
// before, so that old role assignments dangle (design.md section 3). A resource
// that has one already is a Conflict.
func CreateManagedIdentity(tx *store.Tx, tenant azure.TenantID, displayName string, resource azure.ResourceID) (Principal, error) {
	return insert(tx, Principal{Tenant: tenant, Kind: ServicePrincipal, DisplayName: displayName,
		AppID: azure.NewAppID(), Type: TypeManagedIdentity, Resource: resource})
}

// CreateUser makes a user. The domain of the UPN is the tenant's, and a UPN
// that is taken in any case is a Conflict.
func CreateUser(tx *store.Tx, tenant Tenant, upn, displayName string) (Principal, error) {
	if err := checkUPN(tenant, upn); err != nil {
		return Principal{}, err
	}
	return insert(tx, Principal{Tenant: tenant.ID, Kind: User, DisplayName: displayName, UPN: upn})
}

// CreateGroup makes a group without members.
func CreateGroup(tx *store.Tx, tenant azure.TenantID, displayName string) (Principal, error) {
	return insert(tx, Principal{Tenant: tenant, Kind: Group, DisplayName: displayName})
}

// CreateServicePrincipal makes the application usable in its own tenant. An
// application that has one there already is a Conflict.
func CreateServicePrincipal(tx *store.Tx, app Application) (Principal, error) {
	return insert(tx, Principal{Tenant: app.Tenant, Kind: ServicePrincipal, DisplayName: app.DisplayName, AppID: app.AppID, Type: TypeApplication})
}

// insert stores p, enabled, under a new object id.
func insert(tx *store.Tx, p Principal) (Principal, error) {
	if err := checkName(p.DisplayName); err != nil {
		return Principal{}, err
	}
	p.ID, p.Enabled, p.CreatedAt = azure.NewObjectID(), true, tx.Now
	return p, create(tx, `INSERT INTO principals (object_id, tenant_id, kind, display_name, enabled, app_id, sp_type, upn, upn_key, resource_id, resource_key, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		string(p.ID), string(p.Tenant), string(p.Kind), p.DisplayName, p.Enabled, null(p.AppID), null(p.Type),
		null(p.UPN), null(azure.Fold(p.UPN)), null(p.Resource.String()), null(p.Resource.Key()), store.Micros(p.CreatedAt))
}

const principalColumns = `p.object_id, p.tenant_id, p.kind, p.display_name, p.enabled, p.app_id, p.sp_type, p.upn, p.resource_id, p.created_at`

func scanPrincipal(scan func(...any) error) (p Principal, err error) {
	var app, typ, upn, resource sql.NullString
	var at int64
	if err := scan(&p.ID, &p.Tenant, &p.Kind, &p.DisplayName, &p.Enabled, &app, &typ, &upn, &resource, &at); err != nil {
		return Principal{}, err
	}
	p.AppID, p.Type, p.UPN, p.CreatedAt = azure.AppID(app.String), ServicePrincipalType(typ.String), upn.String, store.Time(at)
	if resource.Valid {
		p.Resource, err = azure.ParseResourceID(resource.String)
	}
	return p, err
}

func principalWhere(tx *store.Tx, condition string, args ...any) (Principal, error) {
	return one(tx, scanPrincipal, noPrincipal(), `SELECT `+principalColumns+` FROM principals p WHERE `+condition, args...)
}

func noPrincipal() *fault.Error {
	return fault.New(fault.NotFound, "The principal does not exist in the directory.").Named("PrincipalNotFound").At("principalId")
}

// PrincipalByID finds a principal by its object id.
func PrincipalByID(tx *store.Tx, id azure.ObjectID) (Principal, error) {
	return store.Memo(tx, id, func() (Principal, error) {
		return principalWhere(tx, `p.object_id = $1`, azure.Fold(string(id)))
	}, store.Directory)
}

// PrincipalByAppID finds the service principal of an application or managed
// identity in a tenant.
func PrincipalByAppID(tx *store.Tx, tenant azure.TenantID, id azure.AppID) (Principal, error) {
	return principalWhere(tx, `p.tenant_id = $1 AND p.app_id = $2`, string(tenant), azure.Fold(string(id)))
}

// PrincipalByResource finds the managed identity of a resource.
func PrincipalByResource(tx *store.Tx, id azure.ResourceID) (Principal, error) {
	return principalWhere(tx, `p.resource_key = $1`, id.Key())
}

// PrincipalByUPN finds a user by its user principal name.
func PrincipalByUPN(tx *store.Tx, upn string) (Principal, error) {
	return principalWhere(tx, `p.upn_key = $1`, azure.Fold(upn))
}

// SetEnabled lets a principal sign in, or stops it and every token that it has.
func SetEnabled(tx *store.Tx, id azure.ObjectID, enabled bool) error {
	return change(tx, noPrincipal(), `UPDATE principals SET enabled = $1 WHERE object_id = $2`, enabled, string(id))
}

// DeletePrincipal removes a principal and its memberships for good, and a
// managed identity's federated credentials. Role assignments and access
// policies that name it stay and dangle.
func DeletePrincipal(tx *store.Tx, id azure.ObjectID) error {
	if _, err := tx.Exec(`DELETE FROM owners WHERE object_id = $1`, string(id)); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM federated_credentials WHERE app_id IN (SELECT app_id FROM principals WHERE object_id = $1 AND sp_type = $2)`, string(id), string(TypeManagedIdentity)); err != nil {
		return err
	}
	return change(tx, noPrincipal(), `DELETE FROM principals WHERE object_id = $1`, string(id))
}

// AddMember puts a principal into a group of the same tenant. One that is in
// it already is a Conflict.
func AddMember(tx *store.Tx, group, member azure.ObjectID) error {
	g, err := PrincipalByID(tx, group)
	if err != nil {
		return err
	}
	m, err := PrincipalByID(tx, member)
	if err != nil {
		return err
	}
	if g.Kind != Group || g.Tenant != m.Tenant || g.ID == m.ID {
		return fault.New(fault.Invalid, "Members are added to a group of their own tenant, and not to themselves.").At("members")
	}
	return create(tx, `INSERT INTO group_members (group_id, member_id) VALUES ($1, $2)`, string(group), string(member))
}

// RemoveMember takes a principal out of a group.
func RemoveMember(tx *store.Tx, group, member azure.ObjectID) error {
	return change(tx, noPrincipal(), `DELETE FROM group_members WHERE group_id = $1 AND member_id = $2`, string(group), string(member))
}

// Members lists who is in a group directly.
func Members(tx *store.Tx, group azure.ObjectID) ([]Principal, error) {
	return store.Collect(tx, scanPrincipal, `SELECT `+principalColumns+` FROM principals p JOIN group_members m ON m.member_id = p.object_id
		WHERE m.group_id = $1 ORDER BY p.object_id`, string(group))
}

// Groups lists every group that a principal is in, directly or through other
// groups, in the order of their ids. Groups that contain each other are fine.
func Groups(tx *store.Tx, id azure.ObjectID) ([]azure.ObjectID, error) {
	return store.Memo(tx, groupsOf(id), func() ([]azure.ObjectID, error) {
		return store.Collect(tx, func(scan func(...any) error) (g azure.ObjectID, err error) { return g, scan(&g) },
			`WITH RECURSIVE above (id) AS (
				SELECT group_id FROM group_members WHERE member_id = $1
				UNION
				SELECT m.group_id FROM group_members m JOIN above ON m.member_id = above.id
			) SELECT id FROM above ORDER BY id`, string(id))
	}, store.Directory)
}

// groupsOf is the key of what [Groups] remembers.
type groupsOf azure.ObjectID
