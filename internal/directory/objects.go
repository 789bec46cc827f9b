package directory

import (
	"encoding/json"
	"fmt"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Object is a principal with its properties that no rule looks at. What they
// are and mean is the business of the door that shows them.
type Object struct {
	Principal
	Properties json.RawMessage // a JSON object
}

func scanObject(scan func(...any) error) (o Object, err error) {
	var properties string
	o.Principal, err = scanPrincipal(func(into ...any) error { return scan(append(into, &properties)...) })
	o.Properties = json.RawMessage(properties)
	return o, err
}

const objectColumns = principalColumns + `, p.properties`

// ObjectByID finds an object of a tenant by its object id.
func ObjectByID(tx *store.Tx, tenant azure.TenantID, id azure.ObjectID) (Object, error) {
	return one(tx, scanObject, noPrincipal(), `SELECT `+objectColumns+` FROM principals p WHERE p.tenant_id = $1 AND p.object_id = $2`, string(tenant), azure.Fold(string(id)))
}

// ObjectQuery asks for objects of a kind in the order of their ids. A field
// that is "" does not narrow it.
type ObjectQuery struct {
	Tenant azure.TenantID
	Kind   Kind
	ID     azure.ObjectID
	AppID  azure.AppID
	UPN    string
	After  azure.ObjectID // the last one that was seen
	Limit  int
}

// Objects lists what a query asks for.
func Objects(tx *store.Tx, q ObjectQuery) ([]Object, error) {
	where, args := `p.tenant_id = $1 AND p.kind = $2 AND p.object_id > $3`, []any{string(q.Tenant), string(q.Kind), string(q.After)}
	for _, c := range []struct{ column, value string }{{"p.object_id", string(q.ID)}, {"p.app_id", string(q.AppID)}, {"p.upn_key", q.UPN}} {
		if c.value != "" {
			args = append(args, azure.Fold(c.value))
			where += fmt.Sprintf(` AND %s = $%d`, c.column, len(args))
		}
	}
	args = append(args, q.Limit)
	return store.Collect(tx, scanObject, fmt.Sprintf(`SELECT %s FROM principals p WHERE %s ORDER BY p.object_id LIMIT $%d`, objectColumns, where, len(args)), args...)
}

// Relation is how objects are connected. Its text selects those that an object, $1, has.
type Relation string

// The relations.
const (
	MembersOf           Relation = `JOIN group_members m ON m.member_id = p.object_id WHERE m.group_id = $1`
	MemberOf            Relation = `JOIN group_members m ON m.group_id = p.object_id WHERE m.member_id = $1`
	OwnersOf            Relation = `JOIN owners o ON o.owner_id = p.object_id WHERE o.object_id = $1`
	OwnedBy             Relation = `JOIN owners o ON o.object_id = p.object_id WHERE o.owner_id = $1` // but applications
	TransitiveMembersOf Relation = `WHERE p.object_id IN (WITH RECURSIVE below (id) AS (
			SELECT member_id FROM group_members WHERE group_id = $1
			UNION
			SELECT m.member_id FROM group_members m JOIN below ON m.group_id = below.id
		) SELECT id FROM below)`
	TransitiveMemberOf Relation = `WHERE p.object_id IN (WITH RECURSIVE above (id) AS (
			SELECT group_id FROM group_members WHERE member_id = $1
			UNION
			SELECT m.group_id FROM group_members m JOIN above ON m.member_id = above.id
		) SELECT id FROM above)`
)

// Related lists at most limit of the objects that id has, after one of them.
func Related(tx *store.Tx, r Relation, id, after azure.ObjectID, limit int) ([]Object, error) {
	return store.Collect(tx, scanObject, `SELECT `+objectColumns+` FROM principals p `+string(r)+` AND p.object_id > $2 ORDER BY p.object_id LIMIT $3`, string(id), string(after), limit)
}

// SetProperties replaces the properties of an object.
func SetProperties(tx *store.Tx, id azure.ObjectID, properties json.RawMessage) error {
	return change(tx, noPrincipal(), `UPDATE principals SET properties = $1 WHERE object_id = $2`, string(properties), string(id))
}

// Rename gives a principal another display name.
func Rename(tx *store.Tx, id azure.ObjectID, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return change(tx, noPrincipal(), `UPDATE principals SET display_name = $1 WHERE object_id = $2`, name, string(id))
}

// SetUPN gives a user another user principal name, under the rules of [CreateUser].
func SetUPN(tx *store.Tx, tenant Tenant, id azure.ObjectID, upn string) error {
	if err := checkUPN(tenant, upn); err != nil {
		return err
	}
	return change(tx, noPrincipal(), `UPDATE principals SET upn = $1, upn_key = $2 WHERE object_id = $3`, upn, azure.Fold(upn), string(id))
}

// checkUPN holds a user principal name to its form.
func checkUPN(tenant Tenant, upn string) error {
	name, domain, ok := strings.Cut(upn, "@")
	if !ok || name == "" || len(upn) > 113 || strings.ContainsAny(name, "@ \t\r\n/\\\"<>") || !strings.EqualFold(domain, tenant.Domain) {
		return fault.New(fault.Invalid, "A user principal name is name@domain with a domain of the tenant.").At("userPrincipalName")
	}
	return nil
}

// EnsureService makes the service principal of one of the cloud's own services
// in a tenant, where it is not there. It has no application, so nobody signs
// in as it.
func EnsureService(tx *store.Tx, tenant azure.TenantID, id azure.AppID, name string) error {
	_, err := PrincipalByAppID(tx, tenant, id)
	if fault.Is(err, fault.NotFound) {
		_, err = insert(tx, Principal{Tenant: tenant, Kind: ServicePrincipal, DisplayName: name, AppID: id, Type: TypeApplication})
	}
	return err
}
