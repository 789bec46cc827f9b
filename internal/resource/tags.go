package resource

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/store"
)

// SubscriptionTags are the tags of a subscription, nil where it has none.
func SubscriptionTags(tx *store.Tx, s azure.SubscriptionID) (tags map[string]string, err error) {
	var text string
	err = tx.QueryRow(`SELECT tags FROM subscription_tags WHERE subscription_key = $1`, azure.Fold(string(s))).Scan(&text)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &tags)
	}
	return tags, err
}

// SetSubscriptionTags replaces the tags of a subscription.
func SetSubscriptionTags(tx *store.Tx, s azure.SubscriptionID, tags map[string]string) error {
	text, err := json.Marshal(tags)
	if err != nil {
		return err
	}
	tx.Changed(store.Resources)
	_, err = tx.Exec(`INSERT INTO subscription_tags (subscription_key, tags) VALUES ($1, $2) ON CONFLICT (subscription_key) DO UPDATE SET tags = excluded.tags`, azure.Fold(string(s)), string(text))
	return err
}

// TagName is a name of a tag in a subscription: one that was set out, one that
// resources have, or both.
type TagName struct {
	Name   string
	Count  int // how many resources and groups have it
	Set    bool
	Values []TagValue
}

// TagValue is a value of a tag.
type TagValue struct {
	Value string
	Count int
	Set   bool
}

// TagNames lists the names of tags in a subscription, each with its values.
func TagNames(tx *store.Tx, s azure.SubscriptionID) ([]*TagName, error) {
	found := map[string]*TagName{}
	if err := setOut(tx, s, found); err != nil {
		return nil, err
	}
	for _, typ := range []string{azure.TypeResourceGroup, ""} {
		for q := (Query{Type: typ, Within: azure.SubscriptionScope(s), Limit: 1000}); ; {
			page, next, err := List(tx, q)
			if err != nil {
				return nil, err
			}
			for _, r := range page {
				for name, value := range r.Tags {
					count(found, name, value)
				}
			}
			if q.After = next; next == "" {
				break
			}
		}
	}
	all := make([]*TagName, 0, len(found))
	for _, n := range found {
		slices.SortFunc(n.Values, func(a, b TagValue) int { return strings.Compare(a.Value, b.Value) })
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *TagName) int { return strings.Compare(azure.Fold(a.Name), azure.Fold(b.Name)) })
	return all, nil
}

// setOut reads what was set out before any resource had it.
func setOut(tx *store.Tx, s azure.SubscriptionID, found map[string]*TagName) error {
	type row struct{ key, name, value string }
	rows, err := store.Collect(tx, func(scan func(...any) error) (r row, err error) {
		return r, scan(&r.key, &r.name, &r.value)
	}, `SELECT n.name_key, n.name, COALESCE(v.value, '') FROM tag_names n LEFT JOIN tag_values v ON v.subscription_key = n.subscription_key AND v.name_key = n.name_key
		WHERE n.subscription_key = $1`, azure.Fold(string(s)))
	for _, r := range rows {
		n := found[r.key]
		if n == nil {
			n = &TagName{Name: r.name, Set: true}
			found[r.key] = n
		}
		if r.value != "" {
			n.Values = append(n.Values, TagValue{Value: r.value, Set: true})
		}
	}
	return err
}

func count(found map[string]*TagName, name, value string) {
	n := found[azure.Fold(name)]
	if n == nil {
		n = &TagName{Name: name}
		found[azure.Fold(name)] = n
	}
	n.Count++
	i := slices.IndexFunc(n.Values, func(v TagValue) bool { return v.Value == value })
	if i < 0 {
		i = len(n.Values)
		n.Values = append(n.Values, TagValue{Value: value})
	}
	n.Values[i].Count++
}

// SetTagName sets a name of a tag out, and reports whether it is new.
func SetTagName(tx *store.Tx, s azure.SubscriptionID, name string) (bool, error) {
	return changed(tx, `INSERT INTO tag_names (subscription_key, name_key, name) VALUES ($1, $2, $3) ON CONFLICT (subscription_key, name_key) DO NOTHING`,
		azure.Fold(string(s)), azure.Fold(name), name)
}

// SetTagValue sets a value out for a name that is set out.
func SetTagValue(tx *store.Tx, s azure.SubscriptionID, name, value string) (bool, error) {
	return changed(tx, `INSERT INTO tag_values (subscription_key, name_key, value) VALUES ($1, $2, $3) ON CONFLICT (subscription_key, name_key, value) DO NOTHING`,
		azure.Fold(string(s)), azure.Fold(name), value)
}

// DropTagName takes a name back with the values that were set out for it, and
// reports whether it was there.
func DropTagName(tx *store.Tx, s azure.SubscriptionID, name string) (bool, error) {
	return changed(tx, `DELETE FROM tag_names WHERE subscription_key = $1 AND name_key = $2`, azure.Fold(string(s)), azure.Fold(name))
}

// DropTagValue takes a value back.
func DropTagValue(tx *store.Tx, s azure.SubscriptionID, name, value string) (bool, error) {
	return changed(tx, `DELETE FROM tag_values WHERE subscription_key = $1 AND name_key = $2 AND value = $3`, azure.Fold(string(s)), azure.Fold(name), value)
}

// changed runs a statement and reports whether it touched a row.
func changed(tx *store.Tx, statement string, args ...any) (bool, error) {
	done, err := tx.Exec(statement, args...)
	if err != nil {
		return false, err
	}
	tx.Changed(store.Resources)
	n, err := done.RowsAffected()
	return n > 0, err
}

// Registered reports whether a subscription is registered for a provider. It
// is for every one that it was not unregistered from.
func Registered(tx *store.Tx, s azure.SubscriptionID, namespace string) (bool, error) {
	var one int
	err := tx.QueryRow(`SELECT 1 FROM unregistered_providers WHERE subscription_key = $1 AND namespace_key = $2`, azure.Fold(string(s)), azure.Fold(namespace)).Scan(&one)
	if errors.Is(err, store.ErrNoRows) {
		return true, nil
	}
	return false, err
}

// Register registers a subscription for a provider, or takes that back.
func Register(tx *store.Tx, s azure.SubscriptionID, namespace string, registered bool) error {
	statement := `INSERT INTO unregistered_providers (subscription_key, namespace_key) VALUES ($1, $2) ON CONFLICT (subscription_key, namespace_key) DO NOTHING`
	if registered {
		statement = `DELETE FROM unregistered_providers WHERE subscription_key = $1 AND namespace_key = $2`
	}
	_, err := changed(tx, statement, azure.Fold(string(s)), azure.Fold(namespace))
	return err
}

// AnyOf reports whether a subscription has a resource of a provider.
func AnyOf(tx *store.Tx, s azure.SubscriptionID, namespace string) (bool, error) {
	prefix := azure.Fold(namespace) + "/"
	var one int
	err := tx.QueryRow(`SELECT 1 FROM resources WHERE subscription_key = $1 AND substr(type_key, 1, $2) = $3 LIMIT 1`,
		azure.SubscriptionScope(s).Key(), len(prefix), prefix).Scan(&one)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
