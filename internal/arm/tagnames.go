package arm

import (
	"net/http"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/lock"
	"midas/internal/resource"
	"midas/internal/wire"
)

const tagNameOperation = azure.TypeSubscription + "/tagNames/"

// tagNames lists the names of tags in a subscription: those that were set out,
// and those that resources have.
func (d *Door) tagNames(c *Call, r *http.Request) (*Answer, error) {
	if err := c.authorize(tagNameOperation+"read", c.ID); err != nil {
		return nil, err
	}
	names, err := resource.TagNames(c.Tx, c.ID.Subscription())
	var all []any
	for _, n := range names {
		all = append(all, showTagName(c, n))
	}
	return list(all...), err
}

func showTagName(c *Call, n *resource.TagName) any {
	values := []any{}
	for _, v := range n.Values {
		values = append(values, showTagValue(c, n, v))
	}
	return object{{"id", tagNameID(c, n.Name)}, {"tagName", n.Name}, {"count", total(n.Count)}, {"values", values}}
}

func showTagValue(c *Call, n *resource.TagName, v resource.TagValue) any {
	return object{{"id", tagNameID(c, n.Name) + "/tagValues/" + v.Value}, {"tagValue", v.Value}, {"count", total(v.Count)}}
}

func tagNameID(c *Call, name string) string { return c.ID.String() + "/tagNames/" + name }

func total(n int) any { return object{{"type", "Total"}, {"value", n}} }

// tagNamed reads the name, and the value where there is one, from the path,
// and what is known of the name.
func tagNamed(c *Call, r *http.Request) (name, value string, known *resource.TagName, err error) {
	segs, err := wire.Segments(r)
	if err != nil {
		return "", "", nil, err
	}
	name = segs[3]
	if len(segs) == 6 {
		value = segs[5]
	}
	if err := checkTags(map[string]string{name: value}); err != nil {
		return "", "", nil, err
	}
	all, err := resource.TagNames(c.Tx, c.ID.Subscription())
	if i := slices.IndexFunc(all, func(n *resource.TagName) bool { return strings.EqualFold(n.Name, name) }); i >= 0 {
		known = all[i]
	}
	return name, value, known, err
}

// putTagName sets a name or a value out.
func (d *Door) putTagName(c *Call, r *http.Request) (*Answer, error) {
	if err := c.authorize(tagNameOperation+"write", c.ID); err != nil {
		return nil, err
	}
	if err := c.unlocked(lock.Write); err != nil {
		return nil, err
	}
	name, value, known, err := tagNamed(c, r)
	if err != nil {
		return nil, err
	}
	var created bool
	if value == "" {
		created, err = resource.SetTagName(c.Tx, c.ID.Subscription(), name)
	} else if known == nil || !known.Set {
		return nil, fault.New(fault.NotFound, "The tag name '%s' could not be found.", name).Named(CodeNotFound)
	} else {
		created, err = resource.SetTagValue(c.Tx, c.ID.Subscription(), name, value)
	}
	if err != nil {
		return nil, err
	}
	_, _, known, err = tagNamed(c, r)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	if value == "" {
		return &Answer{Status: status, Body: showTagName(c, known)}, nil
	}
	i := slices.IndexFunc(known.Values, func(v resource.TagValue) bool { return v.Value == value })
	return &Answer{Status: status, Body: showTagValue(c, known, known.Values[i])}, nil
}

// deleteTagName takes a name or a value back. What a resource has stays, and
// so does a name with values.
func (d *Door) deleteTagName(c *Call, r *http.Request) (*Answer, error) {
	if err := c.authorize(tagNameOperation+"delete", c.ID); err != nil {
		return nil, err
	}
	if err := c.unlocked(lock.Write); err != nil {
		return nil, err
	}
	name, value, known, err := tagNamed(c, r)
	if err != nil || known == nil {
		return &Answer{Status: http.StatusNoContent}, err
	}
	used := known.Count > 0 || len(known.Values) > 0
	if value != "" {
		used = slices.ContainsFunc(known.Values, func(v resource.TagValue) bool { return v.Value == value && v.Count > 0 })
	}
	if used {
		return nil, fault.New(fault.Conflict, "The tag '%s' cannot be deleted: resources have it, or it has values.", strings.TrimSuffix(known.Name+"/"+value, "/")).Named(CodeTagInUse)
	}
	drop := func() (bool, error) { return resource.DropTagName(c.Tx, c.ID.Subscription(), name) }
	if value != "" {
		drop = func() (bool, error) { return resource.DropTagValue(c.Tx, c.ID.Subscription(), name, value) }
	}
	there, err := drop()
	if err != nil || !there {
		return &Answer{Status: http.StatusNoContent}, err
	}
	return &Answer{Status: http.StatusOK}, nil
}

// MergeTags applies an operation of the tags of a scope: what a merge, a
// replacement or a deletion of some makes of those that are there. Names
// compare without case, and keep the spelling that they were given last.
func MergeTags(old, given map[string]string, operation string) (map[string]string, error) {
	if err := checkTags(given); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	spelled := func(name string) string {
		for have := range tags {
			if strings.EqualFold(have, name) {
				return have
			}
		}
		return name
	}
	for name, value := range old {
		tags[name] = value
	}
	switch strings.ToLower(operation) {
	case "replace":
		tags = given
	case "merge":
		for name, value := range given {
			delete(tags, spelled(name))
			tags[name] = value
		}
	case "delete":
		for name, value := range given {
			if have := spelled(name); tags[have] == value || value == "" {
				delete(tags, have)
			}
		}
	default:
		return nil, fault.New(fault.Invalid, "The operation '%.32s' is not valid. The operations are 'Replace', 'Merge' and 'Delete'.", operation).At("operation")
	}
	if tags == nil {
		tags = map[string]string{}
	}
	return tags, checkTags(tags)
}
