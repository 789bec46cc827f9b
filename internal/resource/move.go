package resource

import (
	"midas/internal/azure"
	"midas/internal/store"
)

// Move gives a resource another id and, with it, its children, and returns all
// of them as they are now. The new id must be free.
func Move(tx *store.Tx, from, to azure.ResourceID, by azure.ObjectID) (moved []*Resource, err error) {
	all, _, err := List(tx, Query{Within: from, Limit: maxChildren})
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		old := r.ID
		if old.Equal(from) {
			r.ID = to
		} else {
			r.ID, err = azure.ParseResourceID(to.String() + old.String()[len(from.String()):])
		}
		if err != nil {
			return nil, err
		}
		r.Version, r.UpdatedAt, r.UpdatedBy = r.Version+1, tx.Now, by
		if _, err := tx.Exec(`UPDATE resources SET key = $1, id = $2, parent_key = $3, subscription_key = $4, group_key = $5, version = $6, updated_at = $7, updated_by = $8 WHERE key = $9`,
			r.ID.Key(), r.ID.String(), r.ID.Parent().Key(), subscriptionKey(r.ID), groupKey(r.ID), r.Version, store.Micros(r.UpdatedAt), string(by), old.Key()); err != nil {
			return nil, err
		}
		if err := moveReferences(tx, old, r.ID); err != nil {
			return nil, err
		}
		moved = append(moved, r)
		if !old.Equal(from) { // its own children
			below, err := Move(tx, old, r.ID, by)
			if err != nil {
				return nil, err
			}
			moved = append(moved, below...)
		}
	}
	tx.Changed(store.Resources)
	return moved, nil
}

// maxChildren bounds what moves with one resource.
const maxChildren = 10000
