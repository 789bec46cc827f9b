package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// someCredential is a valid one of that name, with a subject of its own.
func someCredential(name string) FederatedCredential {
	return FederatedCredential{Name: name, Issuer: "https://issuer.example/", Subject: "system:serviceaccount:default:" + name, Audiences: []string{"api://AzureADTokenExchange"}}
}

// owners are the three kinds of principals with an app id.
func owners(t *testing.T, db *store.DB, tenant Tenant) (app Application, user, system Principal) {
	id, _ := azure.ParseResourceID("/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1")
	vm, _ := azure.ParseResourceID("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1")
	update(t, db, func(tx *store.Tx) error {
		var err, err2, err3, err4 error
		app, err = CreateApplication(tx, Application{Tenant: tenant.ID, DisplayName: "app"})
		_, err2 = CreateServicePrincipal(tx, app)
		user, err3 = CreateManagedIdentity(tx, tenant.ID, "id1", id)
		system, err4 = CreateManagedIdentity(tx, tenant.ID, "vm1", vm)
		return errors.Join(err, err2, err3, err4)
	})
	return app, user, system
}

func put(t *testing.T, db *store.DB, app azure.AppID, c FederatedCredential) (kept FederatedCredential, created bool) {
	t.Helper()
	update(t, db, func(tx *store.Tx) (err error) { kept, created, err = PutFederatedCredential(tx, app, c); return err })
	return kept, created
}

func listed(t *testing.T, db *store.DB, app azure.AppID) (all []FederatedCredential) {
	t.Helper()
	view(t, db, func(tx *store.Tx) (err error) { all, err = FederatedCredentials(tx, app); return err })
	return all
}

// testFederatedCredentials is their life: made, replaced, found, deleted, and
// gone with their owner.
func testFederatedCredentials(t *testing.T, db *store.DB, tenant Tenant) {
	app, user, system := owners(t, db, tenant)
	for _, owner := range []azure.AppID{app.AppID, user.AppID} {
		one, created := put(t, db, owner, someCredential("Job-1"))
		if !created || one.ID == "" {
			t.Fatalf("created %v: %+v", created, one)
		}
		changed := someCredential("JOB-1")
		changed.Subject, changed.Description = "System:ServiceAccount:default:Job-1", "another case is another subject"
		two, created := put(t, db, owner, changed)
		if created || two.ID != one.ID || two.Name != "Job-1" {
			t.Errorf("created %v: %+v", created, two)
		}
		view(t, db, func(tx *store.Tx) error {
			byName, err := FederatedCredentialByName(tx, owner, "job-1")
			byID, err2 := FederatedCredentialByID(tx, owner, strings.ToUpper(one.ID))
			for _, got := range append(listed(t, db, owner), byName, byID) {
				if diff := cmp.Diff(two, got, same); diff != "" {
					t.Error(diff)
				}
			}
			return errors.Join(err, err2)
		})
		put(t, db, owner, someCredential("job-2"))
		update(t, db, func(tx *store.Tx) error { return DeleteFederatedCredential(tx, owner, one.ID) })
		for _, missing := range []func(*store.Tx) error{
			func(tx *store.Tx) error { return DeleteFederatedCredential(tx, owner, one.ID) },
			func(tx *store.Tx) error { _, err := FederatedCredentialByName(tx, owner, "job-1"); return err },
			func(tx *store.Tx) error { _, err := FederatedCredentialByID(tx, owner, one.ID); return err },
			func(tx *store.Tx) error { _, err := FederatedCredentialByName(tx, system.AppID, "job-2"); return err },
		} {
			refused(t, db, fault.NotFound, missing)
		}
		if all := listed(t, db, owner); len(all) != 1 || all[0].Name != "job-2" {
			t.Errorf("left are %+v", all)
		}
	}
	testFederatedRules(t, db, app.AppID, system.AppID)
	view(t, db, func(tx *store.Tx) error {
		first, err := FederatedOwners(tx, "", 1)
		rest, err2 := FederatedOwners(tx, min(app.AppID, user.AppID), 10)
		if len(first) != 1 || first[0] != min(app.AppID, user.AppID) || len(rest) != 1 || rest[0] != max(app.AppID, user.AppID) {
			t.Errorf("the owners are %v, then %v", first, rest)
		}
		return errors.Join(err, err2)
	})
	// A service principal of an application may go; its application keeps what it has.
	update(t, db, func(tx *store.Tx) error {
		sp, err := PrincipalByAppID(tx, tenant.ID, app.AppID)
		return errors.Join(err, DeletePrincipal(tx, sp.ID))
	})
	if len(listed(t, db, app.AppID)) == 0 {
		t.Error("the application's went with its service principal")
	}
	update(t, db, func(tx *store.Tx) error {
		return errors.Join(DeleteApplication(tx, app.AppID), DeletePrincipal(tx, user.ID))
	})
	if all := append(listed(t, db, app.AppID), listed(t, db, user.AppID)...); len(all) != 0 {
		t.Errorf("without an owner are %+v", all)
	}
}

