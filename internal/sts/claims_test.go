package sts

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
)

// TestClaims pins the whole claim set of each sort of token, and that nothing
// else is in it (control-plane.md A6, local-endpoints.md A.9).
func TestClaims(t *testing.T) {
	w := withKeys(t)
	tid := string(w.tenant.ID)
	sts, login := "https://sts.windows.net/"+tid+"/", "https://login.microsoftonline.com/"+tid+"/v2.0"
	now := float64(w.clock.Now().Unix())
	identity, _ := azure.ParseResourceID("/subscriptions/11111111-2222-3333-4444-555555555555/RESOURCEGROUPS/RG1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/Id1")
	cli := azure.AppID("04b07795-8ddb-461a-bbee-02f9e1bf7b46")
	api := "22222222-2222-3333-4444-555555555555"
	const lowered = "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/RG1/providers/"

	for _, c := range []struct {
		name  string
		grant Grant
		want  map[string]any
	}{
		{"system-assigned identity", w.grant(), map[string]any{
			"aud": "https://management.azure.com/", "iss": sts, "ver": "1.0", "iat": now - 300, "nbf": now - 300, "exp": now + 86400,
			"appid": string(w.machine.AppID), "appidacr": "2", "idp": sts, "idtyp": "app", "oid": string(w.machine.ID), "sub": string(w.machine.ID), "tid": tid,
			"xms_az_nwperimid": []any{}, "xms_mirid": lowered + "Microsoft.Compute/virtualMachines/vm1",
		}},
		{"user-assigned identity on a machine", Grant{Principal: w.machine, Client: w.machine.AppID, ClientAuth: ClientAuthCertificate, Audience: "https://vault.azure.net",
			Version: 1, Lifetime: LifetimeManagedIdentity, IdentityResource: identity, HostResource: machineID, Capabilities: []string{"CP1"}}, map[string]any{
			"aud": "https://vault.azure.net", "iss": sts, "ver": "1.0", "iat": now - 300, "nbf": now - 300, "exp": now + 86400,
			"appid": string(w.machine.AppID), "appidacr": "2", "idp": sts, "idtyp": "app", "oid": string(w.machine.ID), "sub": string(w.machine.ID), "tid": tid,
			"xms_az_nwperimid": []any{}, "xms_mirid": lowered + "Microsoft.ManagedIdentity/userAssignedIdentities/Id1",
			"xms_az_rid": lowered + "Microsoft.Compute/virtualMachines/vm1", "xms_cc": []any{"CP1"},
		}},
		{"application", Grant{Principal: w.app, Client: w.app.AppID, ClientAuth: ClientAuthSecret, Audience: "https://graph.microsoft.com/", Version: 1, Lifetime: LifetimeApp}, map[string]any{
			"aud": "https://graph.microsoft.com/", "iss": sts, "ver": "1.0", "iat": now - 300, "nbf": now - 300, "exp": now + 3599,
			"appid": string(w.app.AppID), "appidacr": "1", "idp": sts, "idtyp": "app", "oid": string(w.app.ID), "sub": string(w.app.ID), "tid": tid,
		}},
		{"application, version 2.0", Grant{Principal: w.app, Client: w.app.AppID, ClientAuth: ClientAuthCertificate, Audience: api, Version: 2, Lifetime: LifetimeApp}, map[string]any{
			"aud": api, "iss": login, "ver": "2.0", "iat": now - 300, "nbf": now - 300, "exp": now + 3599,
			"azp": string(w.app.AppID), "azpacr": "2", "oid": string(w.app.ID), "sub": string(w.app.ID), "tid": tid,
		}},
		{"user", Grant{Principal: w.user, Client: cli, ClientAuth: ClientAuthNone, Audience: "https://management.core.windows.net/", Version: 1, Lifetime: time.Hour}, map[string]any{
			"aud": "https://management.core.windows.net/", "iss": sts, "ver": "1.0", "iat": now - 300, "nbf": now - 300, "exp": now + 3600,
			"appid": string(cli), "appidacr": "0", "idtyp": "user", "oid": string(w.user.ID), "sub": pairwise(w.user, cli), "tid": tid,
			"scp": "user_impersonation", "name": "Ada", "unique_name": "ada@contoso.example", "upn": "ada@contoso.example",
		}},
		{"user, version 2.0", Grant{Principal: w.user, Client: cli, ClientAuth: ClientAuthNone, Audience: api, Version: 2, Lifetime: time.Hour}, map[string]any{
			"aud": api, "iss": login, "ver": "2.0", "iat": now - 300, "nbf": now - 300, "exp": now + 3600,
			"azp": string(cli), "azpacr": "0", "oid": string(w.user.ID), "sub": pairwise(w.user, cli), "tid": tid,
			"scp": "user_impersonation", "name": "Ada", "preferred_username": "ada@contoso.example",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := w.issue(t, c.grant)
			got := part(t, token.Raw, 1)
			for _, name := range []string{"aio", "rh", "uti"} { // opaque
				if v, _ := got[name].(string); len(v) < 16 {
					t.Errorf("%s is %q", name, v)
				}
				delete(got, name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if float64(token.ExpiresAt.Unix()) != got["exp"] || float64(token.IssuedAt.Unix()) != got["iat"] || token.NotBefore != token.IssuedAt {
				t.Errorf("the times beside the token are %+v", token)
			}
			kid := w.snapshot.Load().keys[0].kid
			header := map[string]any{"typ": "JWT", "alg": "RS256", "kid": kid}
			if c.grant.Version == 1 {
				header["x5t"] = kid
			}
			if diff := cmp.Diff(header, part(t, token.Raw, 0)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if pairwise(w.user, cli) == pairwise(w.user, azure.AppID(api)) {
		t.Error("two clients see one sub")
	}
	if a, b := part(t, w.issue(t, w.grant()).Raw, 1), part(t, w.issue(t, w.grant()).Raw, 1); a["uti"] == b["uti"] {
		t.Error("two tokens have one uti")
	}
}

func TestClaimedID(t *testing.T) {
	for in, want := range map[string]string{
		"/subscriptions/s/resourceGroups/resourceGroups/providers/N.S/t/resourceGroups": "/subscriptions/s/resourcegroups/resourceGroups/providers/N.S/t/resourceGroups",
		"/subscriptions/s":                "/subscriptions/s",
		"/subscriptions/resourceGroups":   "/subscriptions/resourceGroups",
		"/providers/N.S/resourceGroups/a": "/providers/N.S/resourceGroups/a",
	} {
		id, err := azure.ParseResourceID(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := claimedID(id); got != want {
			t.Errorf("%s becomes %s", in, got)
		}
	}
}
