package entra

import (
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/entra/pages"
	"midas/internal/store"
	"midas/internal/sts"
)

// delegation is what somebody lets an application do, as it asks for it: at
// one resource, and at the sign-in itself.
type delegation struct {
	given    string   // the whole scope
	resource string   // as asked: its own trailing slash stays
	asked    []string // the scopes at the resource, whole
	names    []string // the same without the resource; ".default" is everything that was agreed on

	openid, profile, email, offline bool
}

// allDefault is the name of a scope for everything that was agreed on.
const allDefault = ".default"

// maxScope bounds a scope, in characters.
const maxScope = 4096

// parseDelegation reads a scope. A name without a resource is Graph's, which
// is also who knows about users where nothing else is asked for.
func parseDelegation(given string, profile cloud.Profile) (delegation, error) {
	d := delegation{given: given}
	if len(given) > maxScope {
		return d, delegatedScope.with(given)
	}
	graph := "https://" + profile.GraphHost
	for _, s := range strings.Fields(given) {
		switch s {
		case "openid":
			d.openid = true
			continue
		case "profile":
			d.profile = true
			continue
		case "email":
			d.email = true
			continue
		case "offline_access":
			d.offline = true
			continue
		}
		resource, name := graph, s
		if i := strings.LastIndexByte(s, '/'); i >= 0 {
			resource, name = s[:i], s[i+1:]
		}
		if resource == "" || name == "" {
			return d, delegatedScope.with(given)
		}
		if d.resource != "" && d.resource != resource {
			return d, manyResources.with(given)
		}
		d.resource = resource
		d.asked, d.names = append(d.asked, s), append(d.names, name)
	}
	if d.resource == "" {
		if !d.openid && !d.profile && !d.email && !d.offline {
			return d, delegatedScope.with(given)
		}
		d.resource = graph
	}
	return d, nil
}

// delegation is what a request of either version asks for. Version 1.0 has one
// resource, and gives an id token and a refresh token always. Where nothing is
// asked for, otherwise holds.
func (t *tokenRequest) delegation(profile cloud.Profile, otherwise string) (delegation, error) {
	given := t.form.Get("scope")
	if t.version == 1 {
		given = ""
		if resource := t.form.Get("resource"); resource != "" {
			given = scopeOfResource(resource)
		}
	}
	if given == "" {
		given = otherwise
	}
	if given == "" {
		name := "scope"
		if t.version == 1 {
			name = "resource"
		}
		return delegation{}, missingParameter.with(name)
	}
	return parseDelegation(given, profile)
}

// scopeOfResource is the scope that a resource of version 1.0 means.
func scopeOfResource(resource string) string {
	return resource + defaultScope + " openid profile email offline_access"
}

// oidc are the scopes of the sign-in itself.
func (d delegation) oidc() []string {
	var all []string
	for _, s := range []struct {
		name  string
		asked bool
	}{{"email", d.email}, {"openid", d.openid}, {"profile", d.profile}, {"offline_access", d.offline}} {
		if s.asked {
			all = append(all, s.name)
		}
	}
	return all
}

// impersonation is the one permission of a resource that has no others: to do
// what the user may do.
const impersonation = "user_impersonation"

// graphPermissions are the delegated permissions of Microsoft Graph that can be asked for.
var graphPermissions = map[string]string{
	"User.Read":                  "Sign you in and read your profile",
	"User.ReadBasic.All":         "Read all users’ basic profiles",
	"User.Read.All":              "Read all users’ full profiles",
	"User.ReadWrite.All":         "Read and write all users’ full profiles",
	"Group.Read.All":             "Read all groups",
	"Group.ReadWrite.All":        "Read and write all groups",
	"GroupMember.Read.All":       "Read group memberships",
	"Application.Read.All":       "Read applications",
	"Application.ReadWrite.All":  "Read and write applications",
	"Directory.Read.All":         "Read directory data",
	"Directory.ReadWrite.All":    "Read and write directory data",
	"Directory.AccessAsUser.All": "Access the directory as you",
	"AuditLog.Read.All":          "Read audit log data",
}

// cliGraphPermissions are what our own applications may do at Graph.
var cliGraphPermissions = []string{"AuditLog.Read.All", "Directory.AccessAsUser.All", "Group.ReadWrite.All", "User.ReadWrite.All"}

