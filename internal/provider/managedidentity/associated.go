package managedidentity

import (
	"net/http"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/resource"
)

// association is a resource that an identity is attached to (control-plane.md D1).
type association struct {
	ID               string               `json:"id"`
	Name             string               `json:"name"`
	Type             string               `json:"type"`
	ResourceGroup    string               `json:"resourceGroup"`
	SubscriptionID   azure.SubscriptionID `json:"subscriptionId"`
	SubscriptionName string               `json:"subscriptionDisplayName"`
}

// associated lists the resources of every subscription of the tenant that a
// user-assigned identity is attached to.
func associated(c *arm.Call) (*arm.Answer, error) {
	if _, err := resource.Get(c.Tx, c.ID); err != nil {
		return nil, err
	}
	subscriptions, err := directory.Subscriptions(c.Tx, c.Caller.Tenant)
	if err != nil {
		return nil, err
	}
	found := []association{}
	for _, s := range subscriptions {
		for q := (resource.Query{Within: azure.SubscriptionScope(s.ID), Limit: 1000}); ; {
			page, next, err := resource.List(c.Tx, q)
			if err != nil {
				return nil, err
			}
			for _, r := range page {
				if attached(r, c.ID) {
					found = append(found, association{r.ID.String(), r.ID.Name(), r.ID.Type(), r.ID.ResourceGroup(), s.ID, s.DisplayName})
				}
			}
			if q.After = next; next == "" {
				break
			}
		}
	}
	type answer struct {
		Total int           `json:"totalCount"`
		Value []association `json:"value"`
	}
	return &arm.Answer{Status: http.StatusOK, Body: answer{len(found), found}}, nil
}

func attached(r *resource.Resource, identity azure.ResourceID) bool {
	if r.Identity == nil {
		return false
	}
	for id := range r.Identity.UserAssigned {
		if azure.Fold(id) == identity.Key() {
			return true
		}
	}
	return false
}
