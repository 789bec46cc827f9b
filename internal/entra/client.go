package entra

import (
	"errors"
	"net/url"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/sts"
)

// application is a program that people sign in to.
type application struct {
	id         azure.AppID
	name       string
	firstParty bool // ours: known in every tenant, public, and needs no consent
	home       azure.TenantID
	signIn     directory.SignIn
}

// firstParty are the well-known public clients: the programs of Azure's own
// that people sign in to on their machines. One of them may redeem what
// another was given (foci): they are one family.
var firstParty = []application{
	{id: "04b07795-8ddb-461a-bbee-02f9e1bf7b46", name: "Microsoft Azure CLI"},
	{id: "1950a258-227b-4e31-a9cf-717495945fc2", name: "Microsoft Azure PowerShell"},
}

// family is the number of the family, as the wire has it.
const family = "1"

// findApplication finds a program by its id, in whatever tenant.
func findApplication(tx *store.Tx, id string) (application, error) {
	folded, ok := azure.ParseGUID(id)
	if !ok {
		return application{}, applicationNotFound.with("(not a GUID)", "any tenant")
	}
	for _, a := range firstParty {
		if string(a.id) == folded {
			a.firstParty = true
			a.signIn = directory.SignIn{PublicClient: true, Redirects: []directory.Redirect{{Platform: directory.PublicClient, URI: "http://localhost"}, {Platform: directory.PublicClient, URI: "http://127.0.0.1"}}}
			return a, nil
		}
	}
	found, err := directory.ApplicationByAppID(tx, azure.AppID(folded))
	if fault.Is(err, fault.NotFound) {
		return application{}, applicationNotFound.with(folded, "any tenant")
	}
	if err != nil {
		return application{}, err
	}
	a := application{id: found.AppID, name: found.DisplayName, home: found.Tenant}
	a.signIn, err = directory.SignInOf(tx, a.id)
	return a, err
}

// in reports why people of a tenant cannot sign in to the application, or nil.
func (a application) in(tx *store.Tx, tenant directory.Tenant) error {
	if a.firstParty {
		return nil
	}
	principal, err := directory.PrincipalByAppID(tx, tenant.ID, a.id)
	switch {
	case fault.Is(err, fault.NotFound):
		return applicationNotFound.with(string(a.id), tenant.DisplayName)
	case err != nil:
		return err
	case !principal.Enabled:
		return applicationDisabled.with(string(a.id), a.name)
	}
	return nil
}

// redirect finds the registration that allows an address.
func (a application) redirect(uri string) (directory.Redirect, bool) {
	for _, r := range a.signIn.Redirects {
		if r.Allows(uri) {
			return r, true
		}
	}
	return directory.Redirect{}, false
}

// requester is the application that asks for a user's tokens, and how good its proof is.
type requester struct {
	application
	auth string // appidacr: sts.ClientAuthNone where it gave no proof
}

// requester finds the application of a request and checks the proof that it
// gives. One that gives none is a public client or is refused: see [requester.mayBePublic].
func (d *Door) requester(tx *store.Tx, t *tokenRequest) (requester, error) {
	p, err := t.proof()
	if f, ok := errors.AsType[*failure](err); ok && f.number == noCredential {
		p, err = proof{clientID: t.clientID()}, nil
	}
	if err != nil {
		return requester{}, err
	}
	a, err := findApplication(tx, p.clientID)
	if err != nil {
		return requester{}, err
	}
	proven := p.secret != "" || p.assertion != ""
	if a.firstParty && proven {
		return requester{}, publicClientProof.with(string(a.id))
	}
	if !proven {
		return requester{a, sts.ClientAuthNone}, nil
	}
	auth, err := d.check(tx, t, a.id, p)
	return requester{a, auth}, err
}

// mayBePublic refuses an application without a proof unless it is registered
// as one that has none: by its platform where that is known, else as a whole.
func (r requester) mayBePublic(platform directory.Platform) error {
	switch public := r.signIn.PublicClient || platform == directory.PublicClient || platform == directory.SPA; {
	case r.auth == sts.ClientAuthNone && (!public || platform == directory.Web):
		return noCredential.with()
	case r.auth != sts.ClientAuthNone && (platform == directory.PublicClient || platform == directory.SPA):
		return publicClientProof.with(string(r.id))
	}
	return nil
}

// clientID is the client's name in the form or in the Authorization header.
func (t *tokenRequest) clientID() string {
	if id := t.form.Get("client_id"); id != "" {
		return id
	}
	id, _, _ := t.BasicAuth()
	id, _ = url.QueryUnescape(id)
	return id
}
