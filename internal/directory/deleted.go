package directory

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// DeletedFor is how long what was deleted can be restored.
const DeletedFor = 30 * 24 * time.Hour

// Deleted is an object that can be restored: an application with its service
// principal, a user or a group.
type Deleted struct {
	ID          azure.ObjectID
	Kind        Kind // [Registered] for an application
	DisplayName string
	AppID       azure.AppID
	DeletedAt   time.Time
}

// Registered is the kind of a deleted application.
const Registered Kind = "Application"

// SoftDelete deletes a user or a group so that it can be restored: it is out of
// every group and rule at once, and what it was is kept as rows.
func SoftDelete(tx *store.Tx, p Principal) error {
	if err := CheckRemovable(tx, p); err != nil {
		return err
	}
	if err := keep(tx, Deleted{p.ID, p.Kind, p.DisplayName, p.AppID, tx.Now}, p.Tenant, principalRows(p.ID)); err != nil {
		return err
	}
	return DeletePrincipal(tx, p.ID)
}

// SoftDeleteApplication is [SoftDelete] for an application and its service principal.
func SoftDeleteApplication(tx *store.Tx, a Application) error {
	rows := []rowsOf{{"applications", "app_id", string(a.AppID)}, {"application_uris", "app_id", string(a.AppID)}, {"credentials", "app_id", string(a.AppID)},
		{"federated_credentials", "app_id", string(a.AppID)}, {"application_sign_in", "app_id", string(a.AppID)}, {"application_redirects", "app_id", string(a.AppID)}}
	p, err := PrincipalByAppID(tx, a.Tenant, a.AppID)
	switch {
	case err == nil:
		if err := CheckRemovable(tx, p); err != nil {
			return err
		}
		rows = append(rows, principalRows(p.ID)...)
	case !fault.Is(err, fault.NotFound):
		return err
	}
	rows = append(rows, rowsOf{"owners", "object_id", string(a.ObjectID)})
	if err := keep(tx, Deleted{a.ObjectID, Registered, a.DisplayName, a.AppID, tx.Now}, a.Tenant, rows); err != nil {
		return err
	}
	return DeleteApplication(tx, a.AppID)
}

// rowsOf are the rows of a table that have a value in a column.
type rowsOf struct{ table, column, value string }

// principalRows is what a principal is, in the order in which it is restored.
// Its roles in the directory are not among it: who may restore may not give
// those. Neither is what it was signed in with: that ended.
func principalRows(id azure.ObjectID) []rowsOf {
	of := string(id)
	return []rowsOf{
		{"principals", "object_id", of}, {"group_members", "group_id", of}, {"group_members", "member_id", of},
		{"owners", "object_id", of}, {"owners", "owner_id", of},
		{"app_role_assignments", "principal_id", of}, {"app_role_assignments", "resource_id", of},
		{"permission_grants", "client_id", of}, {"permission_grants", "resource_id", of}, {"permission_grants", "principal_id", of},
		{"user_passwords", "object_id", of}, {"consents", "user_id", of},
	}
}

// keptRow is a row as JSON: a value that is not text, a number or a truth is
// bytes, in an object of its own.
type keptRow struct {
	Table   string         `json:"table"`
	Columns map[string]any `json:"columns"`
}

type keptBytes struct {
	Bytes []byte `json:"bytes"`
}

