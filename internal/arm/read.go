package arm

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/resource"
)

// lookUp finds the type of a call, after the permission was checked: a caller
// without rights does not learn which types there are.
func (d *Door) lookUp(c *Call, namespace, typ string) (*Provider, *Type, error) {
	p, t := d.find(namespace, typ)
	if p == nil {
		return nil, nil, fault.New(fault.NotFound, "The resource namespace '%.64s' is invalid.", namespace).Named(CodeInvalidNamespace)
	}
	if t == nil {
		return nil, nil, fault.New(fault.NotFound, "The resource type '%.128s' could not be found in the namespace '%s' for api version '%s'. The supported api-versions are '%s'.", typ, p.Namespace, c.Version, strings.Join(p.versions(), ",")).Named(CodeInvalidType)
	}
	if t.Subscription && !c.ID.Scope().Equal(azure.SubscriptionScope(c.ID.Subscription())) {
		return nil, nil, fault.New(fault.NotFound, "The resource type '%s/%s' is in subscriptions, not at '%s'.", p.Namespace, t.Name, c.ID.Scope()).Named(CodeNotFound)
	}
	c.Type = t
	return p, t, d.checkVersion(c, p.Namespace)
}

// item serves one resource by its verb.
func (d *Door) item(c *Call, r *http.Request, namespace, typ string) (*Answer, error) {
	action := map[string]string{http.MethodGet: "read", http.MethodHead: "read", http.MethodPut: "write", http.MethodPatch: "write", http.MethodDelete: "delete"}[r.Method]
	if action == "" {
		return nil, methodNotAllowed(r.Method)
	}
	if _, t := d.find(namespace, typ); t != nil && t.Attributes != nil {
		c.attributes = func() (rbac.Attributes, error) { return t.Attributes(c, action == "write") }
	}
	if err := c.authorize(d.operation(namespace, typ, action), c.ID); err != nil {
		return nil, err
	}
	p, t, err := d.lookUp(c, namespace, typ)
	if err != nil {
		return nil, err
	}
	if change, ok := changes[action]; ok {
		if err := c.unlocked(change); err != nil {
			return nil, err
		}
		if err := c.registered(p, change); err != nil {
			return nil, err
		}
	}
	if err := d.containers(c, t, action); err != nil {
		return nil, err
	}
	if t.Table != nil {
		return d.tableItem(c, r.Method)
	}
	switch r.Method {
	case http.MethodPut:
		return d.put(c, r, p, t)
	case http.MethodPatch:
		return d.patch(c, r, p, t)
	case http.MethodDelete:
		return d.delete(c, r, t)
	}
	res, err := resource.Get(c.Tx, c.ID)
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodHead {
		return &Answer{Status: http.StatusNoContent}, nil
	}
	return d.answer(c, http.StatusOK, p, t, res)
}

func (d *Door) tableItem(c *Call, method string) (*Answer, error) {
	verb := map[string]func(*Call) (*Answer, error){http.MethodGet: c.Type.Table.Get, http.MethodHead: c.Type.Table.Get, http.MethodPut: c.Type.Table.Put, http.MethodPatch: c.Type.Table.Patch, http.MethodDelete: c.Type.Table.Delete}[method]
	if verb == nil {
		return nil, methodNotAllowed(method)
	}
	return verb(c)
}

func (d *Door) answer(c *Call, status int, p *Provider, t *Type, res *resource.Resource) (*Answer, error) {
	body, err := d.show(c, p, t, res)
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: status, Body: body}
	if t.ETag {
		a.Header = map[string]string{"ETag": etag(res)}
	}
	return a, nil
}

// operation spells an action with the type's own casing where it is known.
func (d *Door) operation(namespace, typ, action string) string {
	if p, t := d.find(namespace, typ); t != nil {
		return p.Namespace + "/" + t.Name + "/" + action
	}
	return namespace + "/" + typ + "/" + action
}

// containers checks that what holds the item is there: its group, and the
// resource that it is a child of.
func (d *Door) containers(c *Call, t *Type, action string) error {
	if t.Subscription {
		return nil
	}
	group := groupOf(c.ID)
	if !t.Extension && !c.ID.Scope().Equal(group) {
		return fault.New(fault.Invalid, "The resource '%s' of type '%s' must be in a resource group.", c.ID.Name(), t.Name).Named("MissingResourceGroup")
	}
	if group.IsZero() {
		return nil
	}
	if ok, err := resource.Exists(c.Tx, group); err != nil {
		return err
	} else if !ok {
		return resource.NotFound(group)
	}
	parent := c.ID.Parent()
	if t.Extension || parent.Equal(group) {
		return nil
	}
	if ok, err := resource.Exists(c.Tx, parent); ok || err != nil {
		return err
	}
	return fault.New(fault.NotFound, "Failed to perform '%s' on resource(s) of type '%s', because the parent resource '%s' could not be found.", action, t.Name, parent).Named(CodeParentNotFound)
}

