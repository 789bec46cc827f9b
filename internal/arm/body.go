package arm

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"midas/internal/fault"
	"midas/internal/resource"
)

// content is the body of a PUT or PATCH: the envelope that all resources share.
type content struct {
	location   string
	tags       map[string]string // nil where the body has none
	hasTags    bool
	identity   json.RawMessage
	properties json.RawMessage
	extra      map[string]json.RawMessage
}

// extraMembers are kept as they are given. What an answer carries and a
// caller sends back unchanged is let pass; anything else is a mistake.
var (
	extraMembers = []string{"sku", "kind", "plan", "zones", "managedBy", "extendedLocation", "scale"}
	readOnly     = []string{"id", "name", "type", "etag", "systemData", "resources"}
)

// parseContent reads an envelope. A member that no resource has is refused by
// name, as a misspelt one would otherwise be lost in silence.
func parseContent(body []byte) (*content, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		if err == nil || len(body) == 0 {
			return nil, fault.New(fault.Invalid, "The request content was invalid and could not be deserialized: a JSON object is expected.").Named(CodeInvalidContent)
		}
		return nil, invalidJSON(err, "")
	}
	c := &content{extra: map[string]json.RawMessage{}}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		if string(value) == "null" {
			continue
		}
		if err := c.set(name, value); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *content) set(name string, value json.RawMessage) error {
	is := func(want string) bool { return strings.EqualFold(name, want) }
	switch {
	case is("location"):
		return decode(value, &c.location, "location")
	case is("tags"):
		c.hasTags = true
		if err := decode(value, &c.tags, "tags"); err != nil {
			return err
		}
		return checkTags(c.tags)
	case is("identity"):
		c.identity = value
		return nil
	case is("properties"):
		if !isObject(value) {
			return fault.New(fault.Invalid, "The request content was invalid and could not be deserialized: the value of 'properties' is not an object.").Named(CodeInvalidContent).At("properties")
		}
		c.properties = value
		return nil
	}
	if slices.ContainsFunc(readOnly, is) {
		return nil
	}
	if i := slices.IndexFunc(extraMembers, is); i >= 0 {
		c.extra[extraMembers[i]] = value
		return nil
	}
	return fault.New(fault.Invalid, "The request content was invalid and could not be deserialized: 'Could not find member '%.64s' on object of type 'ResourceDefinition'. Path '%.64s'.'.", name, name).Named(CodeInvalidContent).At(name)
}

// onto returns what a patch makes of the envelope of old: the tags are replaced
// as a whole, of the other members those that are given.
func (c *content) onto(old *resource.Resource) *resource.Resource {
	r := old.Clone()
	if c.hasTags {
		r.Tags = c.tags
	}
	if r.Extra == nil {
		r.Extra = map[string]json.RawMessage{}
	}
	maps.Copy(r.Extra, c.extra)
	return r
}

func decode(value json.RawMessage, into any, at string) error {
	if err := json.Unmarshal(value, into); err != nil {
		return invalidJSON(err, at)
	}
	return nil
}

// checkText refuses a body with text that not every engine of the store can
// keep: bytes that are not UTF-8, and the character NUL.
func checkText(body []byte) error {
	if !utf8.Valid(body) || escapesNUL(body) {
		return fault.New(fault.Invalid, "The request content was invalid and could not be deserialized: it is not UTF-8, or has the character NUL in it.").Named(CodeInvalidContent)
	}
	return nil
}

// escapesNUL reports whether a JSON text has the escape of NUL in it, and not
// just a backslash that is followed by the same letters.
func escapesNUL(body []byte) bool {
	for {
		i := bytes.Index(body, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		before := body[:i]
		if (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 0 {
			return true
		}
		body = body[i+1:]
	}
}

// checkQuery holds the query to the same.
func checkQuery(q url.Values) error {
	for _, values := range q {
		for _, v := range values {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return fault.New(fault.Invalid, "A query parameter is not UTF-8, or has the character NUL in it.")
			}
		}
	}
	return nil
}