// oidcPermissions say what the scopes of the sign-in are for.
var oidcPermissions = map[string]string{
	"openid": "Sign you in", "profile": "View your basic profile", "email": "View your email address",
	"offline_access": "Maintain access to data you have given it access to",
}

// granted is a delegation at a resource that is there.
type granted struct {
	delegation
	audience    string
	version     int         // of the access token
	resourceID  azure.AppID // of the resource
	name        string      // of the resource
	graph       bool
	permissions []string // at the resource, in ascending order
}

// resolve finds the resource of a delegation and what is asked for there.
func (d *Door) resolve(tx *store.Tx, tenant directory.Tenant, a application, asked delegation) (g granted, err error) {
	g.delegation = asked
	if g.audience, g.version, err = d.audience(tx, tenant, asked.resource); err != nil {
		return g, err
	}
	if g.resourceID, g.name, err = sts.Resource(tx, d.Cloud, tenant.ID, asked.resource); err != nil {
		return g, err
	}
	g.graph = g.resourceID == d.Cloud.ServiceNamed(cloud.Graph).AppID
	for _, name := range asked.names {
		_, known := graphPermissions[name]
		switch {
		case name == allDefault && g.graph && a.firstParty:
			g.permissions = append(g.permissions, cliGraphPermissions...)
		case name == allDefault && g.graph:
			g.permissions = append(g.permissions, "User.Read")
		case name == allDefault:
			g.permissions = append(g.permissions, impersonation)
		case g.graph && known, !g.graph && name == impersonation:
			g.permissions = append(g.permissions, name)
		default:
			return g, unknownPermission.with(a.name, name, asked.resource)
		}
	}
	slices.Sort(g.permissions)
	g.permissions = slices.Compact(g.permissions)
	return g, nil
}

// scp is the claim of that name. Only Graph's tells of the sign-in's scopes.
func (g granted) scp() string {
	all := slices.Clone(g.permissions)
	if g.graph {
		all = append(all, slices.DeleteFunc(g.oidc(), func(s string) bool { return s == "offline_access" })...)
	}
	return strings.Join(all, " ")
}

// echo is what the answer says was granted: each permission with its resource,
// and what was asked for to the letter, because clients look for that.
func (g granted) echo() string {
	var all []string
	if g.graph {
		all = append(all, slices.DeleteFunc(g.oidc(), func(s string) bool { return s == "offline_access" })...)
	}
	for _, p := range g.permissions {
		if !slices.Contains(g.names, p) {
			all = append(all, g.resource+"/"+p)
		}
	}
	return strings.Join(append(all, g.asked...), " ")
}

// consents are what must be agreed on: at the resource, and at the sign-in.
// The latter is kept as Graph's, which is who knows about users.
func (d *Door) consents(g granted) map[azure.AppID][]string {
	signIn := d.Cloud.ServiceNamed(cloud.Graph).AppID
	all := map[azure.AppID][]string{signIn: g.oidc()}
	all[g.resourceID] = append(all[g.resourceID], g.permissions...)
	return all
}

// consented reports whether a user has agreed to all of it. Our own
// applications need not ask.
func (d *Door) consented(tx *store.Tx, user azure.ObjectID, a application, g granted) (bool, error) {
	if a.firstParty {
		return true, nil
	}
	for resource, wanted := range d.consents(g) {
		have, err := directory.Consented(tx, user, a.id, resource)
		if err != nil {
			return false, err
		}
		for _, s := range wanted {
			if !slices.Contains(have, s) {
				return false, nil
			}
		}
	}
	return true, nil
}

// consent keeps what a user agrees to.
func (d *Door) consent(tx *store.Tx, user azure.ObjectID, a application, g granted) error {
	if a.firstParty {
		return nil
	}
	for resource, scopes := range d.consents(g) {
		if err := directory.Consent(tx, user, a.id, resource, scopes); err != nil {
			return err
		}
	}
	return nil
}

// describe says in words what is asked for.
func (g granted) describe() []pages.Permission {
	var all []pages.Permission
	for _, name := range g.permissions {
		text, ok := graphPermissions[name]
		if !g.graph || !ok {
			text = "Access " + g.name + " as you"
		}
		all = append(all, pages.Permission{Name: g.name + ": " + name, Text: text})
	}
	for _, name := range g.oidc() {
		all = append(all, pages.Permission{Name: name, Text: oidcPermissions[name]})
	}
	return all
}
