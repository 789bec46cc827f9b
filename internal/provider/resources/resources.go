// Package resources is the resource provider Microsoft.Resources, as far as it
// is one: the tags of any scope, as a resource of their own. Groups,
// subscriptions and lists of resources are the engine's own paths. It may
// import the arm door and everything below it.
package resources

import (
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
)

var versions = []string{"2025-04-01", "2024-11-01", "2024-07-01", "2023-07-01", "2022-09-01", "2021-04-01", "2021-01-01", "2020-10-01", "2020-06-01", "2019-10-01"}

// Provider returns the provider.
func Provider() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.Resources", Types: []arm.Type{
		{Name: "tags", Versions: versions, Extension: true, Table: &arm.Table{Get: get, Put: put, Patch: patch, Delete: remove}},
	}}
}

// shape is the resource of tags, in both directions.
type shape struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Properties properties `json:"properties"`
}

type properties struct {
	Tags map[string]string `json:"tags"`
}

func show(c *arm.Call, tags map[string]string) *arm.Answer {
	if tags == nil {
		tags = map[string]string{}
	}
	id := c.ID.Scope().Join("providers", "Microsoft.Resources", "tags", "default")
	return &arm.Answer{Status: http.StatusOK, Body: shape{id.String(), "default", "Microsoft.Resources/tags", properties{tags}}}
}

// tagged is what has the tags of a call: a subscription, or a resource or group.
func tagged(c *arm.Call) (tags map[string]string, r *resource.Resource, err error) {
	if !strings.EqualFold(c.ID.Name(), "default") {
		return nil, nil, fault.New(fault.NotFound, "The tags of a scope are named 'default', not '%.64s'.", c.ID.Name()).Named(arm.CodeNotFound)
	}
	switch scope := c.ID.Scope(); scope.Type() {
	case azure.TypeTenant:
		return nil, nil, fault.New(fault.Invalid, "The scope '%s' cannot have tags.", scope)
	case azure.TypeSubscription:
		tags, err = resource.SubscriptionTags(c.Tx, scope.Subscription())
		return tags, nil, err
	default:
		if r, err = resource.Get(c.Tx, scope); err != nil {
			return nil, nil, err
		}
		if scope.Type() != azure.TypeResourceGroup && r.Location == "" {
			return nil, nil, fault.New(fault.Invalid, "The resource type '%s' does not have tags.", r.ID.Type())
		}
		return r.Tags, r, nil
	}
}

func set(c *arm.Call, r *resource.Resource, tags map[string]string) (*arm.Answer, error) {
	if r == nil {
		return show(c, tags), resource.SetSubscriptionTags(c.Tx, c.ID.Subscription(), tags)
	}
	r.Tags, r.UpdatedBy = tags, c.Caller.ID
	return show(c, tags), resource.Put(c.Tx, r)
}

func get(c *arm.Call) (*arm.Answer, error) {
	tags, _, err := tagged(c)
	if err != nil {
		return nil, err
	}
	return show(c, tags), nil
}

func put(c *arm.Call) (*arm.Answer, error) { return change(c, "Replace") }

// patch does the operation of its body.
func patch(c *arm.Call) (*arm.Answer, error) { return change(c, "") }

func change(c *arm.Call, operation string) (*arm.Answer, error) {
	var body struct {
		Operation  string     `json:"operation"`
		Properties properties `json:"properties"`
	}
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	if operation == "" {
		operation = body.Operation
	}
	old, r, err := tagged(c)
	if err != nil {
		return nil, err
	}
	tags, err := arm.MergeTags(old, body.Properties.Tags, operation)
	if err != nil {
		return nil, err
	}
	return set(c, r, tags)
}

func remove(c *arm.Call) (*arm.Answer, error) {
	_, r, err := tagged(c)
	if err != nil {
		return nil, err
	}
	if _, err := set(c, r, map[string]string{}); err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK}, nil
}
