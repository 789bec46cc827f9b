package directory

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/pki"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestOnEveryEngine runs all of it on SQLite and PostgreSQL, each test with a
// fresh store and a tenant.
func TestOnEveryEngine(t *testing.T) {
	storetest.OnEveryEngine(t, func(t *testing.T, fresh func(testing.TB) *store.DB) {
		for _, c := range []struct {
			name string
			test func(*testing.T, *store.DB, Tenant)
		}{
			{"tenants", testTenants},
			{"managed identity", testManagedIdentity},
			{"users", testUsers},
			{"groups", testGroups},
			{"applications", testApplications},
			{"passwords", testPasswords},
			{"certificates", testCertificates},
			{"certificates as a list", testSetCertificates},
			{"restore", testRestore},
			{"directory roles", testDirectoryRoles},
			{"grants and app roles", testGrantsAndAppRoles},
			{"relations", testRelations},
			{"federated credentials", testFederatedCredentials},
		} {
			t.Run(c.name, func(t *testing.T) {
				db := fresh(t)
				var tenant Tenant
				update(t, db, func(tx *store.Tx) (err error) {
					tenant, err = CreateTenant(tx, Tenant{DisplayName: "Contoso", Domain: "Contoso.Example"})
					return err
				})
				c.test(t, db, tenant)
			})
		}
	})
}

func update(t testing.TB, db *store.DB, f func(*store.Tx) error) {
	t.Helper()
	before := db.Epoch(store.Directory)
	if err := db.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if db.Epoch(store.Directory) == before {
		t.Error("the directory's epoch did not move")
	}
}

// refused runs a write that must fail with a kind of fault.
func refused(t testing.TB, db *store.DB, kind fault.Kind, f func(*store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), f); !fault.Is(err, kind) {
		t.Errorf("want a fault of kind %q, got %v", kind, err)
	}
}

func view(t testing.TB, db *store.DB, f func(*store.Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// same compares what was returned with what was read back.
var same = cmp.Options{cmpopts.EquateApproxTime(0), cmp.Comparer(func(a, b azure.ResourceID) bool { return a.String() == b.String() })}

func testTenants(t *testing.T, db *store.DB, tenant Tenant) {
	for _, name := range []string{string(tenant.ID), "contoso.example", "CONTOSO.example"} {
		view(t, db, func(tx *store.Tx) error {
			got, err := TenantByIDOrDomain(tx, name)
			if diff := cmp.Diff(tenant, got, same); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			return err
		})
	}
	for _, name := range []string{"", "common", "fabrikam.example", azure.NewGUID()} {
		refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := TenantByIDOrDomain(tx, name); return err })
	}
	refused(t, db, fault.Conflict, func(tx *store.Tx) error {
		_, err := CreateTenant(tx, Tenant{DisplayName: "Again", Domain: "contoso.EXAMPLE"})
		return err
	})
	for _, bad := range []Tenant{
		{DisplayName: "no domain"}, {DisplayName: "word", Domain: "common"}, {DisplayName: "path", Domain: "a.b/c"}, {DisplayName: "dots", Domain: "a..b"},
		{DisplayName: "dash", Domain: "-a.b"}, {DisplayName: " ", Domain: "a.b"}, {DisplayName: "id", Domain: "a.b", ID: "x"},
	} {
		refused(t, db, fault.Invalid, func(tx *store.Tx) error { _, err := CreateTenant(tx, bad); return err })
	}

	var sub Subscription
	update(t, db, func(tx *store.Tx) (err error) {
		sub, err = CreateSubscription(tx, Subscription{ID: "AAAAAAAA-0000-0000-0000-000000000001", Tenant: tenant.ID, DisplayName: "Pay"})
		return err
	})
	view(t, db, func(tx *store.Tx) error {
		got, err := SubscriptionByID(tx, "aaaaaaaa-0000-0000-0000-000000000001")
		if diff := cmp.Diff(sub, got, same); diff != "" || got.State != SubscriptionEnabled {
			t.Error(diff)
		}
		all, err2 := Subscriptions(tx, tenant.ID)
		if len(all) != 1 {
			t.Errorf("the subscriptions are %v", all)
		}
		none, err3 := Subscriptions(tx, "another")
		if len(none) != 0 {
			t.Errorf("another tenant sees %v", none)
		}
		tenants, err4 := Tenants(tx)
		if len(tenants) != 1 {
			t.Errorf("the tenants are %v", tenants)
		}
		return errors.Join(err, err2, err3, err4)
	})
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := SubscriptionByID(tx, "none"); return err })
	refused(t, db, fault.Invalid, func(tx *store.Tx) error {
		_, err := CreateSubscription(tx, Subscription{Tenant: azure.TenantID(azure.NewGUID()), DisplayName: "nobody's"})
		return err
	})
}

