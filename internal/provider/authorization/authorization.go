// Package authorization is the resource provider Microsoft.Authorization:
// role definitions, role and deny assignments and locks as Resource Manager
// shows them (control-plane.md C). The rules are in rbac and lock; here are the
// wire's shapes and filters. It may import the arm door and everything below it.
package authorization

import (
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
)

// Provider returns the provider.
func Provider() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.Authorization", Types: []arm.Type{
		{
			Name:       "roleAssignments",
			Versions:   []string{"2022-04-01", "2020-10-01-preview", "2020-08-01-preview", "2020-04-01-preview", "2020-03-01-preview", "2018-09-01-preview", "2018-01-01-preview", "2017-10-01-preview", "2016-07-01", "2015-07-01", "2015-06-01", "2014-10-01-preview", "2014-07-01-preview", "2014-04-01-preview"},
			Extension:  true,
			Attributes: assignmentAttributes,
			Table:      &arm.Table{Get: getAssignment, List: listAssignments, Put: putAssignment, Delete: deleteAssignment},
		},
		{
			Name:      "roleDefinitions",
			Versions:  []string{"2022-05-01-preview", "2022-04-01", "2018-07-01", "2018-01-01-preview", "2017-05-01", "2016-07-01", "2015-07-01", "2015-06-01"},
			Extension: true,
			Table:     &arm.Table{Get: getDefinition, List: listDefinitions, Put: putDefinition, Delete: deleteDefinition},
		},
		{
			Name:      "denyAssignments",
			Versions:  []string{"2024-07-01-preview", "2022-04-01", "2018-07-01-preview"},
			Extension: true,
			Table:     &arm.Table{Get: getDeny, List: listDenials, Put: putDeny, Delete: deleteDeny},
		},
		{
			Name:      "permissions",
			Versions:  []string{"2022-05-01-preview", "2022-04-01", "2018-07-01", "2018-01-01-preview", "2015-07-01", "2015-06-01"},
			Extension: true,
			Table:     &arm.Table{List: listPermissions},
		},
		{
			Name:      "locks",
			Versions:  []string{"2020-05-01", "2017-04-01", "2016-09-01", "2015-06-01", "2015-05-01-preview", "2015-01-01"},
			Extension: true, Lock: true,
			Table: &arm.Table{Get: getLock, List: listLocks, Put: putLock, Delete: deleteLock},
		},
	}}
}

// guidName reads the last segment of an id, which both types take a GUID for.
func guidName(id azure.ResourceID, code, what string) (string, error) {
	guid, ok := azure.ParseGUID(id.Name())
	if !ok {
		return "", fault.New(fault.Invalid, "The %s ID '%.64s' is not valid. The %s ID must be a GUID.", what, id.Name(), what).Named(code)
	}
	return guid, nil
}

// null prints an empty text as the wire does.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func badFilter(filter string) error {
	return fault.New(fault.Invalid, "The filter '%.256s' is not supported here.", filter).Named("UnsupportedFilter").At("$filter")
}
