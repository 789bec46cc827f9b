package graph

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"midas/internal/azure"
)

// collection is a list that can be asked for.
type collection struct {
	context string      // of the metadata: "users"
	of      []*resource // what may be in it; more than one name their types
	// fetch returns at most limit entities in the order of their keys, after one of them.
	fetch func(after azure.ObjectID, limit int) ([]entity, error)
}

// batchSize is how many rows are looked at in one go.
const batchSize = 200

// list is the body of a page.
type list struct {
	Context string            `json:"@odata.context"`
	Count   *int              `json:"@odata.count,omitempty"`
	Next    string            `json:"@odata.nextLink,omitempty"`
	Value   []json.RawMessage `json:"value"`
}

// list answers with the page of a collection that the query asks for.
func (c *call) list(from collection) (reply, error) {
	q := &c.query
	if err := checkSelect(q.selected, from.of...); err != nil {
		return reply{}, err
	}
	if q.filter != nil {
		if err := c.checkFilter(from); err != nil {
			return reply{}, err
		}
	}
	page, count, more, err := c.page(from)
	if err != nil {
		return reply{}, err
	}
	body := list{Context: c.context(from.context + selection(q.selected)), Value: []json.RawMessage{}}
	for i := range page {
		rendered, err := c.shown(&page[i], len(from.of) > 1, "")
		if err != nil {
			return reply{}, err
		}
		body.Value = append(body.Value, rendered)
	}
	if q.count {
		body.Count = &count
	}
	if more {
		last := page[len(page)-1]
		at := place{ID: last.key}
		if q.ordered {
			at.Name = last.name()
		}
		values := url.Values{}
		for name, v := range q.values {
			values[name] = v
		}
		values.Set("$skiptoken", at.String())
		body.Next = c.base() + strings.TrimPrefix(c.request.URL.EscapedPath(), "/"+version) + "?" + values.Encode()
	}
	return reply{body: body}, nil
}

// checkFilter wants one of the collection's types to have what is filtered by.
func (c *call) checkFilter(from collection) (err error) {
	advanced := c.query.eventual && c.query.count
	for _, r := range from.of {
		if err = r.check(c.query.filter, advanced); err == nil {
			return nil
		}
	}
	return err
}

// page collects the entities of a page. more says that there are others after
// it; count is of all that pass, where that was asked for.
func (c *call) page(from collection) (page []entity, count int, more bool, err error) {
	q := &c.query
	after := q.skip.ID
	if q.ordered || q.count {
		after = "" // all of them are looked at
	}
	var all []entity
	for {
		batch, err := from.fetch(after, batchSize)
		if err != nil {
			return nil, 0, false, err
		}
		for i := range batch {
			e := &batch[i]
			after = e.key
			ok, err := c.passes(e)
			if err != nil {
				return nil, 0, false, err
			}
			if !ok {
				continue
			}
			count++
			if !q.ordered && (e.key <= q.skip.ID || len(all) > q.top) {
				continue
			}
			all = append(all, *e)
		}
		if len(batch) < batchSize || len(all) > q.top && !q.ordered && !q.count {
			break
		}
	}
	if q.ordered {
		all = c.sorted(all)
	}
	return all[:min(len(all), q.top)], count, len(all) > q.top, nil
}

// sorted is what comes after the last page, in the order of the names.
func (c *call) sorted(all []entity) []entity {
	q := &c.query
	order := func(n1 string, k1 azure.ObjectID, n2 string, k2 azure.ObjectID) int {
		sign := cmp.Or(strings.Compare(azure.Fold(n1), azure.Fold(n2)), strings.Compare(string(k1), string(k2)))
		if q.descending {
			return -sign
		}
		return sign
	}
	slices.SortFunc(all, func(a, b entity) int { return order(a.name(), a.key, b.name(), b.key) })
	if q.skip.ID == "" {
		return all
	}
	i := slices.IndexFunc(all, func(e entity) bool { return order(e.name(), e.key, q.skip.Name, q.skip.ID) > 0 })
	if i < 0 {
		return nil
	}
	return all[i:]
}

// passes reports whether an entity is one of those that are asked for.
func (c *call) passes(e *entity) (bool, error) {
	for _, t := range c.query.search {
		v, err := e.value([]string{t.property})
		text, _ := v.(string)
		if err != nil || !t.finds(text) {
			return false, err
		}
	}
	if c.query.filter == nil {
		return true, nil
	}
	return e.matches(c.query.filter)
}

// name is the display name of an entity.
func (e *entity) name() (name string) {
	json.Unmarshal(e.members["displayName"], &name)
	return name
}

// single answers with one entity.
func (c *call) single(e *entity, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	if err := checkSelect(c.query.selected, e.of); err != nil {
		return reply{}, err
	}
	body, err := c.shown(e, false, c.context(e.of.set+selection(c.query.selected)+"/$entity"))
	return reply{body: body}, err
}

// created answers with an entity that was made.
func (c *call) created(e *entity, err error) (reply, error) {
	answer, err := c.single(e, err)
	if err == nil {
		answer.status, answer.location = 201, c.base()+"/"+e.of.set+"/"+string(e.key)
	}
	return answer, err
}

// shown renders an entity with what was asked to be expanded.
func (c *call) shown(e *entity, typed bool, context string) (json.RawMessage, error) {
	extra, err := c.expanded(e)
	if err != nil {
		return nil, err
	}
	return e.render(c.query.selected, typed, context, extra)
}

// selection is the end of a context that names what was selected.
func selection(selected []string) string {
	if selected == nil {
		return ""
	}
	return "(" + strings.Join(selected, ",") + ")"
}