// testManagedIdentity is the life of an identity: made, found, deleted, and
// another one under the same name.
func testManagedIdentity(t *testing.T, db *store.DB, tenant Tenant) {
	id, _ := azure.ParseResourceID("/subscriptions/s/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/VM1")
	folded, _ := azure.ParseResourceID(id.Key())
	var first, second Principal
	make := func(p *Principal) func(*store.Tx) error {
		return func(tx *store.Tx) (err error) {
			*p, err = CreateManagedIdentity(tx, tenant.ID, "VM1", id)
			return err
		}
	}
	update(t, db, make(&first))
	refused(t, db, fault.Conflict, make(new(Principal)))
	view(t, db, func(tx *store.Tx) error {
		byID, err := PrincipalByID(tx, first.ID)
		byApp, err2 := PrincipalByAppID(tx, tenant.ID, first.AppID)
		byResource, err3 := PrincipalByResource(tx, folded)
		for _, got := range []Principal{byID, byApp, byResource} {
			if diff := cmp.Diff(first, got, same); diff != "" {
				t.Error(diff)
			}
		}
		return errors.Join(err, err2, err3)
	})
	if !first.Enabled || first.Kind != ServicePrincipal || first.Type != TypeManagedIdentity || first.Resource.String() != id.String() {
		t.Errorf("it is %+v", first)
	}
	refused(t, db, fault.NotFound, func(tx *store.Tx) error {
		_, err := PrincipalByAppID(tx, "another tenant", first.AppID)
		return err
	})
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := ApplicationByAppID(tx, first.AppID); return err })

	update(t, db, func(tx *store.Tx) error { return SetEnabled(tx, first.ID, false) })
	view(t, db, func(tx *store.Tx) error {
		p, err := PrincipalByID(tx, azure.ObjectID(first.ID))
		if p.Enabled {
			t.Error("it is still enabled")
		}
		return err
	})
	update(t, db, func(tx *store.Tx) error { return DeletePrincipal(tx, first.ID) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return DeletePrincipal(tx, first.ID) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return SetEnabled(tx, first.ID, true) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := PrincipalByResource(tx, id); return err })
	update(t, db, make(&second))
	if first.ID == second.ID || first.AppID == second.AppID {
		t.Error("the new identity is the old one")
	}
}

func testUsers(t *testing.T, db *store.DB, tenant Tenant) {
	var ada Principal
	update(t, db, func(tx *store.Tx) (err error) {
		ada, err = CreateUser(tx, tenant, "Ada@contoso.example", "Ada")
		return err
	})
	view(t, db, func(tx *store.Tx) error {
		got, err := PrincipalByUPN(tx, "ADA@CONTOSO.EXAMPLE")
		if diff := cmp.Diff(ada, got, same); diff != "" || got.UPN != "Ada@contoso.example" {
			t.Error(diff)
		}
		return err
	})
	refused(t, db, fault.Conflict, func(tx *store.Tx) error { _, err := CreateUser(tx, tenant, "ada@CONTOSO.example", "Two"); return err })
	for _, upn := range []string{"", "ada", "@contoso.example", "a@fabrikam.example", "a b@contoso.example", "a@b@contoso.example"} {
		refused(t, db, fault.Invalid, func(tx *store.Tx) error { _, err := CreateUser(tx, tenant, upn, "X"); return err })
	}
	refused(t, db, fault.Invalid, func(tx *store.Tx) error { _, err := CreateUser(tx, tenant, "b@contoso.example", ""); return err })
}

