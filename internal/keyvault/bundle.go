package keyvault

import (
	"net/url"
	"strconv"
	"time"

	"midas/internal/fault"
	"midas/internal/vault"
	"midas/internal/wire"
)

// bundle is a secret on the wire, also as an item of a list. The members are
// in the order of control-plane.md E2; what a form does not have is left out.
type bundle struct {
	RecoveryID  string            `json:"recoveryId,omitempty"`
	DeletedDate *int64            `json:"deletedDate,omitempty"`
	PurgeDate   *int64            `json:"scheduledPurgeDate,omitempty"`
	Value       *string           `json:"value,omitempty"`
	ContentType *string           `json:"contentType,omitempty"`
	ID          string            `json:"id"`
	Attributes  attributes        `json:"attributes"`
	Tags        map[string]string `json:"tags,omitzero"` // absent where never set, {} where cleared
}

// attributes are those of a version. Times are seconds since 1970.
type attributes struct {
	Enabled         bool   `json:"enabled"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Expires         *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created"`
	Updated         int64  `json:"updated"`
	RecoveryLevel   string `json:"recoveryLevel,omitempty"`
	RecoverableDays int    `json:"recoverableDays,omitempty"`
}

// secretList is a page of a list. The last one has nextLink null, not absent.
type secretList struct {
	Value    []bundle `json:"value"`
	NextLink *string  `json:"nextLink"`
}

func (c *call) nameID(s *vault.Secret) string    { return c.base() + "/secrets/" + s.Name }
func (c *call) versionID(s *vault.Secret) string { return c.nameID(s) + "/" + s.Version }

// bundle gives a secret its form on the wire, without the value.
func (c *call) bundle(s *vault.Secret, id string) bundle {
	b := bundle{
		ContentType: s.ContentType, ID: id, Tags: s.Tags,
		Attributes: attributes{
			Enabled: s.Enabled, NotBefore: unix(s.NotBefore), Expires: unix(s.Expires),
			Created: s.CreatedAt.Unix(), Updated: s.UpdatedAt.Unix(),
		},
	}
	if c.api.recoveryLevel {
		b.Attributes.RecoveryLevel = c.vault.Properties.RecoveryLevel()
	}
	if c.api.recoverableDays {
		b.Attributes.RecoverableDays = c.vault.Properties.RetentionDays()
	}
	if !s.DeletedAt.IsZero() {
		b.RecoveryID = c.base() + "/deletedsecrets/" + s.Name
		b.DeletedDate, b.PurgeDate = unix(s.DeletedAt), unix(s.PurgeAt)
	}
	return b
}

func (c *call) withValue(s *vault.Secret) *bundle {
	b := c.bundle(s, c.versionID(s))
	b.Value = &s.Value
	return &b
}

// one answers with a version and no value.
func (c *call) one(s *vault.Secret, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	b := c.bundle(s, c.versionID(s))
	return &b, nil
}

// list answers with a page.
func (c *call) list(page []*vault.Secret, next string, p vault.Page, path string, id func(*vault.Secret) string) *secretList {
	l := &secretList{Value: make([]bundle, len(page))}
	for i, s := range page {
		l.Value[i] = c.bundle(s, id(s))
	}
	if next != "" {
		link := c.nextLink(path, next, p)
		l.NextLink = &link
	}
	return l
}

// nextLink is the address of the next page. It names the port even where that
// goes without saying, as on Azure (control-plane.md E2).
func (c *call) nextLink(path, token string, p vault.Page) string {
	base := c.base()
	if port(c.request.Host) == "" {
		base += ":443"
	}
	link := base + path + "?api-version=" + url.QueryEscape(c.api.text) + "&$skiptoken=" + token
	if _, n := wire.Query(c.request, "maxresults"); n > 0 {
		link += "&maxresults=" + strconv.Itoa(p.Max)
	}
	return link
}

// page reads which part of a list is asked for.
func (c *call) page() (vault.Page, error) {
	p := vault.Page{Max: vault.MaxPage}
	p.Token, _ = wire.Query(c.request, "$skiptoken")
	if text, n := wire.Query(c.request, "maxresults"); n > 0 {
		var err error
		if p.Max, err = strconv.Atoi(text); err != nil {
			return p, fault.New(fault.Invalid, "The request URI contains an invalid value for maxresults; it must be between 1 and %d.", vault.MaxPage).Named(vault.CodeBadParameter).At("maxresults")
		}
	}
	return p, nil
}

func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}
