package azure

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Types of the ids that have no provider of their own.
const (
	TypeTenant          = "Microsoft.Resources/tenants"
	TypeSubscription    = "Microsoft.Resources/subscriptions"
	TypeResourceGroup   = "Microsoft.Resources/subscriptions/resourceGroups"
	TypeManagementGroup = "Microsoft.Management/managementGroups"
)

// ResourceID is the parsed path of a resource or scope, as in control-plane.md B1:
//
//	/                                                       the tenant root
//	/providers/Microsoft.Management/managementGroups/{id}
//	/subscriptions/{guid}
//	/subscriptions/{guid}/resourceGroups/{rg}
//	…/providers/{namespace}/{type}/{name}[/{type}/{name}]…  a resource, or an
//	                                                        extension of the scope before it
//
// It keeps the caller's casing and compares by [ResourceID.Key]. The zero
// value is no id at all and differs from the tenant root.
type ResourceID struct {
	path   string // without a trailing slash; "/" for the tenant root
	key    string // path, folded
	typ    string // "Namespace/type[/childType…]", as given
	parent int    // length of the path of the parent: scope, container or owning resource
	scope  int    // length of the path before the last "/providers/"
}

// Root is the tenant root, above every other scope.
func Root() ResourceID { return ResourceID{path: "/", key: "/", typ: TypeTenant} }

// SubscriptionScope returns the id of a subscription.
func SubscriptionScope(s SubscriptionID) ResourceID {
	id, err := ParseResourceID("/subscriptions/" + string(s))
	if err != nil {
		return ResourceID{}
	}
	return id
}

// maxResourceID bounds an id; real ones stay under 2,083 characters with their URL.
const maxResourceID = 2048

var errNotResourceID = errors.New("not a resource id")

// ParseResourceID reads a path. Empty segments (a double or trailing slash, as
// real clients send them) are dropped. The last "/providers/" starts the
// resource, since a scope may itself hold one.
func ParseResourceID(s string) (ResourceID, error) {
	if len(s) == 0 || len(s) > maxResourceID || s[0] != '/' || !utf8.ValidString(s) {
		return ResourceID{}, errNotResourceID
	}
	segs := make([]string, 0, 16)
	for seg := range strings.SplitSeq(s, "/") {
		if seg == "" {
			continue
		}
		if strings.TrimSpace(seg) == "" || strings.ContainsFunc(seg, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return ResourceID{}, errNotResourceID
		}
		segs = append(segs, seg)
	}
	if len(segs) == 0 {
		return Root(), nil
	}
	return parseSegments(segs)
}

// parseSegments walks the scopes one after another: a container first, then
// one provider part after another, each an extension of what came before.
func parseSegments(segs []string) (ResourceID, error) {
	id := ResourceID{path: "/" + strings.Join(segs, "/"), typ: TypeTenant}
	id.key = Fold(id.path)
	i, end := 0, 0 // next segment; length of the path consumed so far
	advance := func(n int) {
		id.parent = end
		for range n {
			end += 1 + len(segs[i])
			i++
		}
	}
	if strings.EqualFold(segs[0], "subscriptions") {
		if len(segs) < 2 {
			return ResourceID{}, errNotResourceID
		}
		advance(2)
		id.typ = TypeSubscription
		if i < len(segs) && strings.EqualFold(segs[i], "resourceGroups") {
			if i+1 == len(segs) {
				return ResourceID{}, errNotResourceID
			}
			advance(2)
			id.typ = TypeResourceGroup
		}
	}
	for i < len(segs) {
		if !strings.EqualFold(segs[i], "providers") || len(segs)-i < 4 {
			return ResourceID{}, fmt.Errorf("%w: expected /providers/{namespace}/{type}/{name}", errNotResourceID)
		}
		id.scope = end
		namespace := segs[i+1]
		id.typ = namespace + "/" + segs[i+2]
		advance(4)
		for i < len(segs) && !strings.EqualFold(segs[i], "providers") {
			if i+1 == len(segs) {
				return ResourceID{}, errNotResourceID
			}
			id.typ += "/" + segs[i]
			advance(2)
		}
	}
	return id, nil
}

// String returns the id with the casing it was given.
func (id ResourceID) String() string { return id.path }

// IsZero reports whether id is no id at all.
func (id ResourceID) IsZero() bool { return id.path == "" }

// Key returns the folded form: two ids name the same thing when their keys are equal.
func (id ResourceID) Key() string { return id.key }

// Equal reports whether both name the same resource.
func (id ResourceID) Equal(other ResourceID) bool { return id.key == other.key }

// Type returns "Namespace/type[/childType…]" with the casing it was given;
// compare it with [strings.EqualFold].
func (id ResourceID) Type() string { return id.typ }

// Name returns the last segment, or "" at the tenant root.
func (id ResourceID) Name() string { return id.path[strings.LastIndexByte(id.path, '/')+1:] }

// Parent returns what contains id: the owning resource of a child type, the
// scope of a resource or extension, the subscription of a group, and the
// tenant root at last. The root is its own parent.
func (id ResourceID) Parent() ResourceID { return id.prefix(id.parent) }

// Scope returns the part before the last "/providers/": the container of a
// resource, or the scope that an extension belongs to. For a container it is
// the id itself.
func (id ResourceID) Scope() ResourceID {
	if id.typ == TypeTenant || id.typ == TypeSubscription || id.typ == TypeResourceGroup {
		return id
	}
	return id.prefix(id.scope)
}

func (id ResourceID) prefix(n int) ResourceID {
	if n == 0 {
		return Root()
	}
	p, err := ParseResourceID(id.path[:n])
	if err != nil {
		return Root()
	}
	return p
}

// Subscription returns the subscription the id lies in, folded, or "".
func (id ResourceID) Subscription() SubscriptionID {
	return SubscriptionID(Fold(id.segmentAfter("subscriptions", 0)))
}

// ResourceGroup returns the name of the group the id lies in, as given, or "".
func (id ResourceID) ResourceGroup() string { return id.segmentAfter("resourcegroups", 2) }

// segmentAfter returns the value at position at+1 if the segment at position
// at is word.
func (id ResourceID) segmentAfter(word string, at int) string {
	segs := strings.SplitN(id.path, "/", at+4)
	if len(segs) < at+3 || !strings.EqualFold(segs[at+1], word) {
		return ""
	}
	return segs[at+2]
}

// Join returns the id of a resource or extension below id: elements are
// joined as they are, for example Join("providers", ns, typ, name).
func (id ResourceID) Join(elements ...string) ResourceID {
	child, err := ParseResourceID(strings.TrimSuffix(id.path, "/") + "/" + strings.Join(elements, "/"))
	if err != nil {
		return ResourceID{}
	}
	return child
}

// Covers reports whether a grant at id reaches other: by whole segments, so
// that rg1 does not cover rg10 (design.md section 8). Every id covers itself
// and the root covers all.
func (id ResourceID) Covers(other ResourceID) bool {
	if id.key == "/" {
		return !other.IsZero()
	}
	n := len(id.key)
	return n > 0 && strings.HasPrefix(other.key, id.key) && (len(other.key) == n || other.key[n] == '/')
}
