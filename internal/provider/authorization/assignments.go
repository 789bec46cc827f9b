package authorization

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/resource"
)

// assignmentBody is the body of a PUT. Older versions have no principalType.
type assignmentBody struct {
	Properties struct {
		RoleDefinitionID string `json:"roleDefinitionId"`
		PrincipalID      string `json:"principalId"`
		PrincipalType    string `json:"principalType"`
		Description      string `json:"description"`
		Condition        string `json:"condition"`
		ConditionVersion string `json:"conditionVersion"`
		DelegatedID      string `json:"delegatedManagedIdentityResourceId"`
	} `json:"properties"`
}

// assignment is the shape of an answer: nulls are printed (control-plane.md C3).
type assignment struct {
	Properties assignmentProperties `json:"properties"`
	ID         string               `json:"id"`
	Type       string               `json:"type"`
	Name       string               `json:"name"`
}

type assignmentProperties struct {
	RoleDefinitionID string         `json:"roleDefinitionId"`
	PrincipalID      azure.ObjectID `json:"principalId"`
	PrincipalType    string         `json:"principalType"`
	Scope            string         `json:"scope"`
	Condition        any            `json:"condition"`
	ConditionVersion any            `json:"conditionVersion"`
	CreatedOn        string         `json:"createdOn"`
	UpdatedOn        string         `json:"updatedOn"`
	CreatedBy        any            `json:"createdBy"`
	UpdatedBy        any            `json:"updatedBy"`
	DelegatedID      any            `json:"delegatedManagedIdentityResourceId"`
	Description      any            `json:"description"`
}

func showAssignment(a rbac.Assignment) assignment {
	return assignment{
		ID: a.ResourceID().String(), Type: rbac.TypeAssignment, Name: a.ID,
		Properties: assignmentProperties{
			RoleDefinitionID: rbac.DefinitionID(a.Scope, a.RoleID).String(), PrincipalID: a.PrincipalID, PrincipalType: a.PrincipalType, Scope: a.Scope.String(),
			Condition: null(a.Condition), ConditionVersion: null(a.ConditionVersion), CreatedOn: arm.Timestamp(a.CreatedAt), UpdatedOn: arm.Timestamp(a.UpdatedAt),
			CreatedBy: null(string(a.CreatedBy)), UpdatedBy: null(string(a.UpdatedBy)), DelegatedID: null(a.DelegatedID), Description: null(a.Description),
		},
	}
}

func getAssignment(c *arm.Call) (*arm.Answer, error) {
	id, err := guidName(c.ID, "InvalidRoleAssignmentId", "role assignment")
	if err != nil {
		return nil, err
	}
	a, err := rbac.GetAssignment(c.Tx, c.ID.Scope(), id)
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: showAssignment(a)}, nil
}

func deleteAssignment(c *arm.Call) (*arm.Answer, error) {
	id, err := guidName(c.ID, "InvalidRoleAssignmentId", "role assignment")
	if err != nil {
		return nil, err
	}
	a, err := rbac.DeleteAssignment(c.Tx, c.ID.Scope(), id)
	if fault.Is(err, fault.NotFound) {
		return &arm.Answer{Status: http.StatusNoContent}, nil
	}
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: showAssignment(a)}, nil
}

func putAssignment(c *arm.Call) (*arm.Answer, error) {
	id, err := guidName(c.ID, "InvalidRoleAssignmentId", "role assignment")
	if err != nil {
		return nil, err
	}
	var body assignmentBody
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	p := body.Properties
	if p.Condition != "" && p.ConditionVersion == "" {
		p.ConditionVersion = rbac.ConditionVersion
	}
	role, err := rbac.ParseDefinitionID(p.RoleDefinitionID)
	if err != nil {
		return nil, err
	}
	principal, ok := azure.ParseGUID(p.PrincipalID)
	if !ok {
		return nil, fault.New(fault.Invalid, "The principal ID '%.64s' is not valid. Principal ID must be a GUID.", p.PrincipalID).Named("InvalidPrincipalId").At("principalId")
	}
	typ, err := principalType(c, azure.ObjectID(principal), p.PrincipalType)
	if err != nil {
		return nil, err
	}
	if err := scopeExists(c); err != nil {
		return nil, err
	}
	a, created, err := rbac.PutAssignment(c.Tx, rbac.Assignment{
		ID: id, Scope: c.ID.Scope(), RoleID: role, PrincipalID: azure.ObjectID(principal), PrincipalType: typ, Description: p.Description,
		Condition: p.Condition, ConditionVersion: p.ConditionVersion, DelegatedID: p.DelegatedID,
	}, c.Caller.ID, c.ManagementGroups...)
	if err != nil {
		return nil, err
	}
	shown := showAssignment(a)
	if created {
		shown.Properties.CreatedBy = nil // only later reads fill it
		return &arm.Answer{Status: http.StatusCreated, Body: shown}, nil
	}
	return &arm.Answer{Status: http.StatusOK, Body: shown}, nil
}

