package arm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/resource"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", m.name)
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // the encoder's newline
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// show renders a kept resource in the api-version of the call.
func (d *Door) show(c *Call, p *Provider, t *Type, r *resource.Resource) (any, error) {
	if t.Show != nil {
		r = r.Clone()
		if err := t.Show(c, r); err != nil {
			return nil, err
		}
	}
	o := object{{"id", r.ID.String()}, {"name", r.ID.Name()}, {"type", p.Namespace + "/" + t.Name}}
	if t.Tracked {
		o = append(o, member{"location", r.Location}, member{"tags", orEmpty(r.Tags)})
	}
	o = append(o, envelope(r)...)
	o = append(o, member{"properties", r.Properties})
	if t.System {
		data, err := systemData(c, r)
		if err != nil {
			return nil, err
		}
		o = append(o, member{"systemData", data})
	}
	if t.ETag {
		o = append(o, member{"etag", etag(r)})
	}
	return o, nil
}

// envelope holds the members between the tags and the properties.
func envelope(r *resource.Resource) object {
	var o object
	for _, name := range slices.Sorted(maps.Keys(r.Extra)) {
		o = append(o, member{name, r.Extra[name]})
	}
	if r.Identity != nil {
		o = append(o, member{"identity", r.Identity})
	}
	return o
}

// summary renders a resource as lists of resources do: without properties, but
// with what $expand asks for.
func (d *Door) summary(c *Call, r *resource.Resource) any {
	typ := r.ID.Type()
	if namespace, name, ok := strings.Cut(typ, "/"); ok {
		if p, t := d.find(namespace, name); t != nil {
			typ = p.Namespace + "/" + t.Name
		}
	}
	o := object{{"id", r.ID.String()}, {"name", nameBelowGroup(r.ID)}, {"type", typ}, {"location", r.Location}, {"tags", orEmpty(r.Tags)}}
	o = append(o, envelope(r)...)
	for _, m := range []member{{"createdTime", Timestamp(r.CreatedAt)}, {"changedTime", Timestamp(r.UpdatedAt)}, {"provisioningState", "Succeeded"}} {
		if strings.Contains(strings.ToLower(c.Param("$expand")), strings.ToLower(m.name)) {
			o = append(o, m)
		}
	}
	return o
}

// nameBelowGroup is the name of a resource with those of its parents: "vm1/ext".
func nameBelowGroup(id azure.ResourceID) string {
	name := id.Name()
	for parent := id.Parent(); strings.HasPrefix(azure.Fold(id.Type()), azure.Fold(parent.Type())+"/"); parent = parent.Parent() {
		name = parent.Name() + "/" + name
	}
	return name
}

func orEmpty(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}

func etag(r *resource.Resource) string { return fmt.Sprintf(`"%d"`, r.Version) }

// Timestamp writes a time as Resource Manager does: seven fraction digits.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// systemData says who made a resource and who changed it last.
func systemData(c *Call, r *resource.Resource) (any, error) {
	created, err := c.author(r.CreatedBy)
	if err != nil {
		return nil, err
	}
	modified, err := c.author(r.UpdatedBy)
	return object{{"createdBy", r.CreatedBy}, {"createdByType", created}, {"createdAt", Timestamp(r.CreatedAt)},
		{"lastModifiedBy", r.UpdatedBy}, {"lastModifiedByType", modified}, {"lastModifiedAt", Timestamp(r.UpdatedAt)}}, err
}

// author is the kind of who wrote; one that is gone was an application, as far as is known.
func (c *Call) author(id azure.ObjectID) (string, error) {
	p, err := directory.PrincipalByID(c.Tx, id)
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		return "", err
	case p.Kind == directory.User:
		return "User", nil
	case p.Type == directory.TypeManagedIdentity:
		return "ManagedIdentity", nil
	}
	return "Application", nil
}
