package vault

import (
	"errors"
	"regexp"
	"time"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/store"
)

// Limits of a secret (control-plane.md E5).
const (
	MaxName        = 127   // characters
	MaxValue       = 25600 // bytes of UTF-8
	MaxContentType = 255   // characters
	MaxTags        = 15
	MaxTagName     = 256 // characters
	MaxTagValue    = 512 // characters
)

// Names of the rules of secrets that have one on the wire (control-plane.md E3).
const (
	CodeBadParameter          = "BadParameter"
	CodeSecretNotFound        = "SecretNotFound"
	CodeSecretDisabled        = "SecretDisabled"
	CodeDeletedButRecoverable = "ObjectIsDeletedButRecoverable"
)

// Secret is one version of a secret.
type Secret struct {
	Name        string // as first written
	Version     string // 32 lower-case hexadecimal digits
	Value       string // from [GetSecret] and [SetSecret] only
	ContentType *string
	Enabled     bool
	NotBefore   time.Time // zero where there is none; informs, forbids nothing
	Expires     time.Time // likewise
	Tags        map[string]string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	DeletedAt   time.Time // zero while the secret is not deleted
	PurgeAt     time.Time // when a deleted secret goes for good

	seq int64 // 1, 2, 3… in the order of the versions
}

// Change is what a caller says about a version besides its value. What is nil
// stays as it is.
type Change struct {
	ContentType *string
	Enabled     *bool
	NotBefore   *time.Time
	Expires     *time.Time
	Tags        map[string]string // replaces all of them; an empty map clears
}

func (c *Change) apply(s *Secret) {
	if c.ContentType != nil {
		s.ContentType = c.ContentType
	}
	if c.Enabled != nil {
		s.Enabled = *c.Enabled
	}
	if c.NotBefore != nil {
		s.NotBefore = *c.NotBefore
	}
	if c.Expires != nil {
		s.Expires = *c.Expires
	}
	if c.Tags != nil {
		s.Tags = c.Tags
	}
}

func (c *Change) check() error {
	if c.ContentType != nil && utf8.RuneCountInString(*c.ContentType) > MaxContentType {
		return invalid("contentType", "Property contentType has a length of more than %d characters.", MaxContentType)
	}
	if len(c.Tags) > MaxTags {
		return invalid("tags", "Property tags has more than %d entries.", MaxTags)
	}
	for name, value := range c.Tags {
		if utf8.RuneCountInString(name) > MaxTagName || utf8.RuneCountInString(value) > MaxTagValue {
			return invalid("tags", "Property tags has a name of more than %d characters or a value of more than %d characters.", MaxTagName, MaxTagValue)
		}
	}
	for name, t := range map[string]*time.Time{"nbf": c.NotBefore, "exp": c.Expires} {
		if t != nil && (t.Unix() < 0 || t.Year() > 9999) {
			return invalid(name, "Property %s has invalid value\r\n", name)
		}
	}
	return nil
}

func invalid(target, format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Named(CodeBadParameter).At(target)
}

var secretName = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

// CheckSecretName refuses what no secret can be called.
func CheckSecretName(name string) error {
	if !secretName.MatchString(name) {
		return invalid("secret-name", "The request URI contains an invalid name: %.200s", name)
	}
	return nil
}

func notFound(name, version string) error {
	if version != "" {
		name += "/" + version
	}
	return fault.New(fault.NotFound, "A secret with (name/id) %.200s was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", name).Named(CodeSecretNotFound)
}

func deletedNotFound(name string) error {
	return fault.New(fault.NotFound, "Deleted Secret not found: %s", name).Named(CodeSecretNotFound)
}

// stored is a version as it is in the store. It is shared: nobody changes it.
type stored struct {
	*Secret
	sealed []byte // nil where it is too large to be remembered
}

// maxRemembered is the size of a sealed value that is worth remembering.
const maxRemembered = 1024

// whichSecret is the key of what is remembered of a version.
type whichSecret struct{ vault, name, version string }

// GetSecret reads a version with its value, the current one where version is
// "". A disabled version is Forbidden. What is remembered of it is sealed.
func GetSecret(tx *store.Tx, root *seal.Root, v *Vault, name, version string) (*Secret, error) {
	which := whichSecret{v.ID, azure.Fold(name), azure.Fold(version)}
	row, err := store.Memo(tx, which, func() (stored, error) {
		row, err := which.read(tx)
		if len(row.sealed) > maxRemembered {
			row.sealed = nil
		}
		return row, err
	}, store.Secrets)
	if err == nil && row.sealed == nil {
		row, err = which.read(tx)
	}
	if errors.Is(err, store.ErrNoRows) {
		return nil, notFound(name, version)
	}
	if err != nil {
		return nil, err
	}
	if !row.Enabled {
		return nil, disabled()
	}
	values, err := v.values(root)
	if err != nil {
		return nil, err
	}
	value, err := values.Open(row.sealed, valuePlace(v.ID, which.name, row.Version))
	s := *row.Secret
	s.Value = string(value)
	return &s, err
}

func (w whichSecret) read(tx *store.Tx) (row stored, err error) {
	row.Secret, err = scanSecret(tx.QueryRow(`SELECT `+metadata+`, v.value FROM secrets s JOIN secret_versions v
		ON v.vault_id = s.vault_id AND v.name_key = s.name_key AND v.version = COALESCE($3, s.current)
		WHERE s.vault_id = $1 AND s.name_key = $2 AND s.deleted_at IS NULL`, w.vault, w.name, orNull(w.version)).Scan, &row.sealed)
	return row, err
}

func disabled() error {
	return fault.New(fault.Forbidden, "Operation get is not allowed on a disabled secret.").Named(CodeSecretDisabled)
}

// UpdateSecret changes what is said about a version, of the current one where
// version is "". The value is neither changed nor returned.
func UpdateSecret(tx *store.Tx, v *Vault, name, version string, c Change) (*Secret, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	key := azure.Fold(name)
	s, err := scanSecret(tx.QueryRow(`SELECT `+metadata+` FROM secrets s JOIN secret_versions v
		ON v.vault_id = s.vault_id AND v.name_key = s.name_key AND v.version = COALESCE($3, s.current)
		WHERE s.vault_id = $1 AND s.name_key = $2 AND s.deleted_at IS NULL`, v.ID, key, orNull(version)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return nil, notFound(name, version)
	}
	if err != nil {
		return nil, err
	}
	c.apply(s)
	s.UpdatedAt = tx.Now
	tags, err := encodeTags(s.Tags)
	if err != nil {
		return nil, err
	}
	tx.Changed(store.Secrets)
	_, err = tx.Exec(`UPDATE secret_versions SET content_type = $4, enabled = $5, not_before = $6, expires = $7, tags = $8, updated_at = $9
		WHERE vault_id = $1 AND name_key = $2 AND version = $3`,
		v.ID, key, s.Version, s.ContentType, s.Enabled, nullTime(s.NotBefore), nullTime(s.Expires), tags, store.Micros(tx.Now))
	return s, err
}
