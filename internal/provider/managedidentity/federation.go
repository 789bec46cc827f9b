package managedidentity

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/resource"
)

// federated is the type of an identity's federated credentials. They are the
// directory's, so that the token service reads what is written here.
func federated() arm.Type {
	return arm.Type{
		Name:     "userAssignedIdentities/federatedIdentityCredentials",
		Versions: []string{"2024-11-30", "2023-07-31-preview", "2023-01-31", "2022-01-31-preview"},
		Table:    &arm.Table{Get: getFederated, Put: putFederated, Delete: deleteFederated, Page: listFederated},
	}
}

// credential is one as it is written and shown (control-plane.md D1).
type credential struct {
	ID         string               `json:"id"`
	Name       string               `json:"name"`
	Type       string               `json:"type"`
	Properties credentialProperties `json:"properties"`
}

type credentialProperties struct {
	Issuer    string   `json:"issuer"`
	Subject   string   `json:"subject"`
	Audiences []string `json:"audiences"`
}

func showFederated(of directory.Principal, c directory.FederatedCredential) credential {
	id := spelled(of.Resource).Join("federatedIdentityCredentials", c.Name)
	return credential{id.String(), c.Name, id.Type(), credentialProperties{c.Issuer, c.Subject, c.Audiences}}
}

// holder finds the identity that has the credentials.
func holder(c *arm.Call, id azure.ResourceID) (directory.Principal, error) {
	p, err := directory.PrincipalByResource(c.Tx, id)
	if fault.Is(err, fault.NotFound) {
		return p, resource.NotFound(id)
	}
	return p, err
}

func getFederated(c *arm.Call) (*arm.Answer, error) {
	p, err := holder(c, c.ID.Parent())
	if err != nil {
		return nil, err
	}
	kept, err := directory.FederatedCredentialByName(c.Tx, p.AppID, c.ID.Name())
	if err != nil {
		return nil, missing(c, err)
	}
	return &arm.Answer{Status: http.StatusOK, Body: showFederated(p, kept)}, nil
}

// missing says of which resource the directory has none.
func missing(c *arm.Call, err error) error {
	if fault.Is(err, fault.NotFound) {
		return resource.NotFound(c.ID)
	}
	return err
}

func putFederated(c *arm.Call) (*arm.Answer, error) {
	var body struct {
		Properties struct {
			credentialProperties
			Expression json.RawMessage `json:"claimsMatchingExpression"`
		} `json:"properties"`
	}
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	if e := body.Properties.Expression; len(e) > 0 && string(e) != "null" {
		return nil, fault.New(fault.Invalid, "A claims matching expression is not supported here: name the 'subject'.").At("properties.claimsMatchingExpression")
	}
	p, err := holder(c, c.ID.Parent())
	if err != nil {
		return nil, err
	}
	kept, created, err := directory.PutFederatedCredential(c.Tx, p.AppID, directory.FederatedCredential{Name: c.ID.Name(),
		Issuer: body.Properties.Issuer, Subject: body.Properties.Subject, Audiences: body.Properties.Audiences})
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return &arm.Answer{Status: status, Body: showFederated(p, kept)}, nil
}

func deleteFederated(c *arm.Call) (*arm.Answer, error) {
	p, err := holder(c, c.ID.Parent())
	if err != nil {
		return nil, err
	}
	kept, err := directory.FederatedCredentialByName(c.Tx, p.AppID, c.ID.Name())
	switch {
	case fault.Is(err, fault.NotFound):
		return &arm.Answer{Status: http.StatusNoContent}, nil
	case err != nil:
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK}, directory.DeleteFederatedCredential(c.Tx, p.AppID, kept.ID)
}

// listFederated is a page in the order of the folded names, which are its tokens.
func listFederated(c *arm.Call, after string, limit int) (items []any, next string, err error) {
	p, err := holder(c, c.ID)
	if err != nil {
		return nil, "", err
	}
	all, err := directory.FederatedCredentials(c.Tx, p.AppID)
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(all, func(a, b directory.FederatedCredential) int {
		return strings.Compare(azure.Fold(a.Name), azure.Fold(b.Name))
	})
	for _, one := range all {
		switch name := azure.Fold(one.Name); {
		case name <= azure.Fold(after):
		case len(items) == limit:
			return items, next, nil
		default:
			items, next = append(items, showFederated(p, one)), name
		}
	}
	return items, "", nil
}
