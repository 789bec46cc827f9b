package graph

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/sts"
)

// operation is a request of the table below. $NAME stands for ids of the fixture.
type operation struct {
	method, path, body string
	allowed            string // who may; everybody else is denied
}

// Those who may read, by what: every user but the guest, and apps by permission.
const (
	members = "admin member owner globalreader appadmin useradmin groupadmin roleadmin writer"
	readUP  = members + " app-dirread app-userread app-userwrite"
	readGP  = members + " app-dirread app-groupwrite"
	readAP  = members + " app-dirread app-appwrite app-owned"
	readRP  = members + " app-dirread app-role"
	readARP = members + " app-dirread app-appwrite app-approle"
)

var table = []operation{
	{"GET", "/users", "", readUP},
	{"GET", "/users/$MEMBER", "", readUP},
	{"GET", "/users/$GUEST", "", readUP},
	{"PATCH", "/users/$GUEST", `{"city":"Oslo"}`, "admin useradmin app-userwrite"},
	{"PATCH", "/users/$ADMIN", `{"city":"Oslo"}`, "admin"},
	{"POST", "/users", `{"accountEnabled":true,"displayName":"n","mailNickname":"n","userPrincipalName":"new@contoso.example","passwordProfile":{"password":"Analytical-1843"}}`, "admin useradmin app-userwrite"},
	{"DELETE", "/users/$GUEST", "", "admin useradmin app-userwrite"},
	{"GET", "/groups", "", readGP},
	{"GET", "/groups/$GROUP/members", "", readGP},
	{"POST", "/groups", `{"displayName":"g","mailEnabled":false,"mailNickname":"g","securityEnabled":true}`, members + " app-groupwrite"},
	{"PATCH", "/groups/$GROUP", `{"description":"d"}`, "admin owner useradmin groupadmin app-groupwrite"},
	{"POST", "/groups/$GROUP/members/$ref", `{"@odata.id":"` + host + `/directoryObjects/$GUEST"}`, "admin owner useradmin groupadmin writer app-groupwrite"},
	{"POST", "/groups/$GROUP/owners/$ref", `{"@odata.id":"` + host + `/directoryObjects/$MEMBER"}`, "admin owner useradmin groupadmin app-groupwrite"},
	{"DELETE", "/groups/$GROUP", "", "admin owner useradmin groupadmin app-groupwrite"},
	{"GET", "/applications", "", readAP},
	{"GET", "/applications/$APP", "", readAP},
	{"POST", "/applications", `{"displayName":"a"}`, members + " app-appwrite app-owned"},
	{"PATCH", "/applications/$APP", `{"notes":"n"}`, "admin owner appadmin app-appwrite app-owned"},
	{"PATCH", "/applications/$OTHER", `{"notes":"n"}`, "admin appadmin app-appwrite"},
	{"POST", "/applications/$APP/addPassword", `{}`, "admin owner appadmin app-appwrite app-owned"},
	{"POST", "/applications/$OTHER/addPassword", `{}`, "admin appadmin app-appwrite"},
	{"POST", "/applications/$APP/owners/$ref", `{"@odata.id":"` + host + `/directoryObjects/$MEMBER"}`, "admin owner appadmin app-appwrite app-owned"},
	{"GET", "/applications/$APP/federatedIdentityCredentials", "", readAP},
	{"POST", "/applications/$APP/federatedIdentityCredentials", `{"name":"abc","issuer":"https://a.example","subject":"s","audiences":["a"]}`, "admin owner appadmin app-appwrite app-owned"},
	{"DELETE", "/applications/$APP", "", "admin owner appadmin app-appwrite app-owned"},
	{"GET", "/servicePrincipals", "", readAP},
	{"POST", "/servicePrincipals", `{"appId":"$APPID"}`, "admin owner appadmin app-appwrite app-owned"},
	{"PATCH", "/servicePrincipals/$SP", `{"notes":"n"}`, "admin appadmin app-appwrite"},
	{"POST", "/servicePrincipals/$SP/addPassword", `{}`, "admin appadmin app-appwrite"},
	{"DELETE", "/servicePrincipals/$SP", "", "admin appadmin app-appwrite"},
	{"GET", "/servicePrincipals/$SP/appRoleAssignments", "", readARP},
	{"POST", "/servicePrincipals/$SP/appRoleAssignments", `{"principalId":"$SP","resourceId":"$GRAPH","appRoleId":"7ab1d382-f21e-4acd-a863-ba3e13f7da61"}`, "admin roleadmin app-approle"},
	{"POST", "/servicePrincipals/$SP/appRoleAssignments", `{"principalId":"$SP","resourceId":"$SP","appRoleId":"00000000-0000-0000-0000-000000000000"}`, "admin roleadmin appadmin app-approle"},
	{"GET", "/oauth2PermissionGrants", "", members + " app-dirread"},
	{"POST", "/oauth2PermissionGrants", `{"clientId":"$SP","consentType":"AllPrincipals","resourceId":"$GRAPH","scope":"User.Read"}`, "admin roleadmin appadmin"},
	{"GET", "/directoryRoles", "", readRP},
	{"GET", "/roleManagement/directory/roleAssignments", "", readRP},
	{"POST", "/roleManagement/directory/roleAssignments", `{"principalId":"$SP","roleDefinitionId":"62e90394-69f5-4237-9190-012177145e10","directoryScopeId":"/"}`, "admin roleadmin app-role"},
	{"POST", "/directoryRoles/62e90394-69f5-4237-9190-012177145e10/members/$ref", `{"@odata.id":"` + host + `/directoryObjects/$GUEST"}`, "admin roleadmin app-role"},
	{"GET", "/organization", "", members + " guest app-dirread"},
	{"GET", "/domains", "", members + " guest app-dirread"},
	{"GET", "/directoryObjects/$MEMBER", "", readUP},
	{"POST", "/directoryObjects/getByIds", `{"ids":["$MEMBER"]}`, readUP + " app-appwrite app-owned app-groupwrite"},
	{"GET", "/directory/deletedItems/microsoft.graph.user", "", readUP},
	{"DELETE", "/directory/deletedItems/$DELETED", "", "admin useradmin app-userwrite"},
	{"POST", "/directory/deletedItems/$DELETED/restore", `{}`, "admin useradmin app-userwrite"},
	{"GET", "/me", "", members + " guest"},
	{"GET", "/me/ownedObjects", "", members + " guest"},
}

