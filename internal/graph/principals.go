package graph

import (
	"encoding/json"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

// ofKind is the type of an object by the kind of its principal.
func ofKind(k directory.Kind) *resource {
	switch k {
	case directory.User:
		return users
	case directory.Group:
		return groups
	}
	return servicePrincipals
}

// principal makes an entity of an object.
func (c *call) principal(o directory.Object) (entity, error) {
	members, err := given(o.Properties)
	if err != nil {
		return entity{}, err
	}
	members["id"], members["displayName"], members["createdDateTime"] = encode(o.ID), encode(o.DisplayName), moment(o.CreatedAt)
	e := entity{of: ofKind(o.Kind), key: o.ID, members: members}
	switch o.Kind {
	case directory.User:
		fillUser(members, o)
	case directory.Group:
		members["securityEnabled"], members["mailEnabled"] = json.RawMessage(`true`), json.RawMessage(`false`)
	default:
		members["appId"], members["accountEnabled"], members["servicePrincipalType"] = encode(o.AppID), encode(o.Enabled), encode(o.Type)
		e.more = func() (map[string]json.RawMessage, error) { return c.ofApplication(o) }
	}
	return e, nil
}

func fillUser(members map[string]json.RawMessage, o directory.Object) {
	members["userPrincipalName"], members["accountEnabled"] = encode(o.UPN), encode(o.Enabled)
	if members["userType"] == nil {
		members["userType"] = encode("Member")
	}
	if members["mailNickname"] == nil {
		nick, _, _ := strings.Cut(o.UPN, "@")
		members["mailNickname"] = encode(nick)
	}
	delete(members, "passwordProfile")
}

// isGuest reports whether a user is one from elsewhere, who may less.
func isGuest(o directory.Object) bool {
	var p struct {
		UserType string `json:"userType"`
	}
	json.Unmarshal(o.Properties, &p)
	return strings.EqualFold(p.UserType, "Guest")
}

// ofApplication is what a service principal has from its application, from the
// resource of a managed identity, or from the service of the cloud that it is.
func (c *call) ofApplication(o directory.Object) (map[string]json.RawMessage, error) {
	m := map[string]json.RawMessage{"appDisplayName": encode(o.DisplayName)}
	if o.Type == directory.TypeManagedIdentity {
		explicit := "False"
		if strings.EqualFold(o.Resource.Type(), "Microsoft.ManagedIdentity/userAssignedIdentities") {
			explicit = "True"
		}
		m["alternativeNames"] = encode([]string{"isExplicit=" + explicit, o.Resource.String()})
		m["servicePrincipalNames"], m["appDisplayName"] = encode([]azure.AppID{o.AppID}), json.RawMessage(`null`)
		return m, nil
	}
	m["appRoles"], m["oauth2PermissionScopes"] = c.serviceRoles(o.AppID)
	names := []string{string(o.AppID)}
	if s, ok := c.Cloud.Service(string(o.AppID)); ok {
		names = append(names, s.Audiences...)
	}
	app, err := directory.RegistrationByAppID(c.tx, c.Tenant, o.AppID)
	if fault.Is(err, fault.NotFound) {
		m["servicePrincipalNames"], m["signInAudience"] = encode(names), encode("AzureADMultipleOrgs")
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	names = append(names, app.IdentifierURIs...)
	m["servicePrincipalNames"], m["appOwnerOrganizationId"] = encode(names), encode(app.Tenant)
	if err := fromManifest(m, app); err != nil {
		return nil, err
	}
	m["passwordCredentials"], m["keyCredentials"], err = c.credentials(app.AppID, true)
	return m, err
}

// fromManifest is what a service principal shows of its application's own properties.
func fromManifest(m map[string]json.RawMessage, app directory.Registration) error {
	var p struct {
		AppRoles       json.RawMessage `json:"appRoles"`
		Description    json.RawMessage `json:"description"`
		Info           json.RawMessage `json:"info"`
		SignInAudience json.RawMessage `json:"signInAudience"`
		API            struct {
			Scopes json.RawMessage `json:"oauth2PermissionScopes"`
		} `json:"api"`
		Web struct {
			HomePageURL  json.RawMessage `json:"homePageUrl"`
			LogoutURL    json.RawMessage `json:"logoutUrl"`
			RedirectURIs []string        `json:"redirectUris"`
		} `json:"web"`
		SPA, PublicClient struct {
			RedirectURIs []string `json:"redirectUris"`
		}
	}
	if err := json.Unmarshal(app.Properties, &p); err != nil {
		return err
	}
	for name, v := range map[string]json.RawMessage{
		"appRoles": p.AppRoles, "appDescription": p.Description, "info": p.Info, "oauth2PermissionScopes": p.API.Scopes,
		"homepage": p.Web.HomePageURL, "logoutUrl": p.Web.LogoutURL, "signInAudience": p.SignInAudience,
	} {
		if v != nil {
			m[name] = v
		}
	}
	if m["signInAudience"] == nil {
		m["signInAudience"] = encode(defaultAudience)
	}
	m["replyUrls"] = encode(slices.Concat([]string{}, p.Web.RedirectURIs, p.SPA.RedirectURIs, p.PublicClient.RedirectURIs))
	return nil
}

// entities makes entities of objects.
func (c *call) entities(all []directory.Object, err error) ([]entity, error) {
	if err != nil {
		return nil, err
	}
	made := make([]entity, len(all))
	for i, o := range all {
		if made[i], err = c.principal(o); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// object finds what the path names with its n-th parameter, of one of the
// kinds, and holds the caller to the right of the endpoint on it.
func (c *call) object(n int, kinds ...directory.Kind) (directory.Object, error) {
	p := c.params[n]
	o, err := c.lookup(p, kinds)
	if err == nil && !slices.Contains(kinds, o.Kind) {
		err = fault.New(fault.NotFound, "another kind")
	}
	if err != nil {
		return o, c.found(c.endpoint.right, err, p.value)
	}
	return o, c.need(c.endpoint.right, o.ID)
}

func (c *call) lookup(p param, kinds []directory.Kind) (directory.Object, error) {
	user, sp := kinds[0] == directory.User, kinds[0] == directory.ServicePrincipal
	switch {
	case p.key == "" && user && strings.Contains(p.value, "@"):
		u, err := directory.PrincipalByUPN(c.tx, p.value)
		if err != nil {
			return directory.Object{}, err
		}
		return directory.ObjectByID(c.tx, c.Tenant, u.ID)
	case p.key == "":
		return directory.ObjectByID(c.tx, c.Tenant, azure.ObjectID(p.value))
	case sp && strings.EqualFold(p.key, "appId"):
		u, err := directory.PrincipalByAppID(c.tx, c.Tenant, azure.AppID(p.value))
		if err != nil {
			return directory.Object{}, err
		}
		return directory.ObjectByID(c.tx, c.Tenant, u.ID)
	}
	return directory.Object{}, badQuery("Resource not found for the segment '%.100s'.", p.key)
}

// listOf lists the objects of a kind.
func listOf(kind directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		r := ofKind(kind)
		at := narrow(c.query.filter, nil)
		q := directory.ObjectQuery{Tenant: c.Tenant, Kind: kind, ID: azure.ObjectID(at["id"]), AppID: azure.AppID(at["appid"]), UPN: at["userprincipalname"]}
		if name, ok := at["serviceprincipalnames"]; ok && kind == directory.ServicePrincipal {
			id, err := c.named(name)
			if err != nil {
				return reply{}, err
			}
			q.AppID = id
		}
		return c.list(collection{context: r.set, of: []*resource{r}, fetch: func(after azure.ObjectID, limit int) ([]entity, error) {
			q.After, q.Limit = after, limit
			return c.entities(directory.Objects(c.tx, q))
		}})
	}
}

// named is the app id of the service principal that has a name: an app id, or
// one of the names of a service or an application. One that is no name of
// anything finds nothing.
func (c *call) named(name string) (azure.AppID, error) {
	if s, ok := c.Cloud.Service(name); ok {
		return s.AppID, nil
	}
	if _, ok := azure.ParseGUID(name); ok {
		return azure.AppID(name), nil
	}
	app, err := directory.ApplicationByURI(c.tx, c.Tenant, name)
	if fault.Is(err, fault.NotFound) {
		return azure.AppID("none"), nil
	}
	return app.AppID, err
}

// related lists what an object is connected with.
func related(by directory.Relation, context string, of []*resource, kinds ...directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		o, err := c.object(0, kinds...)
		if err != nil {
			return reply{}, err
		}
		return c.relatedTo(o.ID, by, context, of)
	}
}

func (c *call) relatedTo(id azure.ObjectID, by directory.Relation, context string, of []*resource) (reply, error) {
	return c.list(collection{context: context, of: of, fetch: func(after azure.ObjectID, limit int) ([]entity, error) {
		return c.entities(directory.Related(c.tx, by, id, after, limit))
	}})
}

// directoryObject is the types that principals have.
var directoryObject = []*resource{users, groups, servicePrincipals}

// reference is the object that a body points to: "@odata.id" ends in its id.
func (c *call) reference() (azure.ObjectID, error) {
	url, _ := c.body["@odata.id"].(string)
	return referenced(url)
}

func referenced(url string) (azure.ObjectID, error) {
	parts := strings.Split(strings.TrimSuffix(url, "/"), "/")
	last := parts[len(parts)-1]
	if _, quoted, ok := strings.Cut(last, "('"); ok {
		last = strings.TrimSuffix(quoted, "')")
	}
	id, ok := azure.ParseGUID(last)
	if !ok {
		return "", fault.New(fault.Invalid, "Invalid URL format specified in payload.").At("@odata.id")
	}
	return azure.ObjectID(id), nil
}

// bound are the objects that a body points to under a name, "members@odata.bind".
func (c *call) bound(name string) (ids []azure.ObjectID, err error) {
	if c.body[name] == nil {
		return nil, nil
	}
	urls, err := c.texts(name, 20)
	for _, url := range urls {
		if err == nil {
			var id azure.ObjectID
			id, err = referenced(url)
			ids = append(ids, id)
		}
	}
	return ids, err
}

// alreadyThere gives a second reference to one object the wire's words.
func alreadyThere(err error, property string) error {
	if fault.Is(err, fault.Conflict) {
		return fault.Wrap(err, fault.Invalid, "One or more added object references already exist for the following modified properties: '%s'.", property).At(property)
	}
	return err
}

// expanded is what $expand asks for of an entity: at most 20 of each.
func (c *call) expanded(e *entity) (map[string]json.RawMessage, error) {
	var extra map[string]json.RawMessage
	for _, name := range c.query.expand {
		by, ok := map[string]directory.Relation{"owners": directory.OwnersOf, "members": directory.MembersOf, "memberof": directory.MemberOf, "transitivememberof": directory.TransitiveMemberOf}[strings.ToLower(name)]
		if !ok || by == directory.MembersOf && e.of != groups {
			return nil, badQuery("Parsing OData Select and Expand failed: Could not find a property named '%.100s' on type 'microsoft.graph.%s'.", name, e.of.name)
		}
		all, err := c.entities(directory.Related(c.tx, by, e.key, "", 20))
		if err != nil {
			return nil, err
		}
		values := []json.RawMessage{}
		for i := range all {
			v, err := all[i].render(nil, true, "", nil)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		if extra == nil {
			extra = map[string]json.RawMessage{}
		}
		extra[name] = encode(values)
	}
	return extra, nil
}
