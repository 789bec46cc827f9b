package directory

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// FederatedCredential lets an application or a user-assigned managed identity
// sign in with a token that another issuer made: one with this issuer, this
// subject and this audience. All three are compared exactly, in case too.
type FederatedCredential struct {
	ID          string // GUID
	Name        string // as given; compared without case among the owner's
	Issuer      string // https URL, below which its discovery document is
	Subject     string
	Audiences   []string // exactly one
	Description string
	CreatedAt   time.Time
}

// Codes of the refusals of [PutFederatedCredential].
const (
	CodeTooManyFederatedCredentials  = "TooManyFederatedCredentials"
	CodeFederatedCredentialDuplicate = "FederatedCredentialDuplicate"
)

// Limits of federated credentials, as Entra has them (control-plane.md A8).
const (
	maxFederatedCredentials = 20  // of one owner
	maxFederatedText        = 600 // characters of issuer, subject, audience and description
)

var federatedName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$`)

// PutFederatedCredential creates the credential of that name, or replaces it
// under its old id, and reports which. app is the owner: an application or a
// user-assigned managed identity. One more than there may be, or a pair of
// issuer and subject that the owner has under another name, is a fault with
// one of the codes above.
func PutFederatedCredential(tx *store.Tx, app azure.AppID, c FederatedCredential) (_ FederatedCredential, created bool, err error) {
	if err := c.check(); err != nil {
		return c, false, err
	}
	if err := MayFederate(tx, app); err != nil {
		return c, false, err
	}
	all, err := FederatedCredentials(tx, app)
	if err != nil {
		return c, false, err
	}
	c.ID, c.CreatedAt, created = azure.NewGUID(), tx.Now, true
	for _, old := range all {
		switch {
		case strings.EqualFold(old.Name, c.Name):
			c.ID, c.Name, c.CreatedAt, created = old.ID, old.Name, old.CreatedAt, false
		case old.Issuer == c.Issuer && old.Subject == c.Subject:
			return c, false, fault.New(fault.Conflict, "The combination of issuer and subject must be unique for the application. Issuer %s and Subject %s already exist.", c.Issuer, c.Subject).
				Named(CodeFederatedCredentialDuplicate).At("subject")
		}
	}
	if created && len(all) >= maxFederatedCredentials {
		return c, false, fault.New(fault.Invalid, "An application or managed identity has at most %d federated identity credentials.", maxFederatedCredentials).Named(CodeTooManyFederatedCredentials)
	}
	return c, created, create(tx, `INSERT INTO federated_credentials (id, app_id, name, name_key, issuer, subject, audience, description, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET issuer = excluded.issuer, subject = excluded.subject, audience = excluded.audience, description = excluded.description`,
		c.ID, string(app), c.Name, azure.Fold(c.Name), c.Issuer, c.Subject, c.Audiences[0], c.Description, store.Micros(c.CreatedAt))
}

// check holds a credential against the rules that need nothing else.
func (c *FederatedCredential) check() error {
	invalid := func(target, format string, args ...any) error {
		return fault.New(fault.Invalid, format, args...).At(target)
	}
	if !federatedName.MatchString(c.Name) {
		return invalid("name", "The name of a federated identity credential has 3 to 120 letters, digits, hyphens and underscores, starting with a letter or digit.")
	}
	if c.Issuer == "" || c.Subject == "" || len(c.Audiences) == 0 {
		return invalid("federatedIdentityCredential", "Federated Identity Credential must specify 'issuer', 'subject' and 'audience'.")
	}
	if len(c.Audiences) > 1 {
		return invalid("audiences", "A federated identity credential has exactly one audience.")
	}
	for _, text := range []struct{ name, value string }{{"issuer", c.Issuer}, {"subject", c.Subject}, {"audiences", c.Audiences[0]}, {"description", c.Description}} {
		if len(text.value) > maxFederatedText || strings.ContainsFunc(text.value, isControl) {
			return invalid(text.name, "The %s of a federated identity credential has at most %d characters, none of which is a control character.", text.name, maxFederatedText)
		}
	}
	if strings.TrimSpace(c.Audiences[0]) == "" {
		return invalid("audiences", "The audience of a federated identity credential is empty.")
	}
	if !isIssuer(c.Issuer) {
		return invalid("issuer", "The issuer of a federated identity credential is an https URL without query and fragment.")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }

// isIssuer reports whether s can be the issuer of OpenID Connect (Discovery
// section 3), so that its document has an address.
func isIssuer(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && !strings.ContainsAny(s, "?# \\")
}

// MayFederate refuses an owner that cannot have federated credentials. A
// system-assigned identity has none: nobody but its machine signs in as it.
func MayFederate(tx *store.Tx, app azure.AppID) error {
	if _, err := ApplicationByAppID(tx, app); !fault.Is(err, fault.NotFound) {
		return err
	}
	p, err := principalWhere(tx, `p.app_id = $1 AND p.sp_type = $2`, azure.Fold(string(app)), string(TypeManagedIdentity))
	if fault.Is(err, fault.NotFound) {
		return noApplication()
	}
	if err == nil && !p.IsUserAssigned() {
		err = fault.New(fault.Invalid, "A system-assigned managed identity has no federated identity credentials.")
	}
	return err
}

// typeUserAssigned is the type of the resource that a user-assigned identity is.
const typeUserAssigned = "Microsoft.ManagedIdentity/userAssignedIdentities"

// IsUserAssigned reports whether a principal is a user-assigned managed
// identity: one that is a resource of its own, and not a part of another.
func (p Principal) IsUserAssigned() bool {
	return p.Type == TypeManagedIdentity && strings.EqualFold(p.Resource.Type(), typeUserAssigned)
}

const federatedColumns = `id, name, issuer, subject, audience, description, created_at`

func scanFederated(scan func(...any) error) (c FederatedCredential, err error) {
	var audience string
	var at int64
	err = scan(&c.ID, &c.Name, &c.Issuer, &c.Subject, &audience, &c.Description, &at)
	c.Audiences, c.CreatedAt = []string{audience}, store.Time(at)
	return c, err
}

// FederatedCredentials lists those of an application or managed identity, the
// oldest first. There are never many.
func FederatedCredentials(tx *store.Tx, app azure.AppID) ([]FederatedCredential, error) {
	return store.Collect(tx, scanFederated, `SELECT `+federatedColumns+` FROM federated_credentials WHERE app_id = $1 ORDER BY created_at, id`, string(app))
}

func noFederatedCredential() *fault.Error {
	return fault.New(fault.NotFound, "The federated identity credential does not exist.").Named("FederatedIdentityCredentialNotFound")
}

// FederatedCredentialByName finds one of an owner's by its name.
func FederatedCredentialByName(tx *store.Tx, app azure.AppID, name string) (FederatedCredential, error) {
	return one(tx, scanFederated, noFederatedCredential(), `SELECT `+federatedColumns+` FROM federated_credentials WHERE app_id = $1 AND name_key = $2`, string(app), azure.Fold(name))
}

// FederatedCredentialByID finds one of an owner's by its id.
func FederatedCredentialByID(tx *store.Tx, app azure.AppID, id string) (FederatedCredential, error) {
	return one(tx, scanFederated, noFederatedCredential(), `SELECT `+federatedColumns+` FROM federated_credentials WHERE app_id = $1 AND id = $2`, string(app), azure.Fold(id))
}

// DeleteFederatedCredential removes one of an owner's by its id.
func DeleteFederatedCredential(tx *store.Tx, app azure.AppID, id string) error {
	return change(tx, noFederatedCredential(), `DELETE FROM federated_credentials WHERE app_id = $1 AND id = $2`, string(app), azure.Fold(id))
}

// FederatedOwners lists who has federated credentials, in the order of their
// app ids: at most limit, after one, or from the first where after is "".
func FederatedOwners(tx *store.Tx, after azure.AppID, limit int) ([]azure.AppID, error) {
	return store.Collect(tx, func(scan func(...any) error) (app azure.AppID, err error) { return app, scan(&app) },
		`SELECT DISTINCT app_id FROM federated_credentials WHERE app_id > $1 ORDER BY app_id LIMIT $2`, string(after), limit)
}