// assignmentAttributes are what conditions may ask of a write or deletion: the
// assignment as it is and as it is to be. What cannot be read is not known.
func assignmentAttributes(c *arm.Call, write bool) (rbac.Attributes, error) {
	known := rbac.Attributes{}
	old, err := rbac.GetAssignment(c.Tx, c.ID.Scope(), c.ID.Name())
	if err == nil {
		known = old.Attributes(false)
	} else if !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	var body assignmentBody
	if !write || c.Decode(&body) != nil {
		return known, nil
	}
	role, err := rbac.ParseDefinitionID(body.Properties.RoleDefinitionID)
	principal, ok := azure.ParseGUID(body.Properties.PrincipalID)
	if err != nil || !ok {
		return known, nil
	}
	typ, err := principalType(c, azure.ObjectID(principal), body.Properties.PrincipalType)
	if f, isFault := errors.AsType[*fault.Error](err); err != nil && (!isFault || f.Kind != fault.Invalid) {
		return nil, err
	} else if isFault {
		return known, nil
	}
	next := rbac.Assignment{RoleID: role, PrincipalID: azure.ObjectID(principal), PrincipalType: typ}
	maps.Copy(known, next.Attributes(true))
	return known, nil
}

// principalType finds what kind of principal is meant. A service principal
// that the caller names as such need not be there yet; every other one must.
func principalType(c *arm.Call, id azure.ObjectID, given string) (string, error) {
	p, err := directory.PrincipalByID(c.Tx, id)
	if fault.Is(err, fault.NotFound) {
		if strings.EqualFold(given, rbac.PrincipalServicePrincipal) {
			return rbac.PrincipalServicePrincipal, nil
		}
		return "", fault.New(fault.Invalid, "Principal %s does not exist in the directory %s. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
			strings.ReplaceAll(string(id), "-", ""), c.Caller.Tenant).Named("PrincipalNotFound")
	}
	if err != nil {
		return "", err
	}
	if given != "" && !strings.EqualFold(given, string(p.Kind)) {
		return "", fault.New(fault.Invalid, "The PrincipalId '%s' has type '%s' , which is different from specified PrinciaplType '%.32s'.", id, p.Kind, given).Named("UnmatchedPrincipalType")
	}
	return string(p.Kind), nil
}

// scopeExists refuses an assignment on a resource that is not there. Objects
// inside a resource, such as one secret of a vault, are not looked up.
func scopeExists(c *arm.Call) error {
	scope := c.ID.Scope()
	if scope.ResourceGroup() == "" || strings.EqualFold(scope.Type(), azure.TypeResourceGroup) {
		return nil // a group was looked up by the engine
	}
	top := scope
	for !strings.EqualFold(top.Parent().Type(), azure.TypeResourceGroup) {
		top = top.Parent()
	}
	if ok, err := resource.Exists(c.Tx, top); ok || err != nil {
		return err
	}
	return resource.NotFound(top)
}

// listAssignments serves the filters of control-plane.md C3.
func listAssignments(c *arm.Call) ([]any, error) {
	f := rbac.AssignmentFilter{Scope: c.ID, ManagementGroups: c.ManagementGroups}
	filter := c.Param("$filter")
	for _, part := range arm.Conjuncts(filter) {
		assigned, isAssigned := call(part, "assignedTo")
		principal, isPrincipal := arm.Equals(part, "principalId")
		switch {
		case part == "":
		case strings.EqualFold(part, "atScope()"):
			f.AtScope = true
		case isAssigned:
			id := azure.ObjectID(azure.Fold(assigned))
			groups, err := directory.Groups(c.Tx, id)
			if err != nil {
				return nil, err
			}
			f.Principals = append([]azure.ObjectID{id}, groups...)
		case isPrincipal:
			f.Principals = []azure.ObjectID{azure.ObjectID(azure.Fold(principal))}
		default:
			return nil, badFilter(filter)
		}
	}
	found, err := rbac.Assignments(c.Tx, f)
	if err != nil {
		return nil, err
	}
	var all []any
	for _, a := range found {
		all = append(all, showAssignment(a))
	}
	return all, nil
}

// call reads "function('value')".
func call(s, function string) (string, bool) {
	rest, ok := arm.CutFold(s, function)
	if !ok || !strings.HasPrefix(rest, "('") || !strings.HasSuffix(rest, "')") || len(rest) < 4 {
		return "", false
	}
	return rest[2 : len(rest)-2], true
}
