package arm

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/fault"
)

// target is what a path means, before anything is looked up.
type target struct {
	id    azure.ResourceID // the item, or the scope of a collection or action
	serve func(*Door, *Call, *http.Request) (*Answer, error)
}

// target reads a path. Fixed words compare without case (control-plane.md B1).
func (d *Door) target(method string, segs []string) (target, error) {
	if err := checkSegments(segs); err != nil {
		return target{}, err
	}
	if t, ok, err := d.own(method, segs); ok || err != nil {
		return t, err
	}
	i := lastProviders(segs)
	if i < 0 || len(segs)-i < 3 {
		return target{}, notFound(segs)
	}
	scope, err := parseID(segs[:i])
	if err != nil {
		return target{}, err
	}
	namespace, rest := segs[i+1], segs[i+2:]
	var typ []string
	for j := 0; j < len(rest); j += 2 {
		typ = append(typ, rest[j])
	}
	switch {
	case method == http.MethodPost:
		return d.action(segs, i, scope, namespace, rest)
	case len(rest)%2 == 0:
		id, err := parseID(segs)
		return target{id, func(d *Door, c *Call, r *http.Request) (*Answer, error) {
			return d.item(c, r, namespace, strings.Join(typ, "/"))
		}}, err
	case method == http.MethodGet:
		if len(rest) > 1 { // children of one resource
			scope, err = parseID(segs[:len(segs)-1])
		}
		return target{scope, func(d *Door, c *Call, r *http.Request) (*Answer, error) {
			return d.collection(c, r, namespace, strings.Join(typ, "/"))
		}}, err
	}
	return target{}, methodNotAllowed(method)
}

// own matches the paths that belong to no provider.
func (d *Door) own(method string, segs []string) (target, bool, error) {
	is := func(pattern string) bool { return matches(pattern, segs) }
	serve := func(id azure.ResourceID, verbs map[string]verb) (target, bool, error) {
		f, ok := verbs[method]
		if !ok {
			return target{}, true, methodNotAllowed(method)
		}
		return target{id, func(d *Door, c *Call, r *http.Request) (*Answer, error) {
			if older(c.Version, ownVersions) {
				return nil, invalidVersion(c.Version, ownVersions)
			}
			return f(d, c, r)
		}}, true, nil
	}
	get := func(f verb) map[string]verb { return map[string]verb{http.MethodGet: f} }
	switch {
	case is("tenants"):
		return serve(azure.Root(), get((*Door).tenants))
	case is("providers"), is("providers/*"):
		return serve(azure.Root(), get((*Door).providers))
	case is("providers/Microsoft.Authorization/providerOperations"), is("providers/Microsoft.Authorization/providerOperations/*"):
		return serve(azure.Root(), get((*Door).operations))
	case is("subscriptions"):
		return serve(azure.Root(), get((*Door).subscriptions))
	case len(segs) >= 2 && strings.EqualFold(segs[0], "subscriptions"):
	default:
		return target{}, false, nil
	}
	sub, err := parseID(segs[:2])
	if err != nil {
		return target{}, true, err
	}
	switch {
	case len(segs) == 2:
		return serve(sub, get((*Door).subscription))
	case is("subscriptions/*/locations"):
		return serve(sub, get((*Door).locations))
	case is("subscriptions/*/providers"), is("subscriptions/*/providers/*"):
		return serve(sub, get((*Door).providers))
	case is("subscriptions/*/providers/*/register"), is("subscriptions/*/providers/*/unregister"):
		return serve(sub, map[string]verb{http.MethodPost: (*Door).register})
	case is("subscriptions/*/tagNames"):
		return serve(sub, get((*Door).tagNames))
	case is("subscriptions/*/tagNames/*"), is("subscriptions/*/tagNames/*/tagValues/*"):
		return serve(sub, map[string]verb{http.MethodPut: (*Door).putTagName, http.MethodDelete: (*Door).deleteTagName})
	case is("subscriptions/*/resources"):
		return serve(sub, get((*Door).resources))
	case is("subscriptions/*/resourcegroups"):
		return serve(sub, get((*Door).groups))
	case is("subscriptions/*/resourcegroups/*"), is("subscriptions/*/resourcegroups/*/resources"), is("subscriptions/*/resourcegroups/*/moveResources"),
		is("subscriptions/*/resourcegroups/*/validateMoveResources"), is("subscriptions/*/resourcegroups/*/exportTemplate"):
		group, err := parseID(segs[:4])
		if err != nil {
			return target{}, true, err
		}
		if len(segs) == 5 {
			return serve(group, groupVerbs[strings.ToLower(segs[4])])
		}
		return serve(group, map[string]verb{http.MethodGet: (*Door).getGroup, http.MethodHead: (*Door).headGroup, http.MethodPut: (*Door).putGroup, http.MethodPatch: (*Door).patchGroup, http.MethodDelete: (*Door).deleteGroup})
	}
	return target{}, false, nil
}