// groupOf returns the id of the resource group that an id lies in.
func groupOf(id azure.ResourceID) azure.ResourceID {
	if id.ResourceGroup() == "" {
		return azure.ResourceID{}
	}
	return azure.SubscriptionScope(id.Subscription()).Join("resourceGroups", id.ResourceGroup())
}

// collection lists a type at a scope, as far as the caller may read.
func (d *Door) collection(c *Call, r *http.Request, namespace, typ string) (*Answer, error) {
	action := d.operation(namespace, typ, "read")
	_, known := d.find(namespace, typ)
	if known != nil && known.Filtered {
		if err := c.sees(action); err != nil {
			return nil, err
		}
	} else if known != nil && known.Table != nil {
		if err := c.authorize(action, c.ID); err != nil {
			return nil, err
		}
	}
	grants, err := rbac.GrantsFor(c.Tx, c.Caller.Principals, action, false, c.ManagementGroups...)
	if err != nil {
		return nil, err
	}
	within := grants.Within(c.ID)
	if (len(within) == 0 || grants.Denied(c.ID)) && (known == nil || !known.Filtered) {
		if err := c.authorize(action, c.ID); err != nil {
			return nil, err
		}
	}
	p, t, err := d.lookUp(c, namespace, typ)
	if err != nil {
		return nil, err
	}
	if group := groupOf(c.ID); !group.IsZero() {
		if ok, err := resource.Exists(c.Tx, group); err != nil || !ok {
			return nil, firstError(err, resource.NotFound(group))
		}
	}
	if t.Table != nil {
		return d.tableList(c, r)
	}
	keep := func(res *resource.Resource) bool { return !grants.Denied(res.ID) }
	return d.page(c, r, resource.Query{Type: p.Namespace + "/" + t.Name, Within: c.ID, Grants: within}, keep, func(res *resource.Resource) (any, error) {
		return d.show(c, p, t, res)
	})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Door) tableList(c *Call, r *http.Request) (*Answer, error) {
	var items []any
	var next string
	var err error
	switch t := c.Type.Table; {
	case t.Page != nil:
		var limit int
		if limit, err = top(c); err == nil {
			items, next, err = t.Page(c, c.Param("$skiptoken"), limit)
		}
	case t.List != nil:
		items, err = t.List(c)
	default:
		err = methodNotAllowed(http.MethodGet)
	}
	if err != nil {
		return nil, err
	}
	if items == nil {
		items = []any{}
	}
	body := object{{"value", items}}
	if next != "" {
		body = append(body, member{"nextLink", d.nextLink(r, next)})
	}
	return &Answer{Status: http.StatusOK, Body: body}, nil
}

// pageSize bounds one answer of a list.
const pageSize = 1000

// page answers with the resources that a query and a filter select, from
// $skiptoken on, at most $top of them, and the link to the rest.
func (d *Door) page(c *Call, r *http.Request, q resource.Query, keep func(*resource.Resource) bool, render func(*resource.Resource) (any, error)) (*Answer, error) {
	limit, err := top(c)
	if err != nil {
		return nil, err
	}
	if q.After, err = skipToken(c); err != nil {
		return nil, err
	}
	q.Limit = pageSize
	last, values := "", []any{}
	for {
		found, next, err := resource.List(c.Tx, q)
		if err != nil {
			return nil, err
		}
		for _, res := range found {
			if keep != nil && !keep(res) {
				continue
			}
			if len(values) == limit {
				return &Answer{Status: http.StatusOK, Body: object{{"value", values}, {"nextLink", d.nextLink(r, base64.RawURLEncoding.EncodeToString([]byte(last)))}}}, nil
			}
			v, err := render(res)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
			last = res.ID.Key()
		}
		if next == "" {
			return &Answer{Status: http.StatusOK, Body: object{{"value", values}}}, nil
		}
		q.After = next
	}
}

// skipToken reads the key that a page goes on after.
func skipToken(c *Call) (string, error) {
	token := c.Param("$skiptoken")
	if token == "" {
		return "", nil
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		_, err = azure.ParseResourceID(string(after))
	}
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "The skip token is not valid.").Named("InvalidSkipToken")
	}
	return string(after), nil
}

func top(c *Call) (int, error) {
	s := c.Param("$top")
	if s == "" {
		return pageSize, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Invalid, "The value '%.32s' of the query parameter '$top' is not a positive number.", s).Named("InvalidTopInQueryString")
	}
	return min(n, pageSize), nil
}

// nextLink is the address of the rest of a list: the same request, from a token on.
func (d *Door) nextLink(r *http.Request, token string) string {
	q := url.Values{}
	for k, v := range r.URL.Query() {
		if !strings.EqualFold(k, "$skiptoken") {
			q[k] = v
		}
	}
	q.Set("$skiptoken", token)
	return "https://" + r.Host + r.URL.EscapedPath() + "?" + q.Encode()
}
