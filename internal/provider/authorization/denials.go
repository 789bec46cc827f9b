package authorization

import (
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/rbac"
)

// denial is the shape of a deny assignment, in both directions
// (control-plane.md C4). Nothing here is protected by the system: who may write
// deny assignments may take them back.
type denial struct {
	Properties denialProperties `json:"properties"`
	ID         string           `json:"id"`
	Type       string           `json:"type"`
	Name       string           `json:"name"`
}

type denialProperties struct {
	Name        string               `json:"denyAssignmentName"`
	Description string               `json:"description"`
	Permissions []rbac.Permission    `json:"permissions"`
	Scope       string               `json:"scope"`
	ScopeOnly   bool                 `json:"doNotApplyToChildScopes"`
	Principals  []rbac.DenyPrincipal `json:"principals"`
	Excluded    []rbac.DenyPrincipal `json:"excludePrincipals"`
	Protected   bool                 `json:"isSystemProtected"`
	Effect      string               `json:"denyAssignmentEffect,omitempty"`
	Condition   *string              `json:"condition"`
	CreatedOn   string               `json:"createdOn"`
	UpdatedOn   string               `json:"updatedOn"`
	CreatedBy   string               `json:"createdBy"`
	UpdatedBy   string               `json:"updatedBy"`
}

func showDenial(d rbac.DenyAssignment) denial {
	p := denialProperties{Name: d.Name, Description: d.Description, Permissions: d.Permissions, Scope: d.Scope.String(), ScopeOnly: d.ScopeOnly, Principals: d.Principals, Excluded: d.Excluded, Effect: "enforced",
		CreatedOn: arm.Timestamp(d.CreatedAt), UpdatedOn: arm.Timestamp(d.UpdatedAt), CreatedBy: string(d.CreatedBy), UpdatedBy: string(d.UpdatedBy)}
	if p.Excluded == nil {
		p.Excluded = []rbac.DenyPrincipal{}
	}
	return denial{p, d.ResourceID().String(), rbac.TypeDeny, d.ID}
}

func denyID(c *arm.Call) (string, error) {
	return guidName(c.ID, "InvalidDenyAssignmentId", "deny assignment")
}

func getDeny(c *arm.Call) (*arm.Answer, error) {
	id, err := denyID(c)
	if err != nil {
		return nil, err
	}
	d, err := rbac.GetDenyAssignment(c.Tx, c.ID.Scope(), id)
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: showDenial(d)}, nil
}

func putDeny(c *arm.Call) (*arm.Answer, error) {
	id, err := denyID(c)
	if err != nil {
		return nil, err
	}
	var body denial
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	p := body.Properties
	switch {
	case p.Protected:
		return nil, fault.New(fault.Invalid, "A deny assignment that is made here is not protected by the system.").At("isSystemProtected")
	case p.Effect != "" && !strings.EqualFold(p.Effect, "enforced"):
		return nil, fault.New(fault.Invalid, "The effect '%.32s' is not supported: a deny assignment is enforced.", p.Effect).At("denyAssignmentEffect")
	case p.Condition != nil && *p.Condition != "":
		return nil, fault.New(fault.Invalid, "Conditions of deny assignments are not supported.").At("condition")
	}
	if err := scopeExists(c); err != nil {
		return nil, err
	}
	d, created, err := rbac.PutDenyAssignment(c.Tx, rbac.DenyAssignment{ID: id, Scope: c.ID.Scope(), Name: p.Name, Description: p.Description, Permissions: p.Permissions,
		ScopeOnly: p.ScopeOnly, Principals: p.Principals, Excluded: p.Excluded}, c.Caller.ID)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return &arm.Answer{Status: status, Body: showDenial(d)}, nil
}

func deleteDeny(c *arm.Call) (*arm.Answer, error) {
	id, err := denyID(c)
	if err != nil {
		return nil, err
	}
	_, err = rbac.DeleteDenyAssignment(c.Tx, c.ID.Scope(), id)
	if fault.Is(err, fault.NotFound) {
		return &arm.Answer{Status: http.StatusNoContent}, nil
	}
	return &arm.Answer{Status: http.StatusOK}, err
}

// listDenials serves atScope(), denyAssignmentName eq, principalId eq and
// gdprExportPrincipalId eq.
func listDenials(c *arm.Call) ([]any, error) {
	filter, atScope, name, principal := c.Param("$filter"), false, "", ""
	for _, part := range arm.Conjuncts(filter) {
		named, isName := arm.Equals(part, "denyAssignmentName")
		of, isPrincipal := arm.Equals(part, "principalId")
		export, isExport := arm.Equals(part, "gdprExportPrincipalId")
		switch {
		case part == "":
		case strings.EqualFold(part, "atScope()"):
			atScope = true
		case isName:
			name = named
		case isPrincipal, isExport:
			principal = of + export
		default:
			return nil, badFilter(filter)
		}
	}
	found, err := rbac.DenyAssignments(c.Tx, c.ID, atScope, c.ManagementGroups...)
	var all []any
	for _, d := range found {
		if (name == "" || strings.EqualFold(name, d.Name)) && (principal == "" || mentions(d, principal)) {
			all = append(all, showDenial(d))
		}
	}
	return all, err
}

func mentions(d rbac.DenyAssignment, principal string) bool {
	for _, list := range [][]rbac.DenyPrincipal{d.Principals, d.Excluded} {
		for _, p := range list {
			if p.ID == azure.ObjectID(azure.Fold(principal)) {
				return true
			}
		}
	}
	return false
}

// listPermissions tells the caller its own rights at a scope: the blocks of
// the roles that reach it.
func listPermissions(c *arm.Call) ([]any, error) {
	found, err := rbac.Assignments(c.Tx, rbac.AssignmentFilter{Scope: c.ID, AtScope: true, Principals: c.Caller.Principals, ManagementGroups: c.ManagementGroups})
	if err != nil {
		return nil, err
	}
	var all []any
	for _, a := range found {
		role, err := rbac.GetDefinition(c.Tx, a.RoleID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, p := range role.Permissions {
			if p.Condition == "" {
				p.Condition, p.ConditionVersion = a.Condition, a.ConditionVersion
			}
			p.Actions, p.NotActions, p.DataActions, p.NotDataActions = list(p.Actions), list(p.NotActions), list(p.DataActions), list(p.NotDataActions)
			all = append(all, p)
		}
	}
	return all, nil
}
