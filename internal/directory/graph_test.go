package directory

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// testRestore deletes an application and a user with all that they have, and
// brings both back as they were.
func testRestore(t *testing.T, db *store.DB, tenant Tenant) {
	var app Application
	var sp, ada, g, other Principal
	var secret string
	signIn := SignIn{PublicClient: true, GroupClaims: true, Redirects: []Redirect{{Web, "https://app.example/cb"}, {PublicClient, "http://localhost"}}}
	consented := []string{"User.Read", "openid"}
	const kept = UserHash("a hash")
	var ticket string
	update(t, db, func(tx *store.Tx) error {
		var errs [15]error
		app, errs[0] = CreateApplication(tx, Application{Tenant: tenant.ID, DisplayName: "app", IdentifierURIs: []string{"api://a"}, TokenVersion: 2})
		sp, errs[1] = CreateServicePrincipal(tx, app)
		secret, _, errs[2] = AddPassword(tx, app.AppID, "p", tx.Now.Add(time.Hour))
		_, _, errs[3] = PutFederatedCredential(tx, app.AppID, someCredential("job"))
		ada, errs[4] = CreateUser(tx, tenant, "Ada@contoso.example", "Ada")
		g, errs[5] = CreateGroup(tx, tenant.ID, "g")
		other, errs[6] = CreateGroup(tx, tenant.ID, "other")
		errs[7] = errors.Join(AddMember(tx, g.ID, sp.ID), AddMember(tx, g.ID, ada.ID), AddMember(tx, other.ID, ada.ID))
		errs[8] = errors.Join(AddOwner(tx, app.ObjectID, ada.ID), AddOwner(tx, sp.ID, ada.ID))
		_, errs[9] = AssignRole(tx, DirectoryReaders, ada.ID)
		errs[10] = SetProperties(tx, ada.ID, json.RawMessage(`{"city":"London"}`))
		errs[11] = SetEnabled(tx, ada.ID, false)
		errs[12] = errors.Join(SetUserPassword(tx, ada.ID, kept), Consent(tx, ada.ID, app.AppID, "a resource", consented))
		errs[13] = SetSignIn(tx, app.AppID, signIn)
		ticket, errs[14] = CreateSession(tx, ada.ID)
		return errors.Join(errs[:]...)
	})
	update(t, db, func(tx *store.Tx) error {
		return errors.Join(SoftDeleteApplication(tx, app), SoftDelete(tx, ada), DeletePrincipal(tx, other.ID))
	})
	for _, id := range []azure.ObjectID{sp.ID, ada.ID} {
		refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := PrincipalByID(tx, id); return err })
	}
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := ApplicationByURI(tx, tenant.ID, "api://a"); return err })
	view(t, db, func(tx *store.Tx) error {
		apps, err := DeletedObjects(tx, tenant.ID, Registered, "", 10)
		if len(apps) != 1 || apps[0].ID != app.ObjectID || apps[0].AppID != app.AppID || apps[0].DisplayName != "app" {
			t.Errorf("the deleted applications are %+v", apps)
		}
		_, err2 := DeletedByID(tx, tenant.ID, ada.ID)
		elsewhere, err3 := DeletedObjects(tx, "another", Registered, "", 10)
		if len(elsewhere) != 0 {
			t.Error("another tenant sees it")
		}
		return errors.Join(err, err2, err3)
	})
	update(t, db, func(tx *store.Tx) error { return errors.Join(Restore(tx, ada.ID), Restore(tx, app.ObjectID)) })
	view(t, db, func(tx *store.Tx) error {
		a, err := ApplicationByURI(tx, tenant.ID, "api://a")
		if a.ObjectID != app.ObjectID || a.TokenVersion != 2 || !a.CreatedAt.Equal(app.CreatedAt) {
			t.Errorf("the application came back as %+v", a)
		}
		federated, err2 := FederatedCredentials(tx, app.AppID)
		members, err3 := Related(tx, MembersOf, g.ID, "", 10)
		owns, err4 := Owns(tx, app.ObjectID, ada.ID)
		owns2, err5 := Owns(tx, sp.ID, ada.ID)
		roles, err6 := RolesOf(tx, ada.ID)
		o, err7 := ObjectByID(tx, tenant.ID, ada.ID)
		if len(federated) != 1 || len(members) != 2 || !owns2 || len(roles) != 0 || string(o.Properties) != `{"city":"London"}` || o.Enabled || o.UPN != "Ada@contoso.example" {
			t.Errorf("federated %v, members %v, owns %v %v, roles %v, user %+v", federated, members, owns, owns2, roles, o)
		}
		password, err8 := UserPasswordOf(tx, ada.ID)
		agreed, err9 := Consented(tx, ada.ID, app.AppID, "a resource")
		how, err10 := SignInOf(tx, app.AppID)
		slices.SortFunc(how.Redirects, func(a, b Redirect) int { return strings.Compare(b.URI, a.URI) })
		if password.Hash != kept || !slices.Equal(agreed, consented) || !reflect.DeepEqual(how, signIn) {
			t.Errorf("password %v, consent %v, sign-in %+v", password, agreed, how)
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9, err10, CheckPassword(tx, app.AppID, secret))
	})
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := SessionByTicket(tx, ticket); return err })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := DeletedByID(tx, tenant.ID, ada.ID); return err })
}

