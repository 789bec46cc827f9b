package directory

import (
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Tenant is a directory of its own: nothing in one tenant sees another.
type Tenant struct {
	ID          azure.TenantID
	DisplayName string
	Domain      string // its verified domain, as given; it names the tenant in sign-in addresses
	CreatedAt   time.Time
}

// CreateTenant stores t with a new id where it has none. A domain or id that
// is taken is a Conflict.
func CreateTenant(tx *store.Tx, t Tenant) (Tenant, error) {
	if t.ID == "" {
		t.ID = azure.TenantID(azure.NewGUID())
	}
	id, err := guid(t.ID, "tenant")
	if err != nil {
		return Tenant{}, err
	}
	if err := checkName(t.DisplayName); err != nil {
		return Tenant{}, err
	}
	if !isDomain(t.Domain) {
		return Tenant{}, fault.New(fault.Invalid, "The domain of a tenant is a DNS name of at least two labels.").At("domain")
	}
	t.ID, t.CreatedAt = id, tx.Now
	return t, create(tx, `INSERT INTO tenants (id, display_name, domain, domain_key, created_at) VALUES ($1, $2, $3, $4, $5)`,
		string(t.ID), t.DisplayName, t.Domain, azure.Fold(t.Domain), store.Micros(t.CreatedAt))
}

// isDomain keeps GUIDs, "common" and its like, and whatever breaks a URL from being domains.
func isDomain(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(azure.Fold(s), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') }) {
			return false
		}
	}
	return true
}

const tenantColumns = `id, display_name, domain, created_at`

func scanTenant(scan func(...any) error) (t Tenant, err error) {
	var at int64
	err = scan(&t.ID, &t.DisplayName, &t.Domain, &at)
	t.CreatedAt = store.Time(at)
	return t, err
}

// Tenants lists all tenants, the oldest first.
func Tenants(tx *store.Tx) ([]Tenant, error) {
	return store.Collect(tx, scanTenant, `SELECT `+tenantColumns+` FROM tenants ORDER BY created_at, id`)
}

// TenantByIDOrDomain finds a tenant by either of the names that a sign-in
// address may hold, without regard to case.
func TenantByIDOrDomain(tx *store.Tx, name string) (Tenant, error) {
	missing := fault.New(fault.NotFound, "The tenant does not exist.").At("tenant")
	if id, ok := azure.ParseGUID(name); ok {
		return one(tx, scanTenant, missing, `SELECT `+tenantColumns+` FROM tenants WHERE id = $1`, id)
	}
	return one(tx, scanTenant, missing, `SELECT `+tenantColumns+` FROM tenants WHERE domain_key = $1`, azure.Fold(name))
}

// SubscriptionState is the state of a subscription, in Resource Manager's words.
type SubscriptionState string

// The states.
const (
	SubscriptionEnabled  SubscriptionState = "Enabled"
	SubscriptionDisabled SubscriptionState = "Disabled"
)

// Subscription is where resources are put; its tenant is the one that it trusts.
type Subscription struct {
	ID          azure.SubscriptionID
	Tenant      azure.TenantID
	DisplayName string
	State       SubscriptionState
	CreatedAt   time.Time
}

// CreateSubscription stores s, enabled and with a new id where it has none.
func CreateSubscription(tx *store.Tx, s Subscription) (Subscription, error) {
	if s.ID == "" {
		s.ID = azure.SubscriptionID(azure.NewGUID())
	}
	if s.State == "" {
		s.State = SubscriptionEnabled
	}
	id, err := guid(s.ID, "subscription")
	if err != nil {
		return Subscription{}, err
	}
	if err := checkName(s.DisplayName); err != nil {
		return Subscription{}, err
	}
	s.ID, s.CreatedAt = id, tx.Now
	return s, create(tx, `INSERT INTO subscriptions (id, tenant_id, display_name, state, created_at) VALUES ($1, $2, $3, $4, $5)`,
		string(s.ID), string(s.Tenant), s.DisplayName, string(s.State), store.Micros(s.CreatedAt))
}

const subscriptionColumns = `id, tenant_id, display_name, state, created_at`

func scanSubscription(scan func(...any) error) (s Subscription, err error) {
	var at int64
	err = scan(&s.ID, &s.Tenant, &s.DisplayName, &s.State, &at)
	s.CreatedAt = store.Time(at)
	return s, err
}

// Subscriptions lists the subscriptions of a tenant, the oldest first.
func Subscriptions(tx *store.Tx, tenant azure.TenantID) ([]Subscription, error) {
	return store.Collect(tx, scanSubscription, `SELECT `+subscriptionColumns+` FROM subscriptions WHERE tenant_id = $1 ORDER BY created_at, id`, string(tenant))
}

// SubscriptionByID finds a subscription. id is folded, as [azure.ResourceID] gives it.
func SubscriptionByID(tx *store.Tx, id azure.SubscriptionID) (Subscription, error) {
	return store.Memo(tx, id, func() (Subscription, error) {
		return one(tx, scanSubscription, fault.New(fault.NotFound, "The subscription does not exist.").Named("SubscriptionNotFound").At("subscription"),
			`SELECT `+subscriptionColumns+` FROM subscriptions WHERE id = $1`, string(id))
	}, store.Directory)
}
