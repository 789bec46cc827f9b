package graph

import (
	"encoding/json"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

var federatedCredentials = shape("federatedIdentityCredential", "federatedIdentityCredentials", `
	id                  r "text"
	name                c "text"
	issuer              w "text"
	subject             w "text"
	description         w "text?"
	audiences           w ["text"]`)

func federated(f directory.FederatedCredential) (entity, error) {
	m := map[string]json.RawMessage{"id": encode(f.ID), "name": encode(f.Name), "issuer": encode(f.Issuer), "subject": encode(f.Subject), "audiences": encode(f.Audiences)}
	if f.Description != "" {
		m["description"] = encode(f.Description)
	}
	return entity{of: federatedCredentials, key: azure.ObjectID(f.ID), members: m}, nil
}

func listFederated(c *call) (reply, error) {
	r, err := c.application()
	if err != nil {
		return reply{}, err
	}
	all, err := directory.FederatedCredentials(c.tx, r.AppID)
	if err != nil {
		return reply{}, err
	}
	slices.SortFunc(all, func(a, b directory.FederatedCredential) int { return strings.Compare(a.ID, b.ID) })
	return c.list(whole("applications('"+string(r.ObjectID)+"')/federatedIdentityCredentials", federatedCredentials, all, federated))
}

// federatedOf finds the application and its credential, by the id or the name
// of it, that the path names.
func (c *call) federatedOf() (directory.Registration, directory.FederatedCredential, error) {
	r, err := c.application()
	if err != nil {
		return r, directory.FederatedCredential{}, err
	}
	key := c.params[1].value
	f, err := directory.FederatedCredentialByID(c.tx, r.AppID, key)
	if fault.Is(err, fault.NotFound) {
		f, err = directory.FederatedCredentialByName(c.tx, r.AppID, key)
	}
	return r, f, orMissing(err, key)
}

func getFederated(c *call) (reply, error) {
	_, f, err := c.federatedOf()
	if err != nil {
		return reply{}, err
	}
	e, err := federated(f)
	return c.single(&e, err)
}

func createFederated(c *call) (reply, error) {
	r, err := c.application()
	if err != nil {
		return reply{}, err
	}
	ch, err := c.changes(federatedCredentials, true)
	if err == nil {
		err = ch.need("FederatedIdentityCredential", "name", "issuer", "subject", "audiences")
	}
	if err != nil {
		return reply{}, err
	}
	name := ch["name"].(string)
	if _, err := directory.FederatedCredentialByName(c.tx, r.AppID, name); !fault.Is(err, fault.NotFound) {
		if err == nil {
			err = fault.New(fault.Conflict, "FederatedIdentityCredential with name %.120s already exists.", name).Named(codeSameKeyValue)
		}
		return reply{}, err
	}
	return c.putFederated(r, directory.FederatedCredential{Name: name}, ch, c.created)
}

func updateFederated(c *call) (reply, error) {
	r, f, err := c.federatedOf()
	if err != nil {
		return reply{}, err
	}
	ch, err := c.changes(federatedCredentials, false)
	if err != nil {
		return reply{}, err
	}
	return c.putFederated(r, f, ch, func(*entity, error) (reply, error) { return reply{}, nil })
}

// putFederated writes what a body says of a federated credential.
func (c *call) putFederated(r directory.Registration, f directory.FederatedCredential, ch change, answer func(*entity, error) (reply, error)) (reply, error) {
	for name, into := range map[string]*string{"issuer": &f.Issuer, "subject": &f.Subject, "description": &f.Description} {
		if v, ok := ch[name]; ok {
			*into, _ = v.(string)
		}
	}
	if list, ok := ch["audiences"].([]any); ok {
		f.Audiences = nil
		for _, a := range list {
			f.Audiences = append(f.Audiences, a.(string))
		}
	}
	made, _, err := directory.PutFederatedCredential(c.tx, r.AppID, f)
	if err != nil {
		return reply{}, err
	}
	e, err := federated(made)
	return answer(&e, err)
}

func deleteFederated(c *call) (reply, error) {
	r, f, err := c.federatedOf()
	if err != nil {
		return reply{}, err
	}
	return reply{}, directory.DeleteFederatedCredential(c.tx, r.AppID, f.ID)
}