// testDirectoryRoles gives roles in the directory, and takes all but the last.
func testDirectoryRoles(t *testing.T, db *store.DB, tenant Tenant) {
	var ada, bob, g Principal
	var first RoleAssignment
	update(t, db, func(tx *store.Tx) (err error) {
		var err2, err3, err4, err5 error
		ada, err = CreateUser(tx, tenant, "ada@contoso.example", "Ada")
		bob, err2 = CreateUser(tx, tenant, "bob@contoso.example", "Bob")
		g, err3 = CreateGroup(tx, tenant.ID, "g")
		first, err4 = AssignRole(tx, GlobalAdministrator, ada.ID)
		_, err5 = AssignRole(tx, DirectoryReaders, ada.ID)
		return errors.Join(err, err2, err3, err4, err5)
	})
	view(t, db, func(tx *store.Tx) error {
		roles, err := RolesOf(tx, ada.ID)
		if !slices.Contains(roles, GlobalAdministrator) || len(roles) != 2 {
			t.Errorf("the roles are %v", roles)
		}
		return err
	})
	refused(t, db, fault.Conflict, func(tx *store.Tx) error { _, err := AssignRole(tx, DirectoryReaders, ada.ID); return err })
	refused(t, db, fault.Invalid, func(tx *store.Tx) error { _, err := AssignRole(tx, DirectoryReaders, g.ID); return err })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := AssignRole(tx, "no role", bob.ID); return err })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := AssignRole(tx, DirectoryReaders, azure.NewObjectID()); return err })
	refused(t, db, fault.Invalid, func(tx *store.Tx) error { return UnassignRole(tx, tenant.ID, first.ID) })
	refused(t, db, fault.Invalid, func(tx *store.Tx) error { return SoftDelete(tx, ada) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return UnassignRole(tx, "another", first.ID) })
	update(t, db, func(tx *store.Tx) error {
		_, err := AssignRole(tx, GlobalAdministrator, bob.ID)
		return errors.Join(err, UnassignRole(tx, tenant.ID, first.ID))
	})
	if _, ok := RoleNamed("global administrator"); !ok {
		t.Error("a role is not found by its name")
	}
}

// testGrantsAndAppRoles gives what programs may do at each other.
func testGrantsAndAppRoles(t *testing.T, db *store.DB, tenant Tenant) {
	var client, resource, ada Principal
	var role AppRoleAssignment
	var grant PermissionGrant
	update(t, db, func(tx *store.Tx) error {
		var errs []error
		for p, name := range map[*Principal]string{&client: "client", &resource: "resource"} {
			app, err := CreateApplication(tx, Application{Tenant: tenant.ID, DisplayName: name})
			errs = append(errs, err)
			*p, err = CreateServicePrincipal(tx, app)
			errs = append(errs, err)
		}
		var err error
		ada, err = CreateUser(tx, tenant, "ada@contoso.example", "Ada")
		errs = append(errs, err)
		role, err = AssignAppRole(tx, AppRoleAssignment{Principal: client.ID, Resource: resource.ID, Role: azure.NewGUID()})
		errs = append(errs, err)
		grant, err = Grant(tx, PermissionGrant{Client: client.ID, Resource: resource.ID, Scope: "a"})
		errs = append(errs, err)
		_, err = Grant(tx, PermissionGrant{Client: client.ID, Resource: resource.ID, Principal: ada.ID, Scope: "b"})
		return errors.Join(append(errs, err)...)
	})
	refused(t, db, fault.Conflict, func(tx *store.Tx) error { _, err := AssignAppRole(tx, role); return err })
	refused(t, db, fault.Invalid, func(tx *store.Tx) error {
		_, err := AssignAppRole(tx, AppRoleAssignment{Principal: client.ID, Resource: ada.ID, Role: role.Role})
		return err
	})
	refused(t, db, fault.Conflict, func(tx *store.Tx) error {
		_, err := Grant(tx, PermissionGrant{Client: client.ID, Resource: resource.ID})
		return err
	})
	refused(t, db, fault.Invalid, func(tx *store.Tx) error {
		_, err := Grant(tx, PermissionGrant{Client: ada.ID, Resource: resource.ID})
		return err
	})
	update(t, db, func(tx *store.Tx) error { return SetGrant(tx, grant.ID, "a b") })
	view(t, db, func(tx *store.Tx) error {
		all, err := Grants(tx, tenant.ID)
		of, err2 := AppRolesOf(tx, client.ID)
		at, err3 := AppRolesAt(tx, resource.ID)
		if len(all) != 2 || len(of) != 1 || len(at) != 1 || of[0] != at[0] {
			t.Errorf("grants %v, roles %v and %v", all, of, at)
		}
		return errors.Join(err, err2, err3)
	})
	update(t, db, func(tx *store.Tx) error { return errors.Join(UnassignAppRole(tx, role.ID), RemoveGrant(tx, grant.ID)) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return UnassignAppRole(tx, role.ID) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return RemoveGrant(tx, grant.ID) })
	update(t, db, func(tx *store.Tx) error { return DeletePrincipal(tx, resource.ID) })
	view(t, db, func(tx *store.Tx) error {
		all, err := Grants(tx, tenant.ID)
		if len(all) != 0 {
			t.Errorf("grants outlive their resource: %v", all)
		}
		return err
	})
}

