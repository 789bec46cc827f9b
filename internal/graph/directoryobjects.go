package graph

import (
	"encoding/json"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

// rightsToRead are what it takes to see each kind of object.
var rightsToRead = map[*resource]right{users: readUsers, groups: readGroups, servicePrincipals: readApplications, applications: readApplications}

// anyObject is a principal or an application by its object id.
func (c *call) anyObject(id string) (entity, error) {
	o, err := directory.ObjectByID(c.tx, c.Tenant, azure.ObjectID(id))
	if err == nil {
		return c.principal(o)
	}
	if !fault.Is(err, fault.NotFound) {
		return entity{}, err
	}
	r, err := directory.RegistrationByID(c.tx, c.Tenant, azure.ObjectID(id))
	if err != nil {
		return entity{}, err
	}
	return c.registration(r)
}

func getDirectoryObject(c *call) (reply, error) {
	id := c.params[0].value
	e, err := c.anyObject(id)
	if err != nil {
		return reply{}, c.found(readDirectory, err, id)
	}
	if err := c.need(rightsToRead[e.of], e.key); err != nil {
		return reply{}, err
	}
	body, err := e.render(c.query.selected, true, c.context("directoryObjects/$entity"), nil)
	return reply{body: body}, err
}

// maxIDs bounds the ids of one getByIds.
const maxIDs = 1000

// getByIDs is what shows names for the principals of role assignments. Ids of
// nothing, and of what the caller may not see, are left out.
func getByIDs(c *call) (reply, error) {
	asked, err := c.texts("ids", maxIDs)
	if err != nil {
		return reply{}, err
	}
	kinds, err := c.wantedTypes()
	if err != nil {
		return reply{}, err
	}
	may := map[*resource]bool{}
	any := false
	for r, right := range rightsToRead {
		if may[r], err = c.may(right, ""); err != nil {
			return reply{}, err
		}
		any = any || may[r]
	}
	if !any {
		return reply{}, denied()
	}
	body := list{Context: c.context("directoryObjects"), Value: []json.RawMessage{}}
	for _, id := range asked {
		e, err := c.anyObject(id)
		if fault.Is(err, fault.NotFound) || err == nil && (!may[e.of] || !kinds(e.of)) {
			continue
		}
		if err != nil {
			return reply{}, err
		}
		v, err := e.render(c.query.selected, true, "", nil)
		if err != nil {
			return reply{}, err
		}
		body.Value = append(body.Value, v)
	}
	return reply{body: body}, nil
}

// wantedTypes reads the types of a getByIds; none is all.
func (c *call) wantedTypes() (func(*resource) bool, error) {
	if c.body["types"] == nil {
		return func(*resource) bool { return true }, nil
	}
	types, err := c.texts("types", 50)
	return func(r *resource) bool { return contains(types, r.name) || contains(types, "directoryObject") }, err
}

// deletedKind is the kind that a path names as "microsoft.graph.user".
func (c *call) deletedKind() (directory.Kind, *resource, error) {
	for kind, r := range map[directory.Kind]*resource{directory.User: users, directory.Group: groups, directory.Registered: applications, directory.ServicePrincipal: servicePrincipals} {
		if strings.EqualFold(c.params[0].value, "microsoft.graph."+r.name) {
			return kind, r, nil
		}
	}
	return "", nil, badQuery("Resource not found for the segment '%.100s'.", c.params[0].value)
}

// deleted makes an entity of what can be restored.
func deleted(d directory.Deleted, r *resource) entity {
	m := map[string]json.RawMessage{"id": encode(d.ID), "displayName": encode(d.DisplayName), "deletedDateTime": moment(d.DeletedAt)}
	if d.AppID != "" {
		m["appId"] = encode(d.AppID)
	}
	return entity{of: r, key: d.ID, members: m}
}

// itemOrList is a deleted object by its id, or all of a type by its name.
func itemOrList(c *call) (reply, error) {
	if strings.HasPrefix(strings.ToLower(c.params[0].value), "microsoft.graph.") {
		return listDeleted(c)
	}
	return getDeleted(c)
}

func listDeleted(c *call) (reply, error) {
	kind, r, err := c.deletedKind()
	if err == nil {
		err = c.need(rightsToRead[r], "")
	}
	if err != nil {
		return reply{}, err
	}
	return c.list(collection{context: r.set, of: []*resource{r}, fetch: func(after azure.ObjectID, limit int) (all []entity, err error) {
		found, err := directory.DeletedObjects(c.tx, c.Tenant, kind, after, limit)
		for _, d := range found {
			all = append(all, deleted(d, r))
		}
		return all, err
	}})
}

// deletedObject finds what can be restored, and holds the caller to the right
// to read or to write its kind.
func (c *call) deletedObject(write bool) (directory.Deleted, *resource, error) {
	id := c.params[0].value
	d, err := directory.DeletedByID(c.tx, c.Tenant, azure.ObjectID(id))
	if err != nil {
		return d, nil, c.found(readDirectory, err, id)
	}
	r, needed := applications, writeApplications
	switch d.Kind {
	case directory.User:
		r, needed = users, writeUsers
	case directory.Group:
		r, needed = groups, writeGroups
	case directory.ServicePrincipal:
		r = servicePrincipals
	}
	if !write {
		needed = rightsToRead[r]
	}
	return d, r, c.need(needed, "")
}

func getDeleted(c *call) (reply, error) {
	d, r, err := c.deletedObject(false)
	if err != nil {
		return reply{}, err
	}
	e := deleted(d, r)
	body, err := e.render(nil, true, c.context("directoryObjects/$entity"), nil)
	return reply{body: body}, err
}

func restore(c *call) (reply, error) {
	d, r, err := c.deletedObject(true)
	if err != nil {
		return reply{}, err
	}
	err = directory.Restore(c.tx, d.ID)
	if fault.Is(err, fault.Conflict) {
		return reply{}, fault.Wrap(err, fault.Invalid, "The %s cannot be restored: another object has a name of it that is one of a kind.", r.name)
	}
	if err != nil {
		return reply{}, err
	}
	e, err := c.anyObject(string(d.ID))
	if err != nil {
		return reply{}, err
	}
	body, err := e.render(nil, true, c.context("directoryObjects/$entity"), nil)
	return reply{body: body}, err
}

func purge(c *call) (reply, error) {
	d, _, err := c.deletedObject(true)
	if err != nil {
		return reply{}, err
	}
	return reply{}, directory.Purge(c.tx, d.ID)
}
