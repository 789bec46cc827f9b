package vault

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"midas/internal/azure"
	"midas/internal/store"
)

// MaxPage is the most that a page of a list holds, and what it holds where
// the caller does not say.
const MaxPage = 25

// Page says which part of a list is asked for.
type Page struct {
	Max   int    // 1 to MaxPage
	Token string // what the page before returned as next, "" for the first page
}

// marker is the content of a token: the list it belongs to, and the key of the
// last item of the page. A page goes on after a key, so that what comes and
// goes between two pages never makes the list skip or repeat anything else.
type marker struct {
	List  string `json:"list"`
	After string `json:"after"`
}

func (p Page) check() error {
	if p.Max < 1 || p.Max > MaxPage {
		return invalid("maxresults", "The request URI contains an invalid value for maxresults; it must be between 1 and %d.", MaxPage)
	}
	return nil
}

// after reads the token of a list; "" starts at the beginning.
func (p Page) after(list string) (string, error) {
	if p.Token == "" {
		return "", nil
	}
	var m marker
	b, err := base64.RawURLEncoding.DecodeString(p.Token)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil || m.List != list || m.After == "" || len(m.After) > MaxName {
		return "", invalid("$skiptoken", "The request URI contains an invalid value for $skiptoken.")
	}
	return m.After, nil
}

// cut makes a page of what was read, which is one more than asked for where
// there is a next page.
func cut(all []*Secret, p Page, list string, key func(*Secret) string) (page []*Secret, next string, err error) {
	if len(all) <= p.Max {
		return all, "", nil
	}
	all = all[:p.Max]
	b, err := json.Marshal(marker{list, key(all[p.Max-1])})
	return all, base64.RawURLEncoding.EncodeToString(b), err
}

// ListSecrets returns a page of the secrets of a vault in the order of their
// names, each as its current version, and the token of the next page.
func ListSecrets(tx *store.Tx, v *Vault, p Page) (page []*Secret, next string, err error) {
	return listNames(tx, v, p, "secrets", `s.deleted_at IS NULL`)
}

// ListDeletedSecrets is [ListSecrets] for what is deleted and not yet purged.
func ListDeletedSecrets(tx *store.Tx, v *Vault, p Page) (page []*Secret, next string, err error) {
	return listNames(tx, v, p, "deletedsecrets", `s.deleted_at IS NOT NULL AND s.purge_at > $4`, store.Micros(tx.Now))
}

func listNames(tx *store.Tx, v *Vault, p Page, list, which string, args ...any) ([]*Secret, string, error) {
	if err := p.check(); err != nil {
		return nil, "", err
	}
	after, err := p.after(list)
	if err != nil {
		return nil, "", err
	}
	all, err := store.Collect(tx, func(scan func(...any) error) (*Secret, error) { return scanSecret(scan) },
		`SELECT `+metadata+` FROM secrets s `+joinCurrent+` WHERE s.vault_id = $1 AND s.name_key > $2 AND `+which+` ORDER BY s.name_key LIMIT $3`,
		append([]any{v.ID, after, p.Max + 1}, args...)...)
	if err != nil {
		return nil, "", err
	}
	return cut(all, p, list, func(s *Secret) string { return azure.Fold(s.Name) })
}

// ListSecretVersions returns a page of the versions of a secret, oldest first,
// and the token of the next page. A secret that does not exist has none: that
// is an empty list, not an error.
func ListSecretVersions(tx *store.Tx, v *Vault, name string, p Page) (page []*Secret, next string, err error) {
	if err := p.check(); err != nil {
		return nil, "", err
	}
	list := "versions/" + azure.Fold(name)
	after, err := p.after(list)
	if err != nil {
		return nil, "", err
	}
	last := int64(0)
	if after != "" {
		if last, err = strconv.ParseInt(after, 10, 64); err != nil {
			return nil, "", invalid("$skiptoken", "The request URI contains an invalid value for $skiptoken.")
		}
	}
	all, err := store.Collect(tx, func(scan func(...any) error) (*Secret, error) { return scanSecret(scan) },
		`SELECT `+metadata+` FROM secrets s JOIN secret_versions v ON v.vault_id = s.vault_id AND v.name_key = s.name_key
		WHERE s.vault_id = $1 AND s.name_key = $2 AND s.deleted_at IS NULL AND v.seq > $3 ORDER BY v.seq LIMIT $4`,
		v.ID, azure.Fold(name), last, p.Max+1)
	if err != nil {
		return nil, "", err
	}
	return cut(all, p, list, func(s *Secret) string { return strconv.FormatInt(s.seq, 10) })
}