// testRelations walks groups in both directions, a page at a time.
func testRelations(t *testing.T, db *store.DB, tenant Tenant) {
	var a, b Principal
	update(t, db, func(tx *store.Tx) (err error) {
		if a, err = CreateGroup(tx, tenant.ID, "a"); err != nil {
			return err
		}
		if b, err = CreateGroup(tx, tenant.ID, "b"); err != nil {
			return err
		}
		for _, name := range []string{"x", "y", "z"} {
			u, err := CreateUser(tx, tenant, name+"@contoso.example", name)
			if err != nil {
				return err
			}
			if err := AddMember(tx, b.ID, u.ID); err != nil {
				return err
			}
		}
		return errors.Join(AddMember(tx, a.ID, b.ID), AddMember(tx, b.ID, a.ID)) // a circle
	})
	for _, c := range []struct {
		by   Relation
		of   azure.ObjectID
		want int
	}{{MembersOf, a.ID, 1}, {MembersOf, b.ID, 4}, {TransitiveMembersOf, a.ID, 5}, {MemberOf, a.ID, 1}, {TransitiveMemberOf, a.ID, 2}, {OwnersOf, a.ID, 0}} {
		view(t, db, func(tx *store.Tx) error {
			var all []Object
			for after := azure.ObjectID(""); ; {
				page, err := Related(tx, c.by, c.of, after, 2)
				if err != nil {
					return err
				}
				all = append(all, page...)
				if len(page) < 2 {
					break
				}
				after = page[len(page)-1].ID
			}
			if len(all) != c.want {
				t.Errorf("%.40s gives %d, not %d", c.by, len(all), c.want)
			}
			return nil
		})
	}
	update(t, db, func(tx *store.Tx) error {
		return EnsureService(tx, tenant.ID, "00000003-0000-0000-c000-000000000000", "Graph")
	})
	view(t, db, func(tx *store.Tx) error {
		for n, q := range map[int]ObjectQuery{3: {Kind: User}, 2: {Kind: Group}, 1: {Kind: User, UPN: "X@contoso.example"}} {
			q.Tenant, q.Limit = tenant.ID, 10
			all, err := Objects(tx, q)
			if err != nil || len(all) != n {
				t.Errorf("%+v gives %d, %v", q, len(all), err)
			}
		}
		return nil
	})
}

// testSetCertificates replaces certificates as a list, and keeps passwords.
func testSetCertificates(t *testing.T, db *store.DB, tenant Tenant) {
	der, from := someCertificate(t)
	var app Application
	update(t, db, func(tx *store.Tx) (err error) {
		if app, err = CreateApplication(tx, Application{Tenant: tenant.ID, DisplayName: "app"}); err != nil {
			return err
		}
		_, _, err = AddPassword(tx, app.AppID, "p", tx.Now.Add(time.Hour))
		return err
	})
	set := func(wanted ...Credential) func(*store.Tx) error {
		return func(tx *store.Tx) error { return SetCertificates(tx, app.AppID, false, wanted) }
	}
	kept := func(n int) (all []Credential) {
		t.Helper()
		view(t, db, func(tx *store.Tx) (err error) { all, err = Credentials(tx, app.AppID); return err })
		all = slices.DeleteFunc(all, func(c Credential) bool { return c.Kind == Password })
		if len(all) != n {
			t.Errorf("%d certificates, not %d", len(all), n)
		}
		return all
	}
	id := azure.NewGUID()
	update(t, db, set(Credential{KeyID: id, DisplayName: "c", Certificate: der, EndAt: from.AddDate(0, 6, 0)}))
	if one := kept(1)[0]; one.KeyID != id || !one.StartAt.Equal(from) || !one.EndAt.Equal(from.AddDate(0, 6, 0)) || one.OfPrincipal {
		t.Errorf("it is %+v", one)
	}
	update(t, db, set(Credential{KeyID: id}, Credential{Certificate: der}))
	kept(2)
	update(t, db, func(tx *store.Tx) error {
		return SetCertificates(tx, app.AppID, true, []Credential{{Certificate: der}})
	})
	kept(3)
	update(t, db, set())
	if one := kept(1)[0]; !one.OfPrincipal {
		t.Errorf("the service principal's is gone: %+v", one)
	}
	for _, bad := range []Credential{{KeyID: id}, {}, {Certificate: []byte("garbage")}, {Certificate: der, StartAt: from.AddDate(-1, 0, 0)}, {Certificate: der, EndAt: from.AddDate(9, 0, 0)}, {KeyID: "x", Certificate: der}} {
		refused(t, db, fault.Invalid, set(bad))
	}
}