func testGroups(t *testing.T, db *store.DB, tenant Tenant) {
	var ada, a, b, c, other Principal
	update(t, db, func(tx *store.Tx) (err error) {
		create := func(p *Principal, name string) {
			if err == nil {
				*p, err = CreateGroup(tx, tenant.ID, name)
			}
		}
		create(&a, "a")
		create(&b, "b")
		create(&c, "c")
		if err != nil {
			return err
		}
		if ada, err = CreateUser(tx, tenant, "ada@contoso.example", "Ada"); err != nil {
			return err
		}
		elsewhere, err := CreateTenant(tx, Tenant{DisplayName: "Fabrikam", Domain: "fabrikam.example"})
		if err != nil {
			return err
		}
		other, err = CreateGroup(tx, elsewhere.ID, "other")
		return err
	})
	groups := func(want ...azure.ObjectID) {
		t.Helper()
		view(t, db, func(tx *store.Tx) error {
			got, err := Groups(tx, ada.ID)
			if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(x, y azure.ObjectID) bool { return x < y }), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			return err
		})
	}
	groups()
	update(t, db, func(tx *store.Tx) error {
		return errors.Join(AddMember(tx, a.ID, ada.ID), AddMember(tx, b.ID, a.ID), AddMember(tx, c.ID, b.ID), AddMember(tx, a.ID, c.ID)) // a circle
	})
	groups(a.ID, b.ID, c.ID)
	refused(t, db, fault.Conflict, func(tx *store.Tx) error { return AddMember(tx, a.ID, ada.ID) })
	refused(t, db, fault.Invalid, func(tx *store.Tx) error { return AddMember(tx, a.ID, a.ID) })
	refused(t, db, fault.Invalid, func(tx *store.Tx) error { return AddMember(tx, other.ID, ada.ID) })
	refused(t, db, fault.Invalid, func(tx *store.Tx) error { return AddMember(tx, ada.ID, a.ID) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return AddMember(tx, a.ID, azure.NewObjectID()) })
	view(t, db, func(tx *store.Tx) error {
		members, err := Members(tx, a.ID)
		if len(members) != 2 {
			t.Errorf("the members are %v", members)
		}
		return err
	})
	update(t, db, func(tx *store.Tx) error { return RemoveMember(tx, b.ID, a.ID) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return RemoveMember(tx, b.ID, a.ID) })
	groups(a.ID)
	update(t, db, func(tx *store.Tx) error { return DeletePrincipal(tx, a.ID) })
	groups()
}

func testApplications(t *testing.T, db *store.DB, tenant Tenant) {
	var app Application
	var sp Principal
	update(t, db, func(tx *store.Tx) (err error) {
		app, err = CreateApplication(tx, Application{Tenant: tenant.ID, DisplayName: "api", TokenVersion: 2, IdentifierURIs: []string{"api://b", "api://B", "api://a"}})
		if err != nil {
			return err
		}
		sp, err = CreateServicePrincipal(tx, app)
		return err
	})
	if string(app.ObjectID) == string(app.AppID) || app.ObjectID == sp.ID || sp.AppID != app.AppID {
		t.Errorf("the ids of %+v and %+v are mixed", app, sp)
	}
	view(t, db, func(tx *store.Tx) error {
		byID, err := ApplicationByAppID(tx, app.AppID)
		byURI, err2 := ApplicationByURI(tx, tenant.ID, "api://b")
		for _, got := range []Application{byID, byURI} {
			if diff := cmp.Diff(app, got, same); diff != "" {
				t.Error(diff)
			}
		}
		return errors.Join(err, err2)
	})
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := ApplicationByURI(tx, "another", "api://b"); return err })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := ApplicationByURI(tx, tenant.ID, "API://b"); return err })
	refused(t, db, fault.Conflict, func(tx *store.Tx) error {
		_, err := CreateApplication(tx, Application{Tenant: tenant.ID, DisplayName: "two", IdentifierURIs: []string{"api://a"}})
		return err
	})
	refused(t, db, fault.Conflict, func(tx *store.Tx) error { _, err := CreateServicePrincipal(tx, app); return err })
	for _, bad := range []Application{{}, {DisplayName: "v", TokenVersion: 3}, {DisplayName: "id", AppID: "x"}, {DisplayName: "uri", IdentifierURIs: []string{"a b:"}}} {
		bad.Tenant = tenant.ID
		refused(t, db, fault.Invalid, func(tx *store.Tx) error { _, err := CreateApplication(tx, bad); return err })
	}
	update(t, db, func(tx *store.Tx) error {
		_, _, err := AddPassword(tx, app.AppID, "", tx.Now.Add(time.Hour))
		return err
	})
	update(t, db, func(tx *store.Tx) error { return DeleteApplication(tx, app.AppID) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return DeleteApplication(tx, app.AppID) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := PrincipalByID(tx, sp.ID); return err })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { _, err := ApplicationByURI(tx, tenant.ID, "api://b"); return err })
}

