package resource

import (
	"midas/internal/azure"
	"midas/internal/store"
)

// Reference says that a resource, or a part of it such as an IP configuration,
// names another resource or a part of one.
type Reference struct {
	From, To azure.ResourceID
	Address  string // what From has of To, where To is a subnet
}

// SetReferences writes which references a resource has, in place of those that
// it had. They go with the resource.
func SetReferences(tx *store.Tx, owner azure.ResourceID, all []Reference) error {
	if err := deleteReferences(tx, owner); err != nil {
		return err
	}
	for _, r := range all {
		_, err := tx.Exec(`INSERT INTO resource_references (owner_key, source, source_key, target, target_key, address) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (owner_key, source_key, target_key) DO UPDATE SET address = excluded.address`,
			owner.Key(), r.From.String(), r.From.Key(), r.To.String(), r.To.Key(), r.Address)
		if err != nil {
			return err
		}
	}
	return nil
}

func deleteReferences(tx *store.Tx, owner azure.ResourceID) error {
	_, err := tx.Exec(`DELETE FROM resource_references WHERE owner_key = $1`, owner.Key())
	tx.Changed(store.Resources)
	return err
}

// moveReferences lets the references that a resource has follow it to another
// id. Those that name it are for its owner to change, and keep it where it is.
func moveReferences(tx *store.Tx, from, to azure.ResourceID) error {
	all, err := ReferencesOf(tx, from)
	if err != nil || len(all) == 0 {
		return err
	}
	for i, r := range all {
		if all[i].From, err = azure.ParseResourceID(to.String() + r.From.String()[len(from.String()):]); err != nil {
			return err
		}
	}
	if err := deleteReferences(tx, from); err != nil {
		return err
	}
	return SetReferences(tx, to, all)
}

const referenceColumns = `source, target, address`

func scanReference(row func(...any) error) (r Reference, err error) {
	var from, to string
	if err := row(&from, &to, &r.Address); err != nil {
		return r, err
	}
	if r.From, err = azure.ParseResourceID(from); err != nil {
		return r, err
	}
	r.To, err = azure.ParseResourceID(to)
	return r, err
}

// ReferencesOf returns the references that a resource has.
func ReferencesOf(tx *store.Tx, owner azure.ResourceID) ([]Reference, error) {
	return store.Collect(tx, scanReference, `SELECT `+referenceColumns+` FROM resource_references WHERE owner_key = $1 ORDER BY source_key, target_key`, owner.Key())
}

// referred is the key of what [ReferencesTo] remembers: the key of a resource.
type referred string

// ReferencesTo returns the references that a resource, or this part of one, is
// named by. Nobody changes what it returns.
func ReferencesTo(tx *store.Tx, target azure.ResourceID) ([]Reference, error) {
	return store.Memo(tx, referred(target.Key()), func() ([]Reference, error) {
		return store.Collect(tx, scanReference, `SELECT `+referenceColumns+` FROM resource_references WHERE target_key = $1 ORDER BY source_key`, target.Key())
	}, store.Resources)
}
