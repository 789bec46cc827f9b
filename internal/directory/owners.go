package directory

import (
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// AddOwner lets a user or a service principal own an application, a service
// principal or a group: object is its object id. One that owns it already is a
// Conflict.
func AddOwner(tx *store.Tx, object, owner azure.ObjectID) error {
	o, err := PrincipalByID(tx, owner)
	if err != nil {
		return err
	}
	if o.Kind == Group {
		return fault.New(fault.Invalid, "A group cannot be an owner.").At("owners")
	}
	return create(tx, `INSERT INTO owners (object_id, owner_id) VALUES ($1, $2)`, string(object), string(o.ID))
}

// RemoveOwner takes an owner from an object.
func RemoveOwner(tx *store.Tx, object, owner azure.ObjectID) error {
	return change(tx, noPrincipal(), `DELETE FROM owners WHERE object_id = $1 AND owner_id = $2`, string(object), azure.Fold(string(owner)))
}

// Owns reports whether owner is one of the owners of an object.
func Owns(tx *store.Tx, object, owner azure.ObjectID) (owns bool, err error) {
	err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM owners WHERE object_id = $1 AND owner_id = $2)`, string(object), string(owner)).Scan(&owns)
	return owns, err
}
