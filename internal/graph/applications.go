package graph

import (
	"encoding/json"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

// defaultAudience is the signInAudience of an application that says nothing:
// there is one tenant to sign in from.
const defaultAudience = "AzureADMyOrg"

// registration makes an entity of an application.
func (c *call) registration(r directory.Registration) (entity, error) {
	members, err := given(r.Properties)
	if err != nil {
		return entity{}, err
	}
	members["id"], members["appId"], members["displayName"] = encode(r.ObjectID), encode(r.AppID), encode(r.DisplayName)
	members["createdDateTime"], members["identifierUris"] = moment(r.CreatedAt), encode(append([]string{}, r.IdentifierURIs...))
	if members["signInAudience"] == nil {
		members["signInAudience"] = encode(defaultAudience)
	}
	if r.TokenVersion == 2 {
		api := map[string]json.RawMessage{}
		if members["api"] != nil {
			if err := json.Unmarshal(members["api"], &api); err != nil {
				return entity{}, err
			}
		}
		api["requestedAccessTokenVersion"] = json.RawMessage(`2`)
		members["api"] = encode(api)
	}
	return entity{of: applications, key: r.ObjectID, members: members, more: func() (m map[string]json.RawMessage, err error) {
		tenant, err := directory.TenantByIDOrDomain(c.tx, string(r.Tenant))
		if err != nil {
			return nil, err
		}
		m = map[string]json.RawMessage{"publisherDomain": encode(tenant.Domain)}
		m["passwordCredentials"], m["keyCredentials"], err = c.credentials(r.AppID, false)
		return m, err
	}}, nil
}

func (c *call) registrations(q directory.RegistrationQuery) ([]entity, error) {
	all, err := directory.Registrations(c.tx, q)
	if err != nil {
		return nil, err
	}
	made := make([]entity, len(all))
	for i, r := range all {
		if made[i], err = c.registration(r); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func listApplications(c *call) (reply, error) {
	at := narrow(c.query.filter, nil)
	q := directory.RegistrationQuery{Tenant: c.Tenant, ID: azure.ObjectID(at["id"]), AppID: azure.AppID(at["appid"]), URI: at["identifieruris"]}
	return c.list(collection{context: applications.set, of: []*resource{applications}, fetch: func(after azure.ObjectID, limit int) ([]entity, error) {
		q.After, q.Limit = after, limit
		return c.registrations(q)
	}})
}

// application finds the application that the path names, and holds the caller
// to the right of the endpoint on it.
func (c *call) application() (r directory.Registration, err error) {
	p := c.params[0]
	switch {
	case p.key == "":
		r, err = directory.RegistrationByID(c.tx, c.Tenant, azure.ObjectID(p.value))
	case strings.EqualFold(p.key, "appId"):
		r, err = directory.RegistrationByAppID(c.tx, c.Tenant, azure.AppID(p.value))
	default:
		err = badQuery("Resource not found for the segment '%.100s'.", p.key)
	}
	if err != nil {
		return r, c.found(c.endpoint.right, err, p.value)
	}
	return r, c.need(c.endpoint.right, r.ObjectID)
}

func getApplication(c *call) (reply, error) {
	r, err := c.application()
	if err != nil {
		return reply{}, err
	}
	e, err := c.registration(r)
	return c.single(&e, err)
}

func createApplication(c *call) (reply, error) {
	ch, err := c.changes(applications, true)
	if err != nil {
		return reply{}, err
	}
	if err := ch.need("Application", "displayName"); err != nil {
		return reply{}, err
	}
	name, _ := ch.take("displayName")
	app, err := directory.CreateApplication(c.tx, directory.Application{Tenant: c.Tenant, DisplayName: name.(string)})
	if err != nil {
		return reply{}, err
	}
	if err := directory.AddOwner(c.tx, app.ObjectID, c.caller.ID); err != nil {
		return reply{}, err
	}
	passwords, _ := ch.take("passwordCredentials")
	r := directory.Registration{Application: app, Properties: []byte("{}")}
	if err := c.changeApplication(r, ch); err != nil {
		return reply{}, err
	}
	made, err := c.newPasswords(app.AppID, passwords)
	if err != nil {
		return reply{}, err
	}
	if r, err = directory.RegistrationByID(c.tx, c.Tenant, app.ObjectID); err != nil {
		return reply{}, err
	}
	e, err := c.registration(r)
	if err == nil && len(made) > 0 {
		keys := e.more
		e.more = func() (map[string]json.RawMessage, error) { // with the secrets, this once
			m, err := keys()
			if err == nil {
				m["passwordCredentials"] = encode(made)
			}
			return m, err
		}
	}
	return c.created(&e, err)
}

func updateApplication(c *call) (reply, error) {
	r, err := c.application()
	if err != nil {
		return reply{}, err
	}
	ch, err := c.changes(applications, false)
	if err != nil {
		return reply{}, err
	}
	if kept, ok := ch.take("passwordCredentials"); ok {
		if err := c.keepPasswords(r.AppID, false, kept); err != nil {
			return reply{}, err
		}
	}
	return reply{}, c.changeApplication(r, ch)
}

// changeApplication writes what a body says of an application, all but its passwords.
func (c *call) changeApplication(r directory.Registration, ch change) error {
	if name, ok, err := ch.takeText("displayName"); err != nil {
		return err
	} else if ok {
		r.DisplayName = name
	}
	if uris, ok := ch.take("identifierUris"); ok {
		r.IdentifierURIs = nil
		list, _ := uris.([]any)
		for _, uri := range list {
			r.IdentifierURIs = append(r.IdentifierURIs, uri.(string))
		}
	}
	if err := setTokenVersion(&r, ch); err != nil {
		return err
	}
	if audience, ok := ch["signInAudience"]; ok && audience != nil && !contains([]string{"AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"}, audience.(string)) {
		return invalidValue("signInAudience")
	}
	keys, hasKeys := ch.take("keyCredentials")
	var err error
	if r.Properties, err = ch.onto(r.Properties); err != nil {
		return err
	}
	err = directory.UpdateApplication(c.tx, r)
	if fault.Is(err, fault.Conflict) {
		return fault.Wrap(err, fault.Invalid, "Another object with the same value for property identifierUris already exists.").At("identifierUris")
	}
	if err != nil || !hasKeys {
		return err
	}
	return c.setKeys(r.AppID, false, keys)
}

// setTokenVersion takes the version of its tokens out of an application's api.
func setTokenVersion(r *directory.Registration, ch change) error {
	api, _ := ch["api"].(map[string]any)
	v, ok := api["requestedAccessTokenVersion"]
	if !ok {
		return nil
	}
	switch n, _ := v.(json.Number); n {
	case "", "1":
		r.TokenVersion = 1
	case "2":
		r.TokenVersion = 2
	default:
		return invalidValue("api.requestedAccessTokenVersion")
	}
	return nil
}

func deleteApplication(c *call) (reply, error) {
	r, err := c.application()
	if err != nil {
		return reply{}, err
	}
	if p, err := directory.PrincipalByAppID(c.tx, c.Tenant, r.AppID); err == nil {
		if err := c.protect(p); err != nil {
			return reply{}, err
		}
	}
	return reply{}, directory.SoftDeleteApplication(c.tx, r.Application)
}
