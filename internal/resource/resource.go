// Package resource owns the one table of Resource Manager's resources: what
// they are, who has which identity, and how they are found. It knows no
// resource type's rules and no wire; doors and rules packages read machines
// and vaults through it. It may import the store and below.
package resource

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Resource is one row: a resource group or anything below it.
type Resource struct {
	ID         azure.ResourceID
	Location   string                     // normalised: "eastus"
	Tags       map[string]string          // nil where the type has none
	Identity   *Identity                  // nil where there is none
	Extra      map[string]json.RawMessage // other members of the envelope, as given: sku, kind, plan, zones
	Properties json.RawMessage            // a JSON object, "{}" at least
	Version    int64                      // grows with every write: the ETag
	CreatedAt  time.Time
	UpdatedAt  time.Time
	CreatedBy  azure.ObjectID
	UpdatedBy  azure.ObjectID
}

// IdentityType is the "type" of an identity block (control-plane.md D2).
type IdentityType string

// The identity types, as answered. Requests may leave out the blank.
const (
	NoIdentity            IdentityType = "None"
	SystemAssigned        IdentityType = "SystemAssigned"
	UserAssigned          IdentityType = "UserAssigned"
	SystemAndUserAssigned IdentityType = "SystemAssigned, UserAssigned"
)

// HasSystem reports whether the type includes a system-assigned identity.
func (t IdentityType) HasSystem() bool { return t == SystemAssigned || t == SystemAndUserAssigned }

// HasUser reports whether the type includes user-assigned identities.
func (t IdentityType) HasUser() bool { return t == UserAssigned || t == SystemAndUserAssigned }

// Identity is the identity block of a resource, in the shape of its answer.
type Identity struct {
	Type         IdentityType            `json:"type"`
	PrincipalID  azure.ObjectID          `json:"principalId,omitempty"`
	TenantID     azure.TenantID          `json:"tenantId,omitempty"`
	UserAssigned map[string]UserIdentity `json:"userAssignedIdentities,omitempty"` // by resource id, as the caller spelled it
}

// UserIdentity is one attached user-assigned identity.
type UserIdentity struct {
	PrincipalID azure.ObjectID `json:"principalId"`
	ClientID    azure.AppID    `json:"clientId"`
}

// Clone copies r so that a change leaves the original alone.
func (r *Resource) Clone() *Resource {
	c := *r
	c.Tags, c.Extra, c.Properties = maps.Clone(r.Tags), maps.Clone(r.Extra), slices.Clone(r.Properties)
	if r.Identity != nil {
		i := *r.Identity
		i.UserAssigned = maps.Clone(i.UserAssigned)
		c.Identity = &i
	}
	return &c
}

// body is the JSON column.
type body struct {
	Tags       map[string]string          `json:"tags,omitempty"`
	Identity   *Identity                  `json:"identity,omitempty"`
	Extra      map[string]json.RawMessage `json:"extra,omitempty"`
	Properties json.RawMessage            `json:"properties,omitempty"`
}

const columns = `id, location, version, body, created_at, updated_at, created_by, updated_by`

func scan(row func(...any) error) (*Resource, error) {
	var (
		r                Resource
		id, text         string
		created, updated int64
	)
	if err := row(&id, &r.Location, &r.Version, &text, &created, &updated, &r.CreatedBy, &r.UpdatedBy); err != nil {
		return nil, err
	}
	var b body
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return nil, err
	}
	parsed, err := azure.ParseResourceID(id)
	if err != nil {
		return nil, err
	}
	r.ID, r.Tags, r.Identity, r.Extra, r.Properties = parsed, b.Tags, b.Identity, b.Extra, b.Properties
	r.CreatedAt, r.UpdatedAt = store.Time(created), store.Time(updated)
	return &r, nil
}

// got is the key of what [Get] remembers: the key of a resource.
type got string

