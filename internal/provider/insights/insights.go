// Package insights is the resource provider Microsoft.Insights, as far as it is
// the activity log: what was done at Resource Manager, told to those who may
// read it. It may import the arm door and everything below it.
package insights

import (
	"strings"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/rbac"
)

var versions = []string{"2017-03-01-preview", "2016-09-01-preview", "2015-04-01", "2014-04-01"}

const readEvents = "Microsoft.Insights/eventtypes/values/read"

// Provider returns the provider.
func Provider() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.Insights", Types: []arm.Type{
		{Name: "eventtypes/values", Versions: versions, Subscription: true, Filtered: true, Table: &arm.Table{Page: events}},
		{Name: "eventcategories", Versions: versions, Extension: true, Filtered: true, Table: &arm.Table{List: categories}},
	}}
}

func categories(*arm.Call) ([]any, error) {
	var all []any
	for _, c := range []string{"Administrative", "Security", "ServiceHealth", "Alert", "Recommendation", "Policy", "Autoscale", "ResourceHealth"} {
		all = append(all, named(c))
	}
	return all, nil
}

// events answers with what was changed in a subscription, and with what was
// refused, newest first. An event is told to who may read events of what it is
// about; who has no role in the subscription at all has been refused before.
func events(c *arm.Call, after string, limit int) ([]any, string, error) {
	if !strings.EqualFold(c.ID.Name(), "management") {
		return nil, "", fault.New(fault.NotFound, "There are no events of the type '%.64s'.", c.ID.Name()).Named(arm.CodeNotFound)
	}
	f, err := parseFilter(c.Param("$filter"))
	if err != nil {
		return nil, "", err
	}
	fields, err := parseSelect(c.Param("$select"))
	if err != nil {
		return nil, "", err
	}
	grants, err := rbac.GrantsFor(c.Tx, c.Caller.Principals, readEvents, false, c.ManagementGroups...)
	if err != nil {
		return nil, "", err
	}
	names := callers{}
	var failed error
	keep := func(e *activity.Entry) bool {
		target, err := azure.ParseResourceID(e.Target)
		if err != nil || target.Subscription() != c.ID.Subscription() || strings.HasSuffix(strings.ToLower(e.Operation), "/read") || !grants.Covers(target) || failed != nil {
			return false
		}
		who, err := names.find(c, azure.ObjectID(e.Caller))
		if err != nil {
			failed = err
		}
		return f.matches(e, target, who)
	}
	found, next, err := activity.Find(c.Tx, activity.Query{Plane: "arm", From: f.from, To: f.to, CorrelationID: f.correlation, Keep: keep, After: after, Limit: limit})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, "", err
	}
	var all []any
	for i := range found {
		all = append(all, fields.of(show(c, &found[i], names)))
	}
	return all, next, nil
}

// callers remembers how those who did something are called: a person by the
// user principal name, everybody else by the object id.
type callers map[azure.ObjectID]string

func (m callers) find(c *arm.Call, id azure.ObjectID) (string, error) {
	if name, ok := m[id]; ok {
		return name, nil
	}
	name := string(id)
	if p, err := directory.PrincipalByID(c.Tx, id); err == nil && p.UPN != "" {
		name = p.UPN
	} else if err != nil && !fault.Is(err, fault.NotFound) {
		return "", err
	}
	m[id] = name
	return name, nil
}

// filter is a parsed $filter: conditions that must all hold.
type filter struct {
	from, to    time.Time
	correlation string
	equal       map[string]string // by the field, folded
}

// fields that a filter may compare; those of the time and the correlation apart.
var fields = map[string]bool{"resourcegroupname": true, "resourceuri": true, "resourceid": true, "resourceprovider": true, "caller": true, "status": true, "operationname": true, "eventchannels": true, "category": true, "levels": true, "level": true}

// parseFilter reads comparisons joined by "and". The time must begin somewhere.
func parseFilter(s string) (filter, error) {
	f := filter{to: time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC), equal: map[string]string{}}
	bad := fault.New(fault.Invalid, "The filter '%.512s' is not valid here: it takes eventTimestamp ge and le, and resourceGroupName, resourceUri, resourceProvider, correlationId, caller, status, operationName, category or level eq, joined by and.", s).Named(arm.CodeInvalidFilter)
	begun := false
	for _, part := range arm.Conjuncts(s) {
		words := strings.SplitN(strings.Trim(part, " +"), " ", 3)
		if len(words) != 3 {
			return f, bad
		}
		field, value := azure.Fold(words[0]), strings.Trim(words[2], " '")
		switch op := azure.Fold(words[1]); {
		case field == "eventtimestamp":
			at, err := parseTime(value)
			switch {
			case err != nil:
				return f, bad
			case op == "ge" || op == "gt":
				f.from, begun = at, true
			case op == "le" || op == "lt":
				f.to = at
			default:
				return f, bad
			}
		case op != "eq":
			return f, bad
		case field == "correlationid":
			f.correlation = azure.Fold(value)
		case fields[field]:
			f.equal[field] = value
		default:
			return f, bad
		}
	}
	if !begun {
		return f, bad
	}
	return f, nil
}

// parseTime reads a time with or without its zone, which is UTC then.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, strings.Replace(s, " ", "+", 1)); err == nil && t.Year() > 1970 && t.Year() < 9000 {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "'%.64s' is not a time.", s)
}

func (f filter) matches(e *activity.Entry, target azure.ResourceID, caller string) bool {
	namespace, _, _ := strings.Cut(e.Operation, "/")
	for field, want := range f.equal {
		have := ""
		switch field {
		case "resourcegroupname":
			have = target.ResourceGroup()
		case "resourceuri", "resourceid":
			have = target.String()
		case "resourceprovider":
			have = namespace
		case "caller":
			have = caller
			if strings.EqualFold(want, e.Caller) {
				have = want
			}
		case "status":
			have = status(e)
		case "operationname":
			have = e.Operation
		case "category":
			have = category
		case "level", "levels":
			have = level(e)
		case "eventchannels":
			continue // there is one
		}
		if !strings.EqualFold(have, want) {
			return false
		}
	}
	return true
}
