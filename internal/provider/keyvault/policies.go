package keyvault

import (
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/vault"
)

// normalize checks access policies and folds their ids.
func normalize(c *arm.Call, policies []vault.AccessPolicy) error {
	if len(policies) > 1024 {
		return bad("accessPolicies", "A vault can have at most 1024 access policies.")
	}
	for i := range policies {
		a := &policies[i]
		id, ok := azure.ParseGUID(string(a.ObjectID))
		if !ok {
			return bad("accessPolicies", "An invalid value was provided for 'accessPolicies': the object ID '%.64s' is not a GUID.", a.ObjectID)
		}
		a.ObjectID = azure.ObjectID(id)
		if !strings.EqualFold(string(a.TenantID), string(c.Caller.Tenant)) {
			return bad("accessPolicies", "An invalid value was provided for 'accessPolicies': the tenant ID '%.64s' is not the vault's.", a.TenantID)
		}
		a.TenantID = c.Caller.Tenant
		if a.ApplicationID != "" {
			app, ok := azure.ParseGUID(string(a.ApplicationID))
			if !ok {
				return bad("accessPolicies", "An invalid value was provided for 'accessPolicies': the application ID '%.64s' is not a GUID.", a.ApplicationID)
			}
			a.ApplicationID = azure.AppID(app)
		}
		if word := a.Permissions.Unknown(); word != "" {
			return bad("accessPolicies", "An invalid value was provided for 'accessPolicies': there is no permission '%.32s'.", word)
		}
	}
	return nil
}

// putPolicies adds, replaces or removes entries (…/accessPolicies/{add|replace|remove}).
func putPolicies(c *arm.Call) (*arm.Answer, error) {
	var body struct {
		Properties struct {
			AccessPolicies []vault.AccessPolicy `json:"accessPolicies"`
		} `json:"properties"`
	}
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	given := body.Properties.AccessPolicies
	if err := normalize(c, given); err != nil {
		return nil, err
	}
	r, err := resource.Get(c.Tx, c.ID.Parent())
	if err != nil {
		return nil, err
	}
	p, err := arm.Properties[vault.Properties](r)
	if err != nil {
		return nil, err
	}
	if p.AccessPolicies, err = changePolicies(p.AccessPolicies, strings.ToLower(c.ID.Name()), given); err != nil {
		return nil, err
	}
	if err := normalize(c, p.AccessPolicies); err != nil {
		return nil, err
	}
	if err := arm.SetProperties(r, p); err != nil {
		return nil, err
	}
	r.UpdatedBy = c.Caller.ID
	c.Tx.Changed(store.Vaults)
	type shown struct {
		AccessPolicies []vault.AccessPolicy `json:"accessPolicies"`
	}
	type answer struct {
		ID         string `json:"id"`
		Type       string `json:"type"`
		Location   string `json:"location"`
		Properties shown  `json:"properties"`
	}
	return &arm.Answer{Status: http.StatusOK, Body: answer{r.ID.String() + "/accessPolicies/", vault.Type + "/accessPolicies", r.Location, shown{p.AccessPolicies}}}, resource.Put(c.Tx, r)
}

// changePolicies applies one of the three operations to a vault's entries. An
// entry belongs to an object id together with its application id.
func changePolicies(have []vault.AccessPolicy, operation string, given []vault.AccessPolicy) ([]vault.AccessPolicy, error) {
	if !slices.Contains([]string{"add", "replace", "remove"}, operation) {
		return nil, fault.New(fault.Invalid, "The operation '%.32s' is not one of 'add', 'replace' and 'remove'.", operation).Named("BadRequest")
	}
	have = append([]vault.AccessPolicy{}, have...)
	for _, g := range given {
		i := slices.IndexFunc(have, func(a vault.AccessPolicy) bool { return a.ObjectID == g.ObjectID && a.ApplicationID == g.ApplicationID })
		switch {
		case i < 0 && operation != "remove":
			have = append(have, g)
		case i < 0:
		case operation == "add":
			have[i].Permissions = eachList(have[i].Permissions, g.Permissions, union)
		case operation == "replace":
			have[i] = g
		default:
			have[i].Permissions = eachList(have[i].Permissions, g.Permissions, without)
			if p := have[i].Permissions; len(p.Keys)+len(p.Secrets)+len(p.Certificates)+len(p.Storage) == 0 {
				have = slices.Delete(have, i, i+1)
			}
		}
	}
	return have, nil
}

func eachList(a, b vault.Permissions, f func(a, b []string) []string) vault.Permissions {
	return vault.Permissions{Keys: f(a.Keys, b.Keys), Secrets: f(a.Secrets, b.Secrets), Certificates: f(a.Certificates, b.Certificates), Storage: f(a.Storage, b.Storage)}
}

func union(a, b []string) []string { return append(without(a, b), b...) }

// without leaves out words that compare equal without case.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(w string) bool {
		return slices.ContainsFunc(b, func(x string) bool { return strings.EqualFold(w, x) })
	})
}