// Get reads one resource; a missing one is a NotFound fault.
func Get(tx *store.Tx, id azure.ResourceID) (*Resource, error) {
	r, err := store.Memo(tx, got(id.Key()), func() (*Resource, error) {
		return scan(tx.QueryRow(`SELECT `+columns+` FROM resources WHERE key = $1`, id.Key()).Scan)
	}, store.Resources)
	if errors.Is(err, store.ErrNoRows) {
		return nil, NotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return r.Clone(), nil // the caller may change its own
}

// NotFound is the fault of a resource that is not there (control-plane.md B2).
func NotFound(id azure.ResourceID) error {
	if strings.EqualFold(id.Type(), azure.TypeResourceGroup) {
		return fault.New(fault.NotFound, "Resource group '%s' could not be found.", id.Name()).Named("ResourceGroupNotFound")
	}
	where := "the subscription '" + string(id.Subscription()) + "'"
	if rg := id.ResourceGroup(); rg != "" {
		where = "resource group '" + rg + "'"
	}
	_, path, _ := strings.Cut(id.String()[len(strings.TrimSuffix(id.Scope().String(), "/")):], "/providers/")
	return fault.New(fault.NotFound, "The Resource '%s' under %s was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", typeAndName(path), where).Named("ResourceNotFound")
}

// typeAndName turns "Ns/type/name/child/name2" into "Ns/type/child/name/name2"
// where there are child types, as the message has it.
func typeAndName(path string) string {
	segs := strings.Split(path, "/")
	types, names := segs[:1:1], []string(nil)
	for i, s := range segs[1:] {
		if i%2 == 0 {
			types = append(types, s)
		} else {
			names = append(names, s)
		}
	}
	return strings.Join(append(types, names...), "/")
}

// Put writes r whole, as new or over what is there. It sets Version and the
// times; on an update the first id's creator and creation stay.
func Put(tx *store.Tx, r *Resource) error {
	b, err := json.Marshal(body{r.Tags, r.Identity, r.Extra, r.Properties})
	if err != nil {
		return err
	}
	if r.Version == 0 {
		r.CreatedAt, r.CreatedBy = tx.Now, r.UpdatedBy
	}
	r.Version++
	r.UpdatedAt = tx.Now
	_, err = tx.Exec(`INSERT INTO resources (key, id, type_key, parent_key, subscription_key, group_key, location, version, body, created_at, updated_at, created_by, updated_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (key) DO UPDATE SET id = excluded.id, location = excluded.location, version = excluded.version, body = excluded.body, updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
		r.ID.Key(), r.ID.String(), azure.Fold(r.ID.Type()), r.ID.Parent().Key(), subscriptionKey(r.ID), groupKey(r.ID),
		r.Location, r.Version, string(b), store.Micros(r.CreatedAt), store.Micros(r.UpdatedAt), string(r.CreatedBy), string(r.UpdatedBy))
	tx.Changed(store.Resources)
	return err
}

func subscriptionKey(id azure.ResourceID) string {
	return azure.SubscriptionScope(id.Subscription()).Key()
}

func groupKey(id azure.ResourceID) string {
	if id.ResourceGroup() == "" {
		return ""
	}
	return subscriptionKey(id) + "/resourcegroups/" + azure.Fold(id.ResourceGroup())
}

// Delete removes one row, with the references that it has, and reports whether
// it was there.
func Delete(tx *store.Tx, id azure.ResourceID) (bool, error) {
	if err := deleteReferences(tx, id); err != nil {
		return false, err
	}
	res, err := tx.Exec(`DELETE FROM resources WHERE key = $1`, id.Key())
	if err != nil {
		return false, err
	}
	tx.Changed(store.Resources)
	n, err := res.RowsAffected()
	return n > 0, err
}

// exists is the key of what [Exists] remembers: the key of a resource.
type exists string

// Exists reports whether a resource is there.
func Exists(tx *store.Tx, id azure.ResourceID) (bool, error) {
	return store.Memo(tx, exists(id.Key()), func() (bool, error) {
		var one int
		err := tx.QueryRow(`SELECT 1 FROM resources WHERE key = $1`, id.Key()).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	}, store.Resources)
}
