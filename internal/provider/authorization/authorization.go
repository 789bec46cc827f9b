// Package authorization is the resource provider Microsoft.Authorization:
// role definitions and role assignments as Resource Manager shows them
// (control-plane.md C). The rules are in rbac; here are the wire's shapes and
// filters. It may import the arm door and everything below it.
package authorization

import (
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
)

// Provider returns the provider.
func Provider() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.Authorization", Types: []arm.Type{
		{
			Name:      "roleAssignments",
			Versions:  []string{"2022-04-01", "2020-10-01-preview", "2020-08-01-preview", "2020-04-01-preview", "2020-03-01-preview", "2018-09-01-preview", "2018-01-01-preview", "2017-10-01-preview", "2016-07-01", "2015-07-01", "2015-06-01", "2014-10-01-preview", "2014-07-01-preview", "2014-04-01-preview"},
			Extension: true,
			Table:     &arm.Table{Get: getAssignment, List: listAssignments, Put: putAssignment, Delete: deleteAssignment},
		},
		{
			Name:      "roleDefinitions",
			Versions:  []string{"2022-05-01-preview", "2022-04-01", "2018-07-01", "2018-01-01-preview", "2017-05-01", "2016-07-01", "2015-07-01", "2015-06-01"},
			Extension: true,
			Table:     &arm.Table{Get: getDefinition, List: listDefinitions, Put: putDefinition, Delete: deleteDefinition},
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

// conjuncts splits a filter at each "and" that is not inside of a quoted text.
func conjuncts(filter string) []string {
	var parts []string
	from, quoted := 0, false
	for i := range len(filter) {
		switch {
		case filter[i] == '\'':
			quoted = !quoted
		case !quoted && i >= from && len(filter)-i >= 5 && strings.EqualFold(filter[i:i+5], " and "):
			parts = append(parts, strings.Trim(filter[from:i], " +"))
			from = i + 5
		}
	}
	return append(parts, strings.Trim(filter[from:], " +"))
}

// equals reads a filter of the form "field eq 'value'" and returns the value.
func equals(filter, field string) (string, bool) {
	rest, ok := cutFold(strings.TrimSpace(filter), field)
	if !ok {
		return "", false
	}
	rest, ok = cutFold(strings.TrimLeft(rest, " +"), "eq")
	if !ok {
		return "", false
	}
	rest = strings.Trim(rest, " +")
	if len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' {
		return "", false
	}
	return strings.ReplaceAll(rest[1:len(rest)-1], "''", "'"), true
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func badFilter(filter string) error {
	return fault.New(fault.Invalid, "The filter '%.256s' is not supported here.", filter).Named("UnsupportedFilter").At("$filter")
}