// groupVerbs are what can be asked below a resource group.
var groupVerbs = map[string]map[string]verb{
	"resources":             {http.MethodGet: (*Door).resources},
	"moveresources":         {http.MethodPost: (*Door).moveResources},
	"validatemoveresources": {http.MethodPost: (*Door).moveResources},
	"exporttemplate":        {http.MethodPost: (*Door).exportTemplate},
}

type verb = func(*Door, *Call, *http.Request) (*Answer, error)

// matches compares segments with a pattern in which * stands for any one.
func matches(pattern string, segs []string) bool {
	words := strings.Split(pattern, "/")
	if len(words) != len(segs) {
		return false
	}
	for i, w := range words {
		if w != "*" && !strings.EqualFold(w, segs[i]) {
			return false
		}
	}
	return true
}

// action is a POST on an item, or directly under a namespace at a scope.
func (d *Door) action(segs []string, i int, scope azure.ResourceID, namespace string, rest []string) (target, error) {
	name := rest[len(rest)-1]
	if len(rest) == 1 {
		return target{scope, func(d *Door, c *Call, r *http.Request) (*Answer, error) {
			return d.subscriptionAction(c, namespace, name)
		}}, nil
	}
	if len(rest)%2 == 0 {
		return target{}, methodNotAllowed(http.MethodPost)
	}
	id, err := parseID(segs[:len(segs)-1])
	return target{id, func(d *Door, c *Call, r *http.Request) (*Answer, error) {
		return d.itemAction(c, namespace, name)
	}}, err
}

// lastProviders finds the "providers" that starts the resource: the last one,
// since a scope may itself hold one.
func lastProviders(segs []string) int {
	for i := len(segs) - 2; i >= 0; i-- {
		if strings.EqualFold(segs[i], "providers") {
			return i
		}
	}
	return -1
}

// checkSegments refuses what no name, type or namespace has in it.
func checkSegments(segs []string) error {
	for _, s := range segs {
		if strings.ContainsRune(s, '/') || strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s) {
			return fault.New(fault.Invalid, "The segment '%.64s' of the request path is not valid: it has a '/' or a control character in it, or is not UTF-8.", s).Named(CodeInvalidName)
		}
	}
	return nil
}

func parseID(segs []string) (azure.ResourceID, error) {
	id, err := azure.ParseResourceID("/" + strings.Join(segs, "/"))
	if err != nil {
		return id, fault.Wrap(err, fault.Invalid, "The request path '/%.512s' is not a valid resource id.", strings.Join(segs, "/")).Named("InvalidResourceId")
	}
	return id, nil
}

func notFound(segs []string) error {
	return fault.New(fault.NotFound, "No HTTP resource was found that matches the request path '/%.512s'.", strings.Join(segs, "/")).Named(CodeNotFound)
}

func methodNotAllowed(method string) error {
	return fault.New(fault.Unsupported, "The request's HTTP method '%.16s' is not supported here.", method).Named(CodeMethodNotAllowed)
}
