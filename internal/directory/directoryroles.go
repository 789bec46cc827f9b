package directory

import (
	"slices"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// RoleID names a role in the directory itself: the id of its template, which
// is the same in every tenant.
type RoleID string

// The roles that count here.
const (
	GlobalAdministrator           RoleID = "62e90394-69f5-4237-9190-012177145e10"
	GlobalReader                  RoleID = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	ApplicationAdministrator      RoleID = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	CloudApplicationAdministrator RoleID = "158c047a-c907-4556-b7ef-446551a6b5f7"
	ApplicationDeveloper          RoleID = "cf1c38e5-3621-4004-a7cb-879624dced7c"
	DirectoryReaders              RoleID = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	DirectoryWriters              RoleID = "9360feb5-f418-4baa-8175-e2a00bac4301"
	UserAdministrator             RoleID = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	GroupsAdministrator           RoleID = "fdd7a751-b60b-444a-984c-02652fe8fa1c"
	PrivilegedRoleAdministrator   RoleID = "e8611ab8-c189-46e8-94e1-60213ab1f814"
)

// Role is a role in the directory.
type Role struct {
	ID          RoleID
	Name        string
	Description string
}

// Roles lists the roles that there are.
func Roles() []Role {
	return []Role{
		{GlobalAdministrator, "Global Administrator", "Can manage all aspects of the directory and of the services that use it."},
		{GlobalReader, "Global Reader", "Can read everything that a Global Administrator can, but not change anything."},
		{ApplicationAdministrator, "Application Administrator", "Can create and manage all aspects of app registrations and enterprise apps."},
		{CloudApplicationAdministrator, "Cloud Application Administrator", "Can create and manage all aspects of app registrations and enterprise apps, but application proxies."},
		{ApplicationDeveloper, "Application Developer", "Can create application registrations, whatever ordinary users may."},
		{DirectoryReaders, "Directory Readers", "Can read basic directory information. Commonly used to grant directory read access to applications and guests."},
		{DirectoryWriters, "Directory Writers", "Can read and write basic directory information."},
		{UserAdministrator, "User Administrator", "Can manage all aspects of users and groups, including resetting passwords of ordinary users."},
		{GroupsAdministrator, "Groups Administrator", "Can manage all aspects of groups."},
		{PrivilegedRoleAdministrator, "Privileged Role Administrator", "Can manage role assignments in the directory."},
	}
}

// RoleNamed finds a role by its id or name, without regard to case.
func RoleNamed(name string) (Role, bool) {
	for _, r := range Roles() {
		if azure.Fold(name) == string(r.ID) || azure.Fold(name) == azure.Fold(r.Name) {
			return r, true
		}
	}
	return Role{}, false
}

// RoleAssignment gives a principal a role in its directory.
type RoleAssignment struct {
	ID        string // GUID
	Tenant    azure.TenantID
	Role      RoleID
	Principal azure.ObjectID
	CreatedAt time.Time
}

// AssignRole gives a user or a service principal a role in its own directory.
// Groups get none: who owns a group could give the role away. One that has the
// role already is a Conflict.
func AssignRole(tx *store.Tx, role RoleID, principal azure.ObjectID) (RoleAssignment, error) {
	if _, ok := RoleNamed(string(role)); !ok {
		return RoleAssignment{}, noRole()
	}
	p, err := PrincipalByID(tx, principal)
	if err != nil {
		return RoleAssignment{}, err
	}
	if p.Kind == Group {
		return RoleAssignment{}, fault.New(fault.Invalid, "A role in the directory is assigned to a user or a service principal.").At("principalId")
	}
	a := RoleAssignment{ID: azure.NewGUID(), Tenant: p.Tenant, Role: role, Principal: p.ID, CreatedAt: tx.Now}
	return a, create(tx, `INSERT INTO directory_role_assignments (id, tenant_id, role_id, principal_id, created_at) VALUES ($1, $2, $3, $4, $5)`,
		a.ID, string(a.Tenant), string(a.Role), string(a.Principal), store.Micros(a.CreatedAt))
}

func noRole() *fault.Error {
	return fault.New(fault.NotFound, "The role does not exist in the directory.").At("roleDefinitionId")
}

// RolesOf lists the roles of a principal.
func RolesOf(tx *store.Tx, principal azure.ObjectID) ([]RoleID, error) {
	return store.Memo(tx, rolesOf(principal), func() ([]RoleID, error) {
		return store.Collect(tx, func(scan func(...any) error) (r RoleID, err error) { return r, scan(&r) },
			`SELECT role_id FROM directory_role_assignments WHERE principal_id = $1 ORDER BY role_id`, string(principal))
	}, store.Directory)
}

// rolesOf is the key of what [RolesOf] remembers.
type rolesOf azure.ObjectID

// RoleAssignments lists the role assignments of a tenant in the order of their ids.
func RoleAssignments(tx *store.Tx, tenant azure.TenantID) ([]RoleAssignment, error) {
	return store.Collect(tx, func(scan func(...any) error) (a RoleAssignment, err error) {
		var at int64
		err = scan(&a.ID, &a.Tenant, &a.Role, &a.Principal, &at)
		a.CreatedAt = store.Time(at)
		return a, err
	}, `SELECT id, tenant_id, role_id, principal_id, created_at FROM directory_role_assignments WHERE tenant_id = $1 ORDER BY id`, string(tenant))
}

// UnassignRole takes a role assignment away, by its id. The last Global
// Administrator stays one, or nobody could make another.
func UnassignRole(tx *store.Tx, tenant azure.TenantID, id string) error {
	all, err := RoleAssignments(tx, tenant)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a RoleAssignment) bool { return a.ID == azure.Fold(id) })
	if i < 0 {
		return noRole()
	}
	if err := keepsAdministrator(all, func(a RoleAssignment) bool { return a.ID == all[i].ID }); err != nil {
		return err
	}
	return change(tx, noRole(), `DELETE FROM directory_role_assignments WHERE id = $1`, all[i].ID)
}

// CheckRemovable refuses to let the last Global Administrator of a tenant go.
func CheckRemovable(tx *store.Tx, p Principal) error {
	all, err := RoleAssignments(tx, p.Tenant)
	if err != nil {
		return err
	}
	return keepsAdministrator(all, func(a RoleAssignment) bool { return a.Principal == p.ID })
}

func keepsAdministrator(all []RoleAssignment, goes func(RoleAssignment) bool) error {
	before, after := 0, 0
	for _, a := range all {
		if a.Role == GlobalAdministrator {
			before++
			if !goes(a) {
				after++
			}
		}
	}
	if before > 0 && after == 0 {
		return fault.New(fault.Invalid, "The last Global Administrator of a directory stays one.")
	}
	return nil
}