// keep writes down rows that are about to be deleted.
func keep(tx *store.Tx, d Deleted, tenant azure.TenantID, from []rowsOf) error {
	var kept []keptRow
	for _, f := range from {
		rows, err := rowsIn(tx, f)
		if err != nil {
			return err
		}
		kept = append(kept, rows...)
	}
	body, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return create(tx, `INSERT INTO deleted_objects (object_id, tenant_id, kind, display_name, app_id, deleted_at, purge_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		string(d.ID), string(tenant), string(d.Kind), d.DisplayName, null(d.AppID), store.Micros(tx.Now), store.Micros(tx.Now.Add(DeletedFor)), string(body))
}

func rowsIn(tx *store.Tx, f rowsOf) (all []keptRow, err error) {
	rows, err := tx.Query(`SELECT * FROM `+f.table+` WHERE `+f.column+` = $1`, f.value)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := keptRow{f.table, map[string]any{}}
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = keptBytes{b}
			}
			row.Columns[names[i]] = v
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// DeletedObjects lists what of a kind can be restored, in the order of the ids.
func DeletedObjects(tx *store.Tx, tenant azure.TenantID, kind Kind, after azure.ObjectID, limit int) ([]Deleted, error) {
	return store.Collect(tx, scanDeleted, deletedColumns+`WHERE tenant_id = $1 AND kind = $2 AND object_id > $3 AND purge_at > $4 ORDER BY object_id LIMIT $5`,
		string(tenant), string(kind), string(after), store.Micros(tx.Now), limit)
}

const deletedColumns = `SELECT object_id, kind, display_name, COALESCE(app_id, ''), deleted_at FROM deleted_objects `

func scanDeleted(scan func(...any) error) (d Deleted, err error) {
	var at int64
	err = scan(&d.ID, &d.Kind, &d.DisplayName, &d.AppID, &at)
	d.DeletedAt = store.Time(at)
	return d, err
}

// DeletedByID finds what can be restored by its object id.
func DeletedByID(tx *store.Tx, tenant azure.TenantID, id azure.ObjectID) (Deleted, error) {
	return one(tx, scanDeleted, noPrincipal(), deletedColumns+`WHERE tenant_id = $1 AND object_id = $2 AND purge_at > $3`, string(tenant), azure.Fold(string(id)), store.Micros(tx.Now))
}

// Restore brings back what was deleted. A name that was taken meanwhile is a
// Conflict; what it was connected with and is gone itself stays away.
func Restore(tx *store.Tx, id azure.ObjectID) error {
	var body string
	if err := tx.QueryRow(`SELECT body FROM deleted_objects WHERE object_id = $1`, string(id)).Scan(&body); err != nil {
		return err
	}
	var kept []keptRow
	dec := json.NewDecoder(bytes.NewReader([]byte(body)))
	dec.UseNumber()
	if err := dec.Decode(&kept); err != nil {
		return err
	}
	for _, row := range kept {
		if err := restoreRow(tx, row); err != nil {
			return err
		}
	}
	return Purge(tx, id)
}

// references are the columns of rows that connect objects.
var references = []string{"group_id", "member_id", "owner_id", "principal_id", "resource_id", "client_id"}

func restoreRow(tx *store.Tx, row keptRow) error {
	for _, name := range references {
		id, ok := row.Columns[name].(string)
		if !ok || row.Table == "principals" { // whose resource_id is another thing
			continue
		}
		if _, err := PrincipalByID(tx, azure.ObjectID(id)); fault.Is(err, fault.NotFound) {
			return nil
		} else if err != nil {
			return err
		}
	}
	var names, places []string
	var args []any
	for name, v := range row.Columns {
		value, err := restoredValue(v)
		if err != nil {
			return err
		}
		args = append(args, value)
		names, places = append(names, name), append(places, fmt.Sprintf("$%d", len(args)))
	}
	return create(tx, `INSERT INTO `+row.Table+` (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(places, ", ")+`)`, args...)
}

func restoredValue(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return v.Int64()
	case map[string]any:
		text, _ := v["bytes"].(string)
		return base64.StdEncoding.DecodeString(text)
	}
	return v, nil
}

// Purge removes what was deleted for good.
func Purge(tx *store.Tx, id azure.ObjectID) error {
	return change(tx, noPrincipal(), `DELETE FROM deleted_objects WHERE object_id = $1`, string(id))
}

// PurgeExpired removes for good what was deleted long ago, and says how much.
func PurgeExpired(tx *store.Tx) (int64, error) {
	result, err := tx.Exec(`DELETE FROM deleted_objects WHERE purge_at <= $1`, store.Micros(tx.Now))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
