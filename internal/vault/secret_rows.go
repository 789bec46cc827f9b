package vault

import (
	"database/sql"
	"encoding/json"
	"time"

	"midas/internal/azure"
	"midas/internal/seal"
	"midas/internal/store"
)

// joinCurrent adds the current version of each secret to "FROM secrets s".
const joinCurrent = `JOIN secret_versions v ON v.vault_id = s.vault_id AND v.name_key = s.name_key AND v.version = s.current`

// valuePlace binds a value to its row. Neither part can hold the slash between them.
func valuePlace(vault, key, version string) seal.Binding {
	return seal.Binding{Table: "secret_versions", Column: "value", Row: vault + "/" + key + "/" + version}
}

// metadata are the columns of a version without its value, of "secrets s JOIN
// secret_versions v".
const metadata = `s.name, v.version, v.content_type, v.enabled, v.not_before, v.expires, v.tags, v.created_at, v.updated_at, v.seq, s.deleted_at, s.purge_at`

// scanSecret reads the columns of metadata and whatever was selected after them.
func scanSecret(scan func(...any) error, more ...any) (*Secret, error) {
	var (
		s                                   Secret
		contentType, tags                   sql.Null[string]
		notBefore, expires, deleted, purges sql.Null[int64]
		created, updated                    int64
	)
	into := append([]any{&s.Name, &s.Version, &contentType, &s.Enabled, &notBefore, &expires, &tags, &created, &updated, &s.seq, &deleted, &purges}, more...)
	if err := scan(into...); err != nil {
		return nil, err
	}
	if contentType.Valid {
		s.ContentType = &contentType.V
	}
	if tags.Valid {
		if err := json.Unmarshal([]byte(tags.V), &s.Tags); err != nil {
			return nil, err
		}
	}
	s.NotBefore, s.Expires, s.DeletedAt, s.PurgeAt = timeOf(notBefore), timeOf(expires), timeOf(deleted), timeOf(purges)
	s.CreatedAt, s.UpdatedAt = store.Time(created), store.Time(updated)
	return &s, nil
}

func encodeTags(tags map[string]string) (any, error) {
	if tags == nil {
		return nil, nil
	}
	b, err := json.Marshal(tags)
	return string(b), err
}

func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return store.Micros(t)
}

func timeOf(us sql.Null[int64]) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return store.Time(us.V)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return azure.Fold(s)
}