// testFederatedRules tries what must be refused; app has one credential.
func testFederatedRules(t *testing.T, db *store.DB, app, system azure.AppID) {
	long := strings.Repeat("x", maxFederatedText)
	for what, spoil := range map[string]func(*FederatedCredential){
		"a short name":            func(c *FederatedCredential) { c.Name = "ab" },
		"a long name":             func(c *FederatedCredential) { c.Name = strings.Repeat("n", 121) },
		"a dot in the name":       func(c *FederatedCredential) { c.Name = "a.b.c" },
		"no issuer":               func(c *FederatedCredential) { c.Issuer = "" },
		"an http issuer":          func(c *FederatedCredential) { c.Issuer = "http://issuer.example" },
		"an issuer with a query":  func(c *FederatedCredential) { c.Issuer = "https://issuer.example/?a" },
		"an issuer with a user":   func(c *FederatedCredential) { c.Issuer = "https://a@issuer.example/" },
		"an issuer of no host":    func(c *FederatedCredential) { c.Issuer = "https:///x" },
		"a long issuer":           func(c *FederatedCredential) { c.Issuer = "https://issuer.example/" + long },
		"no subject":              func(c *FederatedCredential) { c.Subject = "" },
		"a line in the subject":   func(c *FederatedCredential) { c.Subject = "a\nb" },
		"a long subject":          func(c *FederatedCredential) { c.Subject = "x" + long },
		"no audience":             func(c *FederatedCredential) { c.Audiences = nil },
		"an empty audience":       func(c *FederatedCredential) { c.Audiences = []string{" "} },
		"two audiences":           func(c *FederatedCredential) { c.Audiences = []string{"a", "b"} },
		"a long description":      func(c *FederatedCredential) { c.Description = "x" + long },
		"an issuer with a blank":  func(c *FederatedCredential) { c.Issuer = "https://issuer.example/a b" },
		"an issuer with fragment": func(c *FederatedCredential) { c.Issuer = "https://issuer.example/#" },
	} {
		c := someCredential("bad-one")
		spoil(&c)
		err := db.Update(t.Context(), func(tx *store.Tx) error { _, _, err := PutFederatedCredential(tx, app, c); return err })
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	give := func(owner azure.AppID, c FederatedCredential) func(*store.Tx) error {
		return func(tx *store.Tx) error { _, _, err := PutFederatedCredential(tx, owner, c); return err }
	}
	refused(t, db, fault.Invalid, give(system, someCredential("job")))
	refused(t, db, fault.NotFound, give(azure.NewAppID(), someCredential("job")))
	twin := someCredential("job-2")
	twin.Name, twin.Audiences = "twin", []string{"api://other"}
	refused(t, db, fault.Conflict, give(app, twin))
	for i := len(listed(t, db, app)); i < maxFederatedCredentials; i++ {
		put(t, db, app, someCredential(fmt.Sprintf("many-%d", i)))
	}
	err := db.Update(t.Context(), give(app, someCredential("one-too-many")))
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != CodeTooManyFederatedCredentials {
		t.Errorf("the 21st gives %v", err)
	}
	if _, created := put(t, db, app, someCredential("many-7")); created {
		t.Error("with 20 of them one cannot be replaced")
	}
}
