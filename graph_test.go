package midas_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"midas/internal/control"
)

// TestGraphKnowsTheOperator holds that the first user administers the
// directory, and that the cloud's own services are in it, from the first start
// on and after a second.
func TestGraphKnowsTheOperator(t *testing.T) {
	c := config(dataDir(t))
	for range 2 {
		s, stop := start(t, c)
		o := operate(t, s)
		graph := s.Status().Endpoints.Graph
		token := o.token(graph)
		status, body := o.send(http.MethodGet, graph+"/v1.0/me", token, nil)
		if status != http.StatusOK || !strings.Contains(string(body), `"userPrincipalName":"operator@`) {
			t.Errorf("/me: %d %s", status, body)
		}
		status, body = o.send(http.MethodGet, graph+"/v1.0/servicePrincipals?$select=displayName&$filter=servicePrincipalType%20eq%20'Application'", token, nil)
		var list struct {
			Value []struct{ DisplayName string }
		}
		if err := json.Unmarshal(body, &list); err != nil || status != http.StatusOK || len(list.Value) != 4 {
			t.Errorf("the services are %d %s", status, body)
		}
		stop()
	}
}

// TestServicePrincipalInTheDirectory gives programs rights in the directory.
func TestServicePrincipalInTheDirectory(t *testing.T) {
	s, _ := start(t, config(dataDir(t)))
	o := operate(t, s)
	graph := s.Status().Endpoints.Graph
	for _, c := range []struct {
		request control.ServicePrincipalRequest
		want    int
	}{
		{control.ServicePrincipalRequest{Name: "nothing"}, http.StatusForbidden},
		{control.ServicePrincipalRequest{Name: "reader", DirectoryRoles: []string{"directory readers"}}, http.StatusOK},
		{control.ServicePrincipalRequest{Name: "permitted", Permissions: []string{"User.Read.All"}}, http.StatusOK},
	} {
		made, err := o.control.CreateServicePrincipal(t.Context(), c.request)
		if err != nil {
			t.Fatal(err)
		}
		o.status(graph+"/v1.0/users", o.clientToken(made, graph), c.want)
	}
	for _, q := range []control.ServicePrincipalRequest{{Name: "x", DirectoryRoles: []string{"King"}}, {Name: "x", Permissions: []string{"Everything.All"}}} {
		if p, err := o.control.CreateServicePrincipal(t.Context(), q); err == nil || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%+v made %+v, %v", q, p, err)
		}
	}
}

// clientToken signs a service principal in with its password.
func (o *operator) clientToken(p control.ServicePrincipal, audience string) string {
	o.t.Helper()
	resp, err := o.http.PostForm(o.s.Status().Endpoints.Login+"/"+p.Tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {p.AppID}, "client_secret": {p.Password}, "scope": {audience + "/.default"},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil || resp.StatusCode != http.StatusOK {
		o.t.Fatalf("a token of %s: %s, %v", p.DisplayName, resp.Status, err)
	}
	return token.AccessToken
}
