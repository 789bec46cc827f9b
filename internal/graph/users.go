package graph

import (
	"unicode"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

// me is the signed-in user.
func me(c *call) (reply, error) {
	if err := c.delegated(); err != nil {
		return reply{}, err
	}
	if err := c.need(anybody, ""); err != nil {
		return reply{}, err
	}
	e, err := c.principal(c.caller.object)
	return c.single(&e, err)
}

// delegated refuses an app where a user is meant.
func (c *call) delegated() error {
	if c.caller.user() {
		return nil
	}
	return badQuery("/me request is only valid with delegated authentication flow.")
}

// ofMe makes an endpoint of /users/{id} one of /me.
func ofMe(run func(*call) (reply, error)) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		if err := c.delegated(); err != nil {
			return reply{}, err
		}
		c.params = []param{{"", string(c.caller.ID)}}
		return run(c)
	}
}

// ownedObjects lists what a user owns: applications first.
func ownedObjects(c *call) (reply, error) {
	o, err := c.object(0, directory.User)
	if err != nil {
		return reply{}, err
	}
	apps := true
	return c.list(collection{context: "directoryObjects", of: []*resource{applications, servicePrincipals, groups}, fetch: func(after azure.ObjectID, limit int) ([]entity, error) {
		// Two lists in one order: enough of both, and then the first of them.
		owned, err := c.entities(directory.Related(c.tx, directory.OwnedBy, o.ID, after, limit))
		if err != nil || !apps {
			return owned, err
		}
		registered, err := c.registrations(directory.RegistrationQuery{Tenant: c.Tenant, Owner: o.ID, After: after, Limit: limit})
		return mergeByKey(owned, registered, limit), err
	}})
}

func mergeByKey(a, b []entity, limit int) (merged []entity) {
	for len(merged) < limit && len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0].key < b[0].key {
			merged, a = append(merged, a[0]), a[1:]
		} else {
			merged, b = append(merged, b[0]), b[1:]
		}
	}
	return merged
}

func getObject(kinds ...directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		o, err := c.object(0, kinds...)
		if err != nil {
			return reply{}, err
		}
		e, err := c.principal(o)
		return c.single(&e, err)
	}
}

func createUser(c *call) (reply, error) {
	ch, err := c.changes(users, true)
	if err != nil {
		return reply{}, err
	}
	if err := ch.need("User", "accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"); err != nil {
		return reply{}, err
	}
	tenant, err := directory.TenantByIDOrDomain(c.tx, string(c.Tenant))
	if err != nil {
		return reply{}, err
	}
	name, _ := ch.take("displayName")
	upn, _ := ch.take("userPrincipalName")
	u, err := directory.CreateUser(c.tx, tenant, upn.(string), name.(string))
	if fault.Is(err, fault.Conflict) {
		err = upnTaken(err)
	}
	if err != nil {
		return reply{}, err
	}
	if profile, _ := ch["passwordProfile"].(map[string]any); profile["password"] == nil {
		return reply{}, fault.New(fault.Invalid, "A password must be specified to create a new user.").At("passwordProfile")
	}
	if err := c.changeUser(directory.Object{Principal: u, Properties: []byte("{}")}, ch); err != nil {
		return reply{}, err
	}
	return c.createdObject(u.ID)
}

// createdObject answers with an object that was just made.
func (c *call) createdObject(id azure.ObjectID) (reply, error) {
	o, err := directory.ObjectByID(c.tx, c.Tenant, id)
	if err != nil {
		return reply{}, err
	}
	e, err := c.principal(o)
	return c.created(&e, err)
}

func upnTaken(err error) error {
	return fault.Wrap(err, fault.Invalid, "Another object with the same value for property userPrincipalName already exists.").At("userPrincipalName")
}

func updateUser(c *call) (reply, error) {
	o, err := c.object(0, directory.User)
	if err != nil {
		return reply{}, err
	}
	if err := c.protect(o.Principal); err != nil {
		return reply{}, err
	}
	ch, err := c.changes(users, false)
	if err != nil {
		return reply{}, err
	}
	if upn, ok, err := ch.takeText("userPrincipalName"); err != nil {
		return reply{}, err
	} else if ok {
		tenant, err := directory.TenantByIDOrDomain(c.tx, string(c.Tenant))
		if err == nil {
			err = directory.SetUPN(c.tx, tenant, o.ID, upn)
		}
		if fault.Is(err, fault.Conflict) {
			err = upnTaken(err)
		}
		if err != nil {
			return reply{}, err
		}
	}
	return reply{}, c.changeUser(o, ch)
}

// changeUser writes what a body says of a user, all but its UPN.
func (c *call) changeUser(o directory.Object, ch change) error {
	if name, ok, err := ch.takeText("displayName"); err != nil {
		return err
	} else if ok {
		if err := directory.Rename(c.tx, o.ID, name); err != nil {
			return err
		}
	}
	if enabled, ok := ch.take("accountEnabled"); ok {
		if enabled == false {
			if err := directory.CheckRemovable(c.tx, o.Principal); err != nil {
				return err
			}
		}
		if err := directory.SetEnabled(c.tx, o.ID, enabled.(bool)); err != nil {
			return err
		}
	}
	if kind, ok := ch["userType"]; ok && kind != nil && kind != "Member" && kind != "Guest" {
		return invalidValue("userType")
	}
	if profile, ok := ch.take("passwordProfile"); ok {
		if err := c.setPassword(o.Principal, profile); err != nil {
			return err
		}
	}
	properties, err := ch.onto(o.Properties)
	if err != nil {
		return err
	}
	return directory.SetProperties(c.tx, o.ID, properties)
}

// setPassword gives a user the password of a passwordProfile. The first time
// it asks for the hash, by an error, see [call.run]; the password itself is stored nowhere.
func (c *call) setPassword(u directory.Principal, profile any) error {
	p, _ := profile.(map[string]any)
	password, ok := p["password"].(string)
	if !ok {
		return nil
	}
	if !isComplex(password) {
		return fault.New(fault.Invalid, "The specified password does not comply with password complexity requirements. Please provide a different password.").At("passwordProfile")
	}
	if c.hash == "" {
		return unhashed{password}
	}
	return directory.SetUserPassword(c.tx, u.ID, c.hash)
}

// unhashed says that the hash of a password is needed.
type unhashed struct{ password string }

func (unhashed) Error() string { return "graph: the hash of a password is needed" }

// isComplex is Entra's rule: 8 to 256 characters of three classes.
func isComplex(password string) bool {
	var lower, upper, digit, other int
	n := 0
	for _, r := range password {
		n++
		switch {
		case unicode.IsLower(r):
			lower = 1
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsDigit(r):
			digit = 1
		default:
			other = 1
		}
	}
	return n >= 8 && n <= 256 && lower+upper+digit+other >= 3
}

func deleteUser(c *call) (reply, error) {
	o, err := c.object(0, directory.User)
	if err != nil {
		return reply{}, err
	}
	if err := c.protect(o.Principal); err != nil {
		return reply{}, err
	}
	return reply{}, directory.SoftDelete(c.tx, o.Principal)
}
