package graph

import (
	"midas/internal/azure"
	"midas/internal/directory"
)

// owned finds the object that the path names, of those that have owners.
type owned func(*call) (azure.ObjectID, error)

func ownedApplication(c *call) (azure.ObjectID, error) {
	r, err := c.application()
	return r.ObjectID, err
}

func ownedObject(kind directory.Kind) owned {
	return func(c *call) (azure.ObjectID, error) {
		o, err := c.object(0, kind)
		return o.ID, err
	}
}

func listOwners(of owned) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		id, err := of(c)
		if err != nil {
			return reply{}, err
		}
		return c.relatedTo(id, directory.OwnersOf, "directoryObjects", directoryObject)
	}
}

func addOwner(of owned) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		id, err := of(c)
		if err != nil {
			return reply{}, err
		}
		owner, err := c.reference()
		if err != nil {
			return reply{}, err
		}
		return reply{}, orMissing(alreadyThere(directory.AddOwner(c.tx, id, owner), "owners"), string(owner))
	}
}

func removeOwner(of owned) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		id, err := of(c)
		if err != nil {
			return reply{}, err
		}
		owner := c.params[1].value
		return reply{}, orMissing(directory.RemoveOwner(c.tx, id, azure.ObjectID(owner)), owner)
	}
}
