package keyvault

import (
	"net/http"
	"time"

	"midas/internal/arm"
	"midas/internal/fault"
	"midas/internal/vault"
)

// secretBody is what a template says about a secret. What it leaves out stays.
type secretBody struct {
	Tags       map[string]string `json:"tags"`
	Properties struct {
		Value       *string `json:"value"`
		ContentType *string `json:"contentType"`
		Attributes  struct {
			Enabled   *bool  `json:"enabled"`
			NotBefore *int64 `json:"nbf"` // seconds since 1970
			Expires   *int64 `json:"exp"`
		} `json:"attributes"`
	} `json:"properties"`
}

func (b *secretBody) change() vault.Change {
	p := &b.Properties
	return vault.Change{ContentType: p.ContentType, Enabled: p.Attributes.Enabled, NotBefore: instant(p.Attributes.NotBefore), Expires: instant(p.Attributes.Expires), Tags: b.Tags}
}

func instant(seconds *int64) *time.Time {
	if seconds == nil {
		return nil
	}
	return new(time.Unix(*seconds, 0).UTC())
}

// secret is a secret as Resource Manager shows it: never with its value.
type secret struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags"`
	Properties secretProperties  `json:"properties"`
}

type secretProperties struct {
	Attributes     secretAttributes `json:"attributes"`
	ContentType    *string          `json:"contentType,omitempty"`
	URI            string           `json:"secretUri"`
	URIWithVersion string           `json:"secretUriWithVersion"`
}

type secretAttributes struct {
	Enabled   bool   `json:"enabled"`
	NotBefore *int64 `json:"nbf,omitempty"`
	Expires   *int64 `json:"exp,omitempty"`
	Created   int64  `json:"created"`
	Updated   int64  `json:"updated"`
}

func showSecret(c *arm.Call, v *vault.Vault, s *vault.Secret) any {
	tags := s.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	uri := c.Cloud.VaultURI(v.Name) + "secrets/" + s.Name
	return secret{v.Resource.Join("secrets", s.Name).String(), s.Name, vault.Type + "/secrets", v.Location, tags, secretProperties{
		secretAttributes{s.Enabled, unix(s.NotBefore), unix(s.Expires), s.CreatedAt.Unix(), s.UpdatedAt.Unix()}, s.ContentType, uri, uri + "/" + s.Version}}
}

func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.Unix())
}

func getSecret(c *arm.Call) (*arm.Answer, error) {
	v, name, err := vault.Holding(c.Tx, c.ID)
	if err != nil {
		return nil, err
	}
	s, err := vault.DescribeSecret(c.Tx, v, name)
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: showSecret(c, v, s)}, nil
}

func listSecrets(c *arm.Call, after string, limit int) (items []any, next string, err error) {
	v, _, err := vault.Holding(c.Tx, c.ID)
	if err != nil {
		return nil, "", err
	}
	page, next, err := vault.ListSecrets(c.Tx, v, vault.Page{Max: min(limit, vault.MaxPage), Token: after})
	for _, s := range page {
		items = append(items, showSecret(c, v, s))
	}
	return items, next, err
}

// putSecret adds a version with the value, as the data plane does.
func (v provider) putSecret(c *arm.Call) (*arm.Answer, error) { return v.writeSecret(c, true) }

// patchSecret changes what is said about the current version; with a value it
// adds one.
func (v provider) patchSecret(c *arm.Call) (*arm.Answer, error) { return v.writeSecret(c, false) }

func (v provider) writeSecret(c *arm.Call, creates bool) (*arm.Answer, error) {
	var body secretBody
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	in, name, err := vault.Holding(c.Tx, c.ID)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	old, err := vault.DescribeSecret(c.Tx, in, name)
	switch {
	case creates && fault.Is(err, fault.NotFound):
		status = http.StatusCreated
	case err != nil:
		return nil, err
	}
	change, value := body.change(), body.Properties.Value
	var s *vault.Secret
	switch {
	case value == nil && creates:
		return nil, bad("value", "The parameter 'value' is required.")
	case value == nil:
		s, err = vault.UpdateSecret(c.Tx, in, name, "", change)
	default:
		if !creates {
			keep(&change, old)
		}
		s, err = vault.SetSecret(c.Tx, v.root, in, name, *value, change)
	}
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: status, Body: showSecret(c, in, s)}, nil
}

// keep fills what a patch leaves out, for the version that follows.
func keep(c *vault.Change, old *vault.Secret) {
	if c.ContentType == nil {
		c.ContentType = old.ContentType
	}
	if c.Enabled == nil {
		c.Enabled = &old.Enabled
	}
	if c.NotBefore == nil && !old.NotBefore.IsZero() {
		c.NotBefore = &old.NotBefore
	}
	if c.Expires == nil && !old.Expires.IsZero() {
		c.Expires = &old.Expires
	}
	if c.Tags == nil {
		c.Tags = old.Tags
	}
}
