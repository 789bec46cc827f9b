package graph

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
)

// makeGroups makes groups g000, g001…
func (w *world) makeGroups(from, n int) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		for i := range n {
			if _, err := directory.CreateGroup(tx, tenant, fmt.Sprintf("g%03d", from+i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// pages follows a list to its end, and calls between after each page.
func (w *world) pages(path string, between func(page int), header ...string) (names []string) {
	w.Helper()
	for n := 0; path != ""; n++ {
		a := w.must(200, "member", "GET", path, "", header...)
		for _, v := range a.Value {
			names = append(names, v.DisplayName)
		}
		if between != nil {
			between(n)
		}
		path = a.NextLink
	}
	return names
}

// TestPaging wants each that was there all the time exactly once, in every
// order, while others come and go.
func TestPaging(t *testing.T) {
	w := newWorld(t)
	w.makeGroups(0, 450)
	var want []string
	for i := range 450 {
		want = append(want, fmt.Sprintf("g%03d", i))
	}
	for _, order := range []string{"", "&$orderby=displayName", "&$orderby=displayName desc"} {
		extra := 0
		got := w.pages("/groups?$top=70&$select=displayName"+order, func(int) {
			w.update(func(tx *store.Tx) error { // one comes, one that came goes
				g, err := directory.CreateGroup(tx, tenant, fmt.Sprintf("x%03d", extra))
				if extra++; err == nil && extra%2 == 0 {
					err = directory.DeletePrincipal(tx, g.ID)
				}
				return err
			})
		})
		kept := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return s[0] == 'x' })
		if order == "&$orderby=displayName desc" {
			slices.Reverse(kept)
		}
		if order == "" {
			slices.Sort(kept)
		}
		if !slices.Equal(kept, want) {
			t.Errorf("%q gives %d of %d", order, len(kept), len(want))
		}
	}
	filter := url.QueryEscape("startswith(displayName,'g1')")
	if got := w.pages("/groups?$top=30&$filter="+filter, nil); len(got) != 100 {
		t.Errorf("the filter finds %d", len(got))
	}
	a := w.must(200, "member", "GET", "/groups?$top=30&$count=true&$filter="+filter, "", "ConsistencyLevel", "eventual")
	if a.Count == nil || *a.Count != 100 || len(a.Value) != 30 {
		t.Errorf("the count is %v of %d", a.Count, len(a.Value))
	}
	if got := w.pages(strings.TrimPrefix(a.NextLink, host), nil, "ConsistencyLevel", "eventual"); len(got) != 70 {
		t.Errorf("the rest are %d", len(got))
	}
	if a := w.must(200, "member", "GET", "/groups?$top=1&$count=true", ""); a.Count != nil {
		t.Error("it is counted without the header")
	}
}

// TestFoundByIndex looks objects up by every name that az uses, in any case.
func TestFoundByIndex(t *testing.T) {
	w := newWorld(t)
	app := w.must(201, "member", "POST", "/applications", `{"displayName":"shop","identifierUris":["api://shop"]}`)
	sp := w.must(201, "member", "POST", "/servicePrincipals", `{"appId":"`+app.AppID+`"}`)
	for path, want := range map[string]string{
		"/applications?$filter=appId eq '" + strings.ToUpper(app.AppID) + "'":                    app.ID,
		"/applications?$filter=id eq '" + app.ID + "'":                                           app.ID,
		"/applications?$filter=identifierUris/any(s:s eq 'api://shop')":                          app.ID,
		"/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '" + app.AppID + "')":       sp.ID,
		"/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq 'api://shop')":              sp.ID,
		"/servicePrincipals?$filter=appId eq '" + app.AppID + "'":                                sp.ID,
		"/servicePrincipals?$filter=displayName eq 'SHOP'":                                       sp.ID,
		"/users?$filter=userPrincipalName eq 'MEMBER@contoso.example'":                           string(w.callers["member"].ID),
		"/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq 'https://nothing.example')": "",
		"/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '" + sp.ID + "')":           "",
		"/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '" + azure.NewGUID() + "')": "",
	} {
		a := w.must(200, "member", "GET", path, "")
		if want == "" && len(a.Value) != 0 || want != "" && (len(a.Value) != 1 || a.Value[0].ID != want) {
			t.Errorf("%s finds %+v", path, a.Value)
		}
	}
	graph := w.must(200, "member", "GET", "/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq 'https://graph.microsoft.com')", "")
	if len(graph.Value) != 1 || graph.Value[0].AppID != "00000003-0000-0000-c000-000000000000" {
		t.Errorf("Microsoft Graph is %+v", graph.Value)
	}
}

// TestOwnedObjects lists applications and principals in one order.
func TestOwnedObjects(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 7 {
		app := w.must(201, "member", "POST", "/applications", fmt.Sprintf(`{"displayName":"a%d"}`, i))
		sp := w.must(201, "member", "POST", "/servicePrincipals", `{"appId":"`+app.AppID+`"}`)
		want = append(want, app.ID, sp.ID)
	}
	var got []string
	for path := "/me/ownedObjects?$top=3"; path != ""; {
		a := w.must(200, "member", "GET", path, "")
		for _, v := range a.Value {
			if v.Type == "" {
				t.Errorf("%s has no type", v.ID)
			}
			got = append(got, v.ID)
		}
		path = a.NextLink
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("owned are %v, not %v", got, want)
	}
}

// TestDeletedForThirtyDays is the life of what was deleted.
func TestDeletedForThirtyDays(t *testing.T) {
	w := newWorld(t)
	app := w.must(201, "member", "POST", "/applications", `{"displayName":"shop","identifierUris":["api://shop"],"tags":["a"]}`)
	secret := w.must(200, "member", "POST", "/applications/"+app.ID+"/addPassword", `{}`)
	sp := w.must(201, "member", "POST", "/servicePrincipals", `{"appId":"`+app.AppID+`"}`)
	group := w.must(201, "member", "POST", "/groups", `{"displayName":"g","mailEnabled":false,"mailNickname":"g","securityEnabled":true}`)
	w.must(204, "member", "POST", "/groups/"+group.ID+"/members/$ref", `{"@odata.id":"`+host+`/directoryObjects/`+sp.ID+`"}`)
	w.must(204, "member", "DELETE", "/applications/"+app.ID, "")
	w.must(404, "admin", "GET", "/servicePrincipals/"+sp.ID, "")
	check := func() error {
		return w.door.DB.View(t.Context(), func(tx *store.Tx) error {
			return directory.CheckPassword(tx, azure.AppID(app.AppID), secret.SecretText)
		})
	}
	if check() == nil {
		t.Error("the password of a deleted application is good")
	}
	w.must(200, "admin", "POST", "/directory/deletedItems/"+app.ID+"/restore", `{}`)
	if err := check(); err != nil {
		t.Errorf("the password was not restored: %v", err)
	}
	if a := w.must(200, "member", "GET", "/groups/"+group.ID+"/members", ""); len(a.Value) != 1 || a.Value[0].ID != sp.ID {
		t.Errorf("the members are %+v", a.Value)
	}
	w.must(204, "member", "PATCH", "/applications/"+app.ID, `{"notes":"still its owner"}`)

	// A name that was taken meanwhile is in the way.
	w.must(204, "member", "DELETE", "/applications/"+app.ID, "")
	second := w.must(201, "member", "POST", "/applications", `{"displayName":"second","identifierUris":["api://shop"]}`)
	w.refused(400, codeRequestBad, "admin", "POST", "/directory/deletedItems/"+app.ID+"/restore", `{}`)
	w.must(204, "member", "DELETE", "/applications/"+second.ID, "")

	// After thirty days it is gone, and then its row is.
	w.clock.Advance(directory.DeletedFor)
	w.tokens.Clear()
	w.must(404, "admin", "POST", "/directory/deletedItems/"+app.ID+"/restore", `{}`)
	w.update(func(tx *store.Tx) error {
		n, err := directory.PurgeExpired(tx)
		if n != 2 {
			t.Errorf("%d were purged", n)
		}
		tx.Changed(store.Directory)
		return err
	})
}

// TestRolesAreNotRestored holds that who may restore cannot give roles by it.
func TestRolesAreNotRestored(t *testing.T) {
	w := newWorld(t)
	id := string(w.callers["roleadmin"].ID)
	w.refused(403, codeDenied, "useradmin", "DELETE", "/users/"+id, "")
	w.must(204, "admin", "DELETE", "/users/"+id, "")
	w.must(200, "useradmin", "POST", "/directory/deletedItems/"+id+"/restore", `{}`)
	w.tokens.Delete("roleadmin")
	w.refused(403, codeDenied, "roleadmin", "POST", "/roleManagement/directory/roleAssignments", `{"principalId":"`+id+`","roleDefinitionId":"62e90394-69f5-4237-9190-012177145e10","directoryScopeId":"/"}`)
	// The last Global Administrator stays one, whichever way is tried.
	admin := string(w.callers["admin"].ID)
	w.refused(400, codeRequestBad, "admin", "DELETE", "/users/"+admin, "")
	w.refused(400, codeRequestBad, "admin", "PATCH", "/users/"+admin, `{"accountEnabled":false}`)
}

// TestUserPasswords holds that the password of a profile is the user's, and is
// kept as a hash and shown nowhere.
func TestUserPasswords(t *testing.T) {
	w := newWorld(t)
	kept := func() (p directory.UserPassword) {
		w.view(func(tx *store.Tx) error {
			u, err := directory.PrincipalByUPN(tx, "ada@contoso.example")
			if err != nil {
				return err
			}
			p, err = directory.UserPasswordOf(tx, u.ID)
			return err
		})
		return p
	}
	is := func(password string, want bool) {
		t.Helper()
		if right, err := kept().Hash.Matches(t.Context(), password); right != want || err != nil {
			t.Errorf("%s is the password: %v, %v", password, right, err)
		}
	}
	w.must(201, "admin", "POST", "/users", `{"accountEnabled":true,"displayName":"Ada","mailNickname":"ada","userPrincipalName":"ada@contoso.example","passwordProfile":{"password":"Analytical-1843","forceChangePasswordNextSignIn":false}}`)
	is("Analytical-1843", true)
	w.must(204, "admin", "PATCH", "/users/ada@contoso.example", `{"passwordProfile":{"password":"Analytical-1844"}}`)
	is("Analytical-1843", false)
	is("Analytical-1844", true)
	before := kept()
	w.must(204, "admin", "PATCH", "/users/ada@contoso.example", `{"displayName":"Ada L","passwordProfile":{"forceChangePasswordNextSignIn":true}}`)
	w.refused(403, codeDenied, "member", "PATCH", "/users/ada@contoso.example", `{"passwordProfile":{"password":"Analytical-1845"}}`)
	w.refused(400, codeRequestBad, "admin", "PATCH", "/users/ada@contoso.example", `{"displayName":"Eve","passwordProfile":{"password":"analytical"}}`)
	if kept() != before {
		t.Error("another password is kept")
	}
	shown := w.send("admin", "GET", "/users/ada@contoso.example?$select=passwordProfile", "").Body.String()
	var stored string
	w.view(func(tx *store.Tx) error {
		p, err := directory.PrincipalByUPN(tx, "ada@contoso.example")
		if err != nil {
			return err
		}
		o, err := directory.ObjectByID(tx, tenant, p.ID)
		stored = string(o.Properties)
		return err
	})
	for _, s := range []string{shown, stored, w.log.String()} {
		if strings.Contains(s, "Analytical") {
			t.Errorf("the password is in %s", s)
		}
	}
}

// TestSecretsAreShownOnce holds that a secret is in one answer and no log.
func TestSecretsAreShownOnce(t *testing.T) {
	w := newWorld(t)
	app := w.must(201, "member", "POST", "/applications", `{"displayName":"shop","passwordCredentials":[{"displayName":"first"}]}`)
	r := w.send("member", "GET", "/applications/"+app.ID, "")
	secret := w.must(200, "member", "POST", "/applications/"+app.ID+"/addPassword", `{"passwordCredential":{"displayName":"second"}}`).SecretText
	if len(secret) != 40 || strings.Contains(w.send("member", "GET", "/applications/"+app.ID, "").Body.String(), secret) || strings.Contains(w.log.String(), secret) {
		t.Error("the secret is shown again")
	}
	var body struct {
		PasswordCredentials []struct{ DisplayName, SecretText string }
	}
	if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil || len(body.PasswordCredentials) != 1 || body.PasswordCredentials[0].SecretText != "" {
		t.Errorf("%v: %s", err, r.Body)
	}
}

// TestConcurrentWriters lets many make one service principal: one of them does.
func TestConcurrentWriters(t *testing.T) {
	w := newWorld(t)
	app := w.must(201, "member", "POST", "/applications", `{"displayName":"shop"}`)
	w.door.Record = nil
	handler := w.door.Routes()
	w.handler = handler
	codes := make([]int, 16)
	w.token("member")
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() { codes[i] = w.send("member", "POST", "/servicePrincipals", `{"appId":"`+app.AppID+`"}`).Code })
	}
	wg.Wait()
	slices.Sort(codes)
	if codes[0] != 201 || slices.Index(codes, 409) != 1 || codes[15] != 409 {
		t.Errorf("the codes are %v", codes)
	}
}
