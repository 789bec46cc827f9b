package keyvault

import (
	"slices"
	"strings"

	"midas/internal/fault"
	"midas/internal/vault"
)

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
