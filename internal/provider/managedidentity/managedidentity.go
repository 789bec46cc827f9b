// Package managedidentity is the resource provider Microsoft.ManagedIdentity:
// user-assigned identities with their federated credentials, and the
// system-assigned identity of any resource (control-plane.md D1). It may import the arm door and everything below it.
package managedidentity

import (
	"net/http"
	"regexp"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/resource"
)

var versions = []string{"2024-11-30", "2023-07-31-preview", "2023-01-31", "2022-01-31-preview", "2021-09-30-preview", "2018-11-30", "2015-08-31-preview"}

// Provider returns the provider.
func Provider() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.ManagedIdentity", Types: []arm.Type{
		{
			Name: "userAssignedIdentities", Versions: versions, Tracked: true,
			Names: arm.NameRule{Pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$`),
				Says: "3 to 128 letters, digits, hyphens and underscores, starting with a letter or digit"},
			Prepare: prepare, Remove: remove, Show: show,
			Actions: []arm.Action{{Name: "listAssociatedResources", Run: associated}},
		},
		federated(),
		{Name: "identities", Versions: versions, Extension: true, Table: &arm.Table{Get: systemAssigned}},
	}}
}

// properties are what the identity's own resource shows.
type properties struct {
	IsolationScope string         `json:"isolationScope,omitempty"` // None or Regional
	TenantID       azure.TenantID `json:"tenantId"`
	PrincipalID    azure.ObjectID `json:"principalId"`
	ClientID       azure.AppID    `json:"clientId"`
}

// prepare gives a new identity its principal. Its ids are never the caller's
// to choose or to change.
func prepare(c *arm.Change) error {
	given, err := arm.Properties[struct {
		IsolationScope string `json:"isolationScope"`
	}](c.New)
	if err != nil {
		return err
	}
	p := properties{IsolationScope: "None"}
	if c.Old != nil {
		if p, err = arm.Properties[properties](c.Old); err != nil {
			return err
		}
	} else {
		principal, err := directory.CreateManagedIdentity(c.Tx, c.Caller.Tenant, c.New.ID.Name(), c.New.ID)
		if err != nil {
			return err
		}
		p.TenantID, p.PrincipalID, p.ClientID = principal.Tenant, principal.ID, principal.AppID
	}
	switch strings.ToLower(given.IsolationScope) {
	case "":
	case "none":
		p.IsolationScope = "None"
	case "regional":
		p.IsolationScope = "Regional"
	default:
		return fault.New(fault.Invalid, "The isolation scope '%.32s' is not valid. The values are 'None' and 'Regional'.", given.IsolationScope).At("properties.isolationScope")
	}
	c.New.Properties = []byte("{}")
	return arm.SetProperties(c.New, p)
}

// remove deletes the principal. Machines that have the identity attached keep
// its id, and their token requests for it fail (control-plane.md D2).
func remove(c *arm.Change) error {
	p, err := arm.Properties[properties](c.Old)
	if err != nil {
		return err
	}
	if err := directory.DeletePrincipal(c.Tx, p.PrincipalID); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return nil
}

// show spells the id as this provider does, with "resourcegroups" in lower
// case (control-plane.md B1), and leaves isolationScope out before its version.
func show(c *arm.Call, r *resource.Resource) error {
	p, err := arm.Properties[properties](r)
	if err != nil {
		return err
	}
	if !c.AtLeast("2024-11-30") {
		p.IsolationScope = ""
	}
	r.Properties = []byte("{}")
	if err := arm.SetProperties(r, p); err != nil {
		return err
	}
	r.ID = spelled(r.ID)
	return nil
}

// spelled is an id as this provider writes it.
func spelled(id azure.ResourceID) azure.ResourceID {
	s, err := azure.ParseResourceID(strings.Replace(id.String(), "/resourceGroups/", "/resourcegroups/", 1))
	if err != nil {
		return id
	}
	return s
}

// systemAssigned answers GET {scope}/providers/Microsoft.ManagedIdentity/identities/default.
func systemAssigned(c *arm.Call) (*arm.Answer, error) {
	owner, err := resource.Get(c.Tx, c.ID.Scope())
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(c.ID.Name(), "default") || owner.Identity == nil || !owner.Identity.Type.HasSystem() {
		return nil, resource.NotFound(c.ID)
	}
	p, err := directory.PrincipalByID(c.Tx, owner.Identity.PrincipalID)
	if err != nil {
		return nil, err
	}
	type answer struct {
		ID         string     `json:"id"`
		Name       string     `json:"name"`
		Type       string     `json:"type"`
		Location   string     `json:"location"`
		Properties properties `json:"properties"`
	}
	return &arm.Answer{Status: http.StatusOK, Body: answer{owner.ID.Join("providers/Microsoft.ManagedIdentity/identities/default").String(), "default", "Microsoft.ManagedIdentity/identities",
		owner.Location, properties{TenantID: p.Tenant, PrincipalID: p.ID, ClientID: p.AppID}}}, nil
}
