package graph

import (
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

func createServicePrincipal(c *call) (reply, error) {
	ch, err := c.changes(servicePrincipals, true)
	if err != nil {
		return reply{}, err
	}
	if err := ch.need("ServicePrincipal", "appId"); err != nil {
		return reply{}, err
	}
	id, _ := ch.take("appId")
	app, err := directory.RegistrationByAppID(c.tx, c.Tenant, azure.AppID(id.(string)))
	if fault.Is(err, fault.NotFound) {
		// az waits and tries again where it reads "does not reference".
		return reply{}, fault.New(fault.Invalid, "The appId '%.64s' of the service principal does not reference a valid application object.", id).At("appId")
	}
	if err == nil {
		err = c.need(writeApplications, app.ObjectID)
	}
	if err != nil {
		return reply{}, err
	}
	p, err := directory.CreateServicePrincipal(c.tx, app.Application)
	if fault.Is(err, fault.Conflict) {
		return reply{}, fault.Wrap(err, fault.Conflict, "The service principal cannot be created, updated, or restored because the service principal name %s is already in use.", app.AppID).Named(codeSameKeyValue)
	}
	if err == nil {
		err = directory.AddOwner(c.tx, p.ID, c.caller.ID)
	}
	if err == nil {
		err = c.changePrincipal(directory.Object{Principal: p, Properties: []byte("{}")}, ch)
	}
	if err != nil {
		return reply{}, err
	}
	return c.createdObject(p.ID)
}

// writablePrincipal is the service principal of an application that the path
// names. A managed identity lives with its resource, and the cloud's own
// services are nobody's.
func (c *call) writablePrincipal() (directory.Object, error) {
	o, err := c.object(0, directory.ServicePrincipal)
	if err != nil {
		return o, err
	}
	if o.Type == directory.TypeManagedIdentity {
		return o, fault.New(fault.Invalid, "A managed identity is changed through its resource.")
	}
	if _, ok := c.Cloud.Service(string(o.AppID)); ok {
		return o, fault.New(fault.Invalid, "The service principal of a service of the cloud cannot be changed.")
	}
	return o, nil
}

func updateServicePrincipal(c *call) (reply, error) {
	o, err := c.writablePrincipal()
	if err != nil {
		return reply{}, err
	}
	ch, err := c.changes(servicePrincipals, false)
	if err != nil {
		return reply{}, err
	}
	if kept, ok := ch.take("passwordCredentials"); ok {
		if err := c.keepPasswords(o.AppID, true, kept); err != nil {
			return reply{}, err
		}
	}
	return reply{}, c.changePrincipal(o, ch)
}

// changePrincipal writes what a body says of a service principal.
func (c *call) changePrincipal(o directory.Object, ch change) error {
	if enabled, ok := ch.take("accountEnabled"); ok && enabled != o.Enabled {
		if enabled == false {
			if err := directory.CheckRemovable(c.tx, o.Principal); err != nil {
				return err
			}
		}
		if err := directory.SetEnabled(c.tx, o.ID, enabled.(bool)); err != nil {
			return err
		}
	}
	if keys, ok := ch.take("keyCredentials"); ok {
		if err := c.setKeys(o.AppID, true, keys); err != nil {
			return err
		}
	}
	ch.take("passwordCredentials") // of a new one: there are none
	properties, err := ch.onto(o.Properties)
	if err != nil {
		return err
	}
	return directory.SetProperties(c.tx, o.ID, properties)
}

func deleteServicePrincipal(c *call) (reply, error) {
	o, err := c.writablePrincipal()
	if err != nil {
		return reply{}, err
	}
	if err := c.protect(o.Principal); err != nil {
		return reply{}, err
	}
	all, err := directory.Credentials(c.tx, o.AppID)
	if err != nil {
		return reply{}, err
	}
	for _, one := range all {
		if one.OfPrincipal {
			if err := directory.RemoveCredential(c.tx, o.AppID, one.KeyID); err != nil {
				return reply{}, err
			}
		}
	}
	return reply{}, directory.SoftDelete(c.tx, o.Principal)
}
