package authorization

import (
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/rbac"
)

// definition is the shape of a role, in both directions.
type definition struct {
	Properties definitionProperties `json:"properties"`
	ID         string               `json:"id"`
	Type       string               `json:"type"`
	Name       string               `json:"name"`
}

type definitionProperties struct {
	RoleName         string            `json:"roleName"`
	Type             string            `json:"type"`
	Description      string            `json:"description"`
	AssignableScopes []string          `json:"assignableScopes"`
	Permissions      []rbac.Permission `json:"permissions"`
	CreatedOn        any               `json:"createdOn"`
	UpdatedOn        any               `json:"updatedOn"`
	CreatedBy        any               `json:"createdBy"`
	UpdatedBy        any               `json:"updatedBy"`
}

func showDefinition(at azure.ResourceID, d *rbac.Definition) definition {
	p := definitionProperties{RoleName: d.RoleName, Type: d.Type, Description: d.Description, AssignableScopes: []string{}, Permissions: []rbac.Permission{},
		CreatedBy: null(string(d.CreatedBy)), UpdatedBy: null(string(d.UpdatedBy))}
	if !d.CreatedAt.IsZero() {
		p.CreatedOn, p.UpdatedOn = arm.Timestamp(d.CreatedAt), arm.Timestamp(d.UpdatedAt)
	}
	for _, s := range d.AssignableScopes {
		p.AssignableScopes = append(p.AssignableScopes, s.String())
	}
	for _, perm := range d.Permissions {
		perm.Actions, perm.NotActions, perm.DataActions, perm.NotDataActions = list(perm.Actions), list(perm.NotActions), list(perm.DataActions), list(perm.NotDataActions)
		p.Permissions = append(p.Permissions, perm)
	}
	return definition{Properties: p, ID: rbac.DefinitionID(at, d.ID).String(), Type: rbac.TypeDefinition, Name: d.ID}
}

// list prints no entries as an empty list.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func getDefinition(c *arm.Call) (*arm.Answer, error) {
	id, err := guidName(c.ID, "RoleDefinitionIdNotValid", "role definition")
	if err != nil {
		return nil, err
	}
	d, err := rbac.GetDefinition(c.Tx, id)
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: showDefinition(c.ID, d)}, nil
}

// everywhere asks for the right to change a role at every scope where it can
// be assigned, now or from now on, and not just where the call is made: who
// manages one group does not change what a role means in another.
func everywhere(c *arm.Call, action string, given []azure.ResourceID) error {
	old, err := rbac.GetDefinition(c.Tx, c.ID.Name())
	switch {
	case err == nil && old.Type == rbac.CustomRole:
		given = slices.Concat(given, old.AssignableScopes)
	case err != nil && !fault.Is(err, fault.NotFound):
		return err
	}
	for _, scope := range given {
		if err := c.AuthorizeLinked(rbac.TypeDefinition+"/"+action, c.ID, rbac.TypeDefinition+"/"+action, scope); err != nil {
			return err
		}
	}
	return nil
}

// putDefinition answers 201 even on an update: clients accept nothing else
// (control-plane.md B8).
func putDefinition(c *arm.Call) (*arm.Answer, error) {
	id, err := guidName(c.ID, "RoleDefinitionIdNotValid", "role definition")
	if err != nil {
		return nil, err
	}
	var body definition
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	p := body.Properties
	if p.Type != "" && !strings.EqualFold(p.Type, rbac.CustomRole) {
		return nil, fault.New(fault.Invalid, "The role definition type '%.32s' is not valid: only '%s' can be written.", p.Type, rbac.CustomRole).Named("RoleDefinitionTypeNotValid").At("type")
	}
	d := rbac.Definition{ID: id, RoleName: p.RoleName, Description: p.Description, Permissions: p.Permissions}
	for _, s := range p.AssignableScopes {
		scope, err := azure.ParseResourceID(s)
		if err != nil {
			return nil, fault.New(fault.Invalid, "The assignable scope '%.512s' is not valid.", s).Named("RoleDefinitionScopeNotValid").At("assignableScopes")
		}
		d.AssignableScopes = append(d.AssignableScopes, scope)
	}
	if err := everywhere(c, "write", d.AssignableScopes); err != nil {
		return nil, err
	}
	made, _, err := rbac.PutDefinition(c.Tx, d, c.Caller.ID)
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusCreated, Body: showDefinition(c.ID, made)}, nil
}

func deleteDefinition(c *arm.Call) (*arm.Answer, error) {
	id, err := guidName(c.ID, "RoleDefinitionIdNotValid", "role definition")
	if err != nil {
		return nil, err
	}
	if err := everywhere(c, "delete", nil); err != nil {
		return nil, err
	}
	d, err := rbac.DeleteDefinition(c.Tx, id)
	if fault.Is(err, fault.NotFound) {
		return &arm.Answer{Status: http.StatusNoContent}, nil
	}
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: showDefinition(c.ID, d)}, nil
}

// listDefinitions serves roleName eq, type eq and atScopeAndBelow().
func listDefinitions(c *arm.Call) ([]any, error) {
	f := rbac.DefinitionFilter{Scope: c.ID, ManagementGroups: c.ManagementGroups}
	filter := c.Param("$filter")
	for _, part := range arm.Conjuncts(filter) {
		name, isName := arm.Equals(part, "roleName")
		typ, isType := arm.Equals(part, "type")
		switch {
		case part == "":
		case strings.EqualFold(part, "atScopeAndBelow()"):
			f.AndBelow = true
		case isName:
			f.Name = name
		case isType:
			f.Type = typ
		default:
			return nil, badFilter(filter)
		}
	}
	found, err := rbac.Definitions(c.Tx, f)
	if err != nil {
		return nil, err
	}
	var all []any
	for _, d := range found {
		all = append(all, showDefinition(c.ID, d))
	}
	return all, nil
}