// TestRights is role × operation: who is not named may not.
func TestRights(t *testing.T) {
	w := newWorld(t)
	for _, op := range table {
		var ids *strings.Replacer
		allowed := strings.Fields(op.allowed)
		for _, name := range slices.Sorted(maps.Keys(w.callers)) {
			if name == "stranger" {
				continue
			}
			if ids == nil {
				ids = w.fixture()
			}
			r := w.send(name, op.method, ids.Replace(op.path), ids.Replace(op.body))
			may := slices.Contains(allowed, name)
			denied := r.Code == 403 && w.last.Code == codeDenied || strings.HasPrefix(op.path, "/me") && r.Code == 400
			if may && r.Code/100 != 2 || !may && !denied {
				t.Errorf("%s %s as %s: %d %.200s", op.method, op.path, name, r.Code, r.Body)
			}
			if may && op.method != "GET" {
				ids = nil // it has changed
			}
		}
	}
	guest := string(w.callers["guest"].ID)
	w.must(200, "guest", "GET", "/users/"+guest, "")
	w.must(200, "guest", "POST", "/users/"+guest+"/getMemberGroups", `{}`)
	w.refused(403, codeDenied, "guest", "PATCH", "/users/"+guest, `{"userType":"Member"}`)
}

// fixture makes what the operations work on, new for each of them: a group and
// an application that "owner" and "app-owned" own, another application with a
// service principal, a user and a deleted one.
func (w *world) fixture() *strings.Replacer {
	var guest, gone, g, sp directory.Principal
	var app, other directory.Application
	var itself directory.Principal
	w.update(func(tx *store.Tx) (err error) {
		home, err := directory.TenantByIDOrDomain(tx, string(tenant))
		if err != nil {
			return err
		}
		steps := []func() error{
			func() error {
				gone, err = directory.CreateUser(tx, home, azure.NewGUID()+"@contoso.example", "gone")
				return err
			},
			func() error { return directory.SoftDelete(tx, gone) },
			func() error {
				guest, err = directory.CreateUser(tx, home, azure.NewGUID()+"@contoso.example", "guest")
				return err
			},
			func() error { g, err = directory.CreateGroup(tx, tenant, "g"); return err },
			func() error { return directory.AddOwner(tx, g.ID, w.callers["owner"].ID) },
			func() error {
				app, err = directory.CreateApplication(tx, directory.Application{Tenant: tenant, DisplayName: "a"})
				return err
			},
			func() error { return directory.AddOwner(tx, app.ObjectID, w.callers["owner"].ID) },
			func() error { return directory.AddOwner(tx, app.ObjectID, w.callers["app-owned"].ID) },
			func() error { return directory.AddOwner(tx, app.ObjectID, w.callers["app"].ID) }, // and may nothing by that
			func() error {
				other, err = directory.CreateApplication(tx, directory.Application{Tenant: tenant, DisplayName: "o"})
				return err
			},
			func() error { sp, err = directory.CreateServicePrincipal(tx, other); return err },
			func() error {
				itself, err = directory.PrincipalByAppID(tx, tenant, w.door.Cloud.ServiceNamed(cloud.Graph).AppID)
				return err
			},
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	return strings.NewReplacer("$MEMBER", string(w.callers["member"].ID), "$ADMIN", string(w.callers["admin"].ID), "$GUEST", string(guest.ID), "$GROUP", string(g.ID),
		"$APPID", string(app.AppID), "$APP", string(app.ObjectID), "$OTHER", string(other.ObjectID), "$SP", string(sp.ID), "$GRAPH", string(itself.ID), "$DELETED", string(gone.ID),
		"new@", azure.NewGUID()+"@")
}

// TestEveryEndpointNeedsARight asks for everything as an app that may nothing.
func TestEveryEndpointNeedsARight(t *testing.T) {
	w := newWorld(t)
	ids := w.fixture()
	for _, r := range routes {
		for method, e := range r.methods {
			if e.batch {
				continue
			}
			path := "/" + strings.Join(r.path, "/")
			for strings.Contains(path, anyID) {
				path = strings.Replace(path, anyID, "$MEMBER", 1)
			}
			for _, set := range []struct{ name, id string }{{"/applications/", "$OTHER"}, {"/servicePrincipals/", "$SP"}, {"/groups/", "$GROUP"}, {"/directoryRoles/", "62e90394-69f5-4237-9190-012177145e10"}, {"/directoryRoleTemplates/", "62e90394-69f5-4237-9190-012177145e10"}, {"/deletedItems/", "$DELETED"}} {
				path = strings.Replace(path, set.name+"$MEMBER", set.name+set.id, 1)
			}
			got := w.send("app", method, ids.Replace(path), `{"ids":[]}`)
			if got.Code != 403 && !(strings.HasPrefix(path, "/me") && got.Code == 400) {
				t.Errorf("%s %s: %d %.200s", method, path, got.Code, got.Body)
			}
		}
	}
}

// TestScopes holds that a user's token that does not speak for the user whole
// does no more than its scopes say.
func TestScopes(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		scopes []string
		right  right
		object string
		want   bool
	}{
		{[]string{"user_impersonation"}, writeUsers, "", true},
		{[]string{"Directory.AccessAsUser.All"}, writeUsers, "", true},
		{[]string{"User.Read"}, writeUsers, "", false},
		{[]string{"User.Read"}, readUsers, "", false},
		{[]string{"User.Read"}, readUsers, "self", true},
		{[]string{"User.Read"}, anybody, "", true},
		{[]string{"User.Read.All"}, readUsers, "", true},
		{[]string{"User.Read.All"}, readGroups, "", false},
		{nil, anybody, "", false},
	} {
		w.view(func(tx *store.Tx) error {
			call := &call{handler: &handler{Door: w.door}, tx: tx, caller: actor{Caller: sts.Caller{ID: w.callers["admin"].ID, Claims: sts.Claims{Scope: strings.Join(c.scopes, " ")}}}}
			if err := call.load(); err != nil {
				return err
			}
			object := azure.ObjectID("")
			if c.object == "self" {
				object = w.callers["admin"].ID
			}
			if got, err := call.may(c.right, object); err != nil || got != c.want {
				t.Errorf("%v: %v, %v", c.scopes, got, err)
			}
			return nil
		})
	}
}

// TestChangesCountAtOnce takes rights away between two requests.
func TestChangesCountAtOnce(t *testing.T) {
	w := newWorld(t)
	w.must(200, "app-dirread", "GET", "/users", "")
	w.update(func(tx *store.Tx) error {
		all, err := directory.AppRolesOf(tx, w.callers["app-dirread"].ID)
		if err != nil {
			return err
		}
		return directory.UnassignAppRole(tx, all[0].ID)
	})
	w.refused(403, codeDenied, "app-dirread", "GET", "/users", "")
	w.must(204, "admin", "PATCH", "/users/"+string(w.callers["member"].ID), `{"accountEnabled":false}`)
	w.refused(401, codeInvalidToken, "member", "GET", "/me", "")
	w.must(204, "admin", "PATCH", "/users/"+string(w.callers["member"].ID), `{"accountEnabled":true}`)
	w.must(200, "member", "GET", "/me", "")
}

// TestTokens are refused, each for its own reason.
func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.token("admin") // there is a key now
	at := func(d time.Duration) *sts.Service {
		c := w.door.Sts.Config
		c.Now = func() time.Time { return w.clock.Now().Add(d) }
		return sts.New(c)
	}
	root, err := seal.RootFromEnv(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	graph := "https://graph.microsoft.com"
	parts, other := strings.Split(w.token("admin"), "."), strings.Split(w.token("member"), ".")
	for name, raw := range map[string]string{
		"garbage": "x", "expired": w.issue(at(-48*time.Hour), "admin", graph), "early": w.issue(at(time.Hour), "admin", graph),
		"audience": w.issue(w.door.Sts, "admin", "https://management.azure.com/"), "old-graph": w.issue(w.door.Sts, "admin", "https://graph.windows.net"),
		"stranger": w.issue(w.door.Sts, "stranger", graph), "signature": parts[0] + "." + parts[1] + "." + other[2],
		"installation": w.issue(startSts(t, storetest.NewAt(t, w.clock.Now), root, w.door.Cloud, w.clock.Now), "admin", graph),
	} {
		w.tokens.Store(name, raw)
		a := w.refused(401, codeInvalidToken, name, "GET", "/me", "")
		if a.Error.Message == "" || a.Error.Message == "Access token is empty." {
			t.Errorf("%s: %q", name, a.Error.Message)
		}
	}
	w.must(200, "admin", "GET", "/me", "", "Authorization", "bearer "+w.token("admin"))
	for _, audience := range []string{graph + "/", "00000003-0000-0000-c000-000000000000"} {
		w.tokens.Store("fine", w.issue(w.door.Sts, "admin", audience))
		w.must(200, "fine", "GET", "/me", "")
	}
}