func testPasswords(t *testing.T, db *store.DB, tenant Tenant) {
	var app Application
	var secret, old string
	var kept Credential
	update(t, db, func(tx *store.Tx) (err error) {
		if app, err = CreateApplication(tx, Application{Tenant: tenant.ID, DisplayName: "app"}); err != nil {
			return err
		}
		if old, _, err = AddPassword(tx, app.AppID, "old", tx.Now.Add(time.Microsecond)); err != nil {
			return err
		}
		secret, kept, err = AddPassword(tx, app.AppID, "new", tx.Now.AddDate(1, 0, 0))
		return err
	})
	// The look that secret scanners know.
	if !regexp.MustCompile(`^[A-Za-z0-9_.]{3}8Q~[A-Za-z0-9_.]{34}$`).MatchString(secret) || secret == old {
		t.Errorf("the secret is %q", secret)
	}
	if kept.Hint != secret[:3] {
		t.Errorf("the hint is %q", kept.Hint)
	}
	for given, want := range map[string]string{secret: "", old: CodePasswordExpired, "": CodePasswordWrong, secret + "x": CodePasswordWrong, secret[1:]: CodePasswordWrong, kept.KeyID: CodePasswordWrong} {
		err := db.View(t.Context(), func(tx *store.Tx) error { return CheckPassword(tx, app.AppID, given) })
		f, _ := errors.AsType[*fault.Error](err)
		if want == "" && err != nil || want != "" && (f == nil || f.Code != want || f.Kind != fault.Unauthorized) {
			t.Errorf("%q gives %v, want %q", given, err, want)
		}
	}
	refused(t, db, fault.Unauthorized, func(tx *store.Tx) error { return CheckPassword(tx, azure.NewAppID(), secret) })
	view(t, db, func(tx *store.Tx) error {
		all, err := Credentials(tx, app.AppID)
		if len(all) != 2 {
			t.Errorf("the credentials are %v", all)
		}
		return err
	})
	update(t, db, func(tx *store.Tx) error { return RemoveCredential(tx, app.AppID, kept.KeyID) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error { return RemoveCredential(tx, app.AppID, kept.KeyID) })
	refused(t, db, fault.Unauthorized, func(tx *store.Tx) error { return CheckPassword(tx, app.AppID, secret) })
	refused(t, db, fault.NotFound, func(tx *store.Tx) error {
		_, _, err := AddPassword(tx, azure.NewAppID(), "", tx.Now.Add(1))
		return err
	})
	refused(t, db, fault.Invalid, func(tx *store.Tx) error { _, _, err := AddPassword(tx, app.AppID, "", tx.Now); return err })
}

// someCertificate is one that is good for a year.
func someCertificate(t *testing.T) (der []byte, from time.Time) {
	from = time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if der, err = pki.SigningCertificate(key, "app", from, from.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	return der, from
}

func testCertificates(t *testing.T, db *store.DB, tenant Tenant) {
	der, from := someCertificate(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := pki.SigningCertificate(ec, "app", from, from.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var app Application
	var made Credential
	update(t, db, func(tx *store.Tx) (err error) {
		if app, err = CreateApplication(tx, Application{Tenant: tenant.ID, DisplayName: "app"}); err != nil {
			return err
		}
		made, err = AddCertificate(tx, app.AppID, "cert", der)
		return err
	})
	for _, thumbprint := range []string{pki.Thumbprint(der), pki.ThumbprintSHA256(der)} {
		view(t, db, func(tx *store.Tx) error {
			got, err := CertificateByThumbprint(tx, app.AppID, thumbprint)
			if diff := cmp.Diff(made, got, same); diff != "" || !got.StartAt.Equal(from) {
				t.Error(diff)
			}
			return err
		})
	}
	refused(t, db, fault.NotFound, func(tx *store.Tx) error {
		_, err := CertificateByThumbprint(tx, azure.NewAppID(), made.Thumbprint)
		return err
	})
	refused(t, db, fault.Unauthorized, func(tx *store.Tx) error { return CheckPassword(tx, app.AppID, made.Thumbprint) })
	for _, bad := range [][]byte{nil, []byte("garbage"), ecDER} {
		refused(t, db, fault.Invalid, func(tx *store.Tx) error { _, err := AddCertificate(tx, app.AppID, "", bad); return err })
	}
}
