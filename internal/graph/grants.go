package graph

import (
	"encoding/json"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

func grantEntity(g directory.PermissionGrant) (entity, error) {
	m := map[string]json.RawMessage{"id": encode(g.ID), "clientId": encode(g.Client), "consentType": encode("AllPrincipals"), "resourceId": encode(g.Resource), "scope": encode(g.Scope)}
	if g.Principal != "" {
		m["consentType"], m["principalId"] = encode("Principal"), encode(g.Principal)
	}
	return entity{of: permissionGrants, key: azure.ObjectID(g.ID), members: m}, nil
}

func listGrants(c *call) (reply, error) {
	all, err := directory.Grants(c.tx, c.Tenant)
	if err != nil {
		return reply{}, err
	}
	return c.list(whole(permissionGrants.set, permissionGrants, all, grantEntity))
}

// grant finds the permission grant that the path names.
func (c *call) grant() (directory.PermissionGrant, error) {
	all, err := directory.Grants(c.tx, c.Tenant)
	if err != nil {
		return directory.PermissionGrant{}, err
	}
	for _, g := range all {
		if g.ID == azure.Fold(c.params[0].value) {
			return g, nil
		}
	}
	return directory.PermissionGrant{}, missing(c.params[0].value)
}

func getGrant(c *call) (reply, error) {
	g, err := c.grant()
	if err != nil {
		return reply{}, err
	}
	e, err := grantEntity(g)
	return c.single(&e, err)
}

func createGrant(c *call) (reply, error) {
	ch, err := c.changes(permissionGrants, true)
	if err == nil {
		err = ch.need("OAuth2PermissionGrant", "clientId", "consentType", "resourceId")
	}
	if err != nil {
		return reply{}, err
	}
	principal, _ := ch["principalId"].(string)
	scope, _ := ch["scope"].(string)
	if kind := ch["consentType"]; kind != "AllPrincipals" && kind != "Principal" || (kind == "Principal") != (principal != "") {
		return reply{}, fault.New(fault.Invalid, "consentType is AllPrincipals, or Principal together with a principalId.").At("consentType")
	}
	g, err := directory.Grant(c.tx, directory.PermissionGrant{Client: azure.ObjectID(ch["clientId"].(string)), Resource: azure.ObjectID(ch["resourceId"].(string)), Principal: azure.ObjectID(principal), Scope: scope})
	if fault.Is(err, fault.Conflict) {
		return reply{}, fault.Wrap(err, fault.Conflict, "Permission entry already exists.").Named(codeSameKeyValue)
	}
	if err != nil {
		return reply{}, orMissing(err, ch["clientId"].(string))
	}
	e, err := grantEntity(g)
	return c.created(&e, err)
}

func updateGrant(c *call) (reply, error) {
	g, err := c.grant()
	if err != nil {
		return reply{}, err
	}
	ch, err := c.changes(permissionGrants, false)
	if err != nil {
		return reply{}, err
	}
	scope, _ := ch["scope"].(string)
	return reply{}, directory.SetGrant(c.tx, g.ID, scope)
}

func deleteGrant(c *call) (reply, error) {
	g, err := c.grant()
	if err != nil {
		return reply{}, err
	}
	return reply{}, directory.RemoveGrant(c.tx, g.ID)
}
