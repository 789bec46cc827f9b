package arm

import (
	"context"
	"encoding/json"
	"net/url"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/sts"
)

// Provider is a resource provider: a namespace and its types. It is a plain
// value; midas.go lists all of them.
type Provider struct {
	Namespace string // "Microsoft.Compute"
	Types     []Type
	Actions   []Action // POST actions on a subscription: checkNameAvailability

	// DataActions are what roles may allow on the data plane of the provider's
	// resources, in full: they are told of, and asked for elsewhere.
	DataActions []string
}

// Type is a resource type. From these values the engine derives ids, versions,
// permissions, the verbs and the answer of GET /providers (design.md section 2).
type Type struct {
	Name         string   // without the namespace: "virtualMachines", "vaults/accessPolicies"
	Versions     []string // api-versions, newest first; anything at or after the oldest is served
	Tracked      bool     // has a location and tags, and is listed among resources
	Identity     bool     // may have an identity block
	Extension    bool     // lives at any scope, not in a group
	Subscription bool     // lives in a subscription, not in a group
	System       bool     // answers carry systemData
	ETag         bool     // answers carry an etag member and header
	Lock         bool     // is a management lock: no lock stands in its way
	Filtered     bool     // its list itself leaves out what the caller may not read
	Created      int      // status of a PUT that creates; 0 is 201
	Names        NameRule // what a name may be

	// Hooks of a type that is kept in the table of resources. All may be nil.
	Prepare func(*Change) error                   // validates and completes New before it is written
	Remove  func(*Change) error                   // cleans up what hangs off Old before it goes
	Show    func(*Call, *resource.Resource) error // adapts a copy to the api-version asked for

	// Move tells what hangs off a resource that its id is not Old's any more, but
	// New's. A type without it stays in its group.
	Move func(*Change) error

	// Attributes are what conditions of roles may ask of a call. It is asked only
	// where a decision depends on them, before the call is authorized.
	Attributes func(c *Call, write bool) (rbac.Attributes, error)

	// Table serves a type whose data is elsewhere.
	Table *Table

	Actions []Action
}

// Action is a POST on an item, or on a subscription.
type Action struct {
	Name string // last segment: "checkNameAvailability"
	Open bool   // a subscription's reader may call it: no permission of its own is asked for
	Run  func(*Call) (*Answer, error)
}

// Table is a type's own verbs. A nil one is answered with 405.
type Table struct {
	Get    func(*Call) (*Answer, error)
	List   func(*Call) ([]any, error) // ID is the scope
	Put    func(*Call) (*Answer, error)
	Patch  func(*Call) (*Answer, error)
	Delete func(*Call) (*Answer, error)

	// Page takes List's place where a list may be long: at most limit items,
	// after what a page before it returned as next.
	Page func(c *Call, after string, limit int) (items []any, next string, err error)
}

// Call is one request after its checks: who asks what of which resource, in
// one transaction.
type Call struct {
	Context context.Context
	Tx      *store.Tx
	Caller  sts.Caller
	Cloud   cloud.Profile
	ID      azure.ResourceID // the item, or the scope of a list or an action
	Type    *Type
	Version string     // api-version, as given
	Host    string     // that was asked: links in an answer lead there
	Query   url.Values // names as the caller spelled them
	Body    []byte

	// ManagementGroups contain every subscription of the tenant.
	ManagementGroups []azure.ResourceID

	attributes func() (rbac.Attributes, error) // nil where there are none
}

// Change is a write to a kept resource.
type Change struct {
	*Call
	Old *resource.Resource // nil on create
	New *resource.Resource // nil on delete
}

// Answer is what a verb answers with. A nil Body sends none.
type Answer struct {
	Status int
	Body   any
	Header map[string]string
}

// Properties decodes the properties of a resource into the shape of its type.
// Members that the shape does not have are left alone: newer api-versions send them.
func Properties[T any](r *resource.Resource) (p T, err error) {
	if len(r.Properties) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(r.Properties, &p); err != nil {
		return p, invalidJSON(err, "properties")
	}
	return p, nil
}

// SetProperties merges the shape's members into the properties of r, so that
// members the shape does not have stay.
func SetProperties(r *resource.Resource, shape any) error {
	patch, err := json.Marshal(shape)
	if err != nil {
		return err
	}
	r.Properties, err = mergePatch(r.Properties, patch)
	return err
}
