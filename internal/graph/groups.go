package graph

import (
	"slices"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
)

func createGroup(c *call) (reply, error) {
	ch, err := c.changes(groups, true)
	if err != nil {
		return reply{}, err
	}
	if err := ch.need("Group", "displayName", "mailEnabled", "mailNickname", "securityEnabled"); err != nil {
		return reply{}, err
	}
	name, _ := ch.take("displayName")
	g, err := directory.CreateGroup(c.tx, c.Tenant, name.(string))
	if err != nil {
		return reply{}, err
	}
	if err := c.changeGroup(directory.Object{Principal: g, Properties: []byte("{}")}, ch); err != nil {
		return reply{}, err
	}
	owners, err := c.bound("owners@odata.bind")
	if err != nil {
		return reply{}, err
	}
	if len(owners) == 0 && c.caller.user() {
		owners = []azure.ObjectID{c.caller.ID}
	}
	for _, id := range owners {
		if err := directory.AddOwner(c.tx, g.ID, id); err != nil {
			return reply{}, orMissing(alreadyThere(err, "owners"), string(id))
		}
	}
	return c.createdObject(g.ID)
}

func updateGroup(c *call) (reply, error) {
	o, err := c.object(0, directory.Group)
	if err != nil {
		return reply{}, err
	}
	ch, err := c.changes(groups, false)
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.changeGroup(o, ch)
}

// changeGroup writes what a body says of a group, its new members among it.
// Every group here is one for security: there is no mail.
func (c *call) changeGroup(o directory.Object, ch change) error {
	if name, ok, err := ch.takeText("displayName"); err != nil {
		return err
	} else if ok {
		if err := directory.Rename(c.tx, o.ID, name); err != nil {
			return err
		}
	}
	mail, _ := ch.take("mailEnabled")
	security, ok := ch.take("securityEnabled")
	types, _ := ch["groupTypes"].([]any)
	if mail == true || ok && security == false || len(types) > 0 {
		return fault.New(fault.Invalid, "The service does not currently support writes of mail-enabled groups. Please ensure that the mail-enablement property is unset and the security-enablement property is set.")
	}
	properties, err := ch.onto(o.Properties)
	if err != nil {
		return err
	}
	if err := directory.SetProperties(c.tx, o.ID, properties); err != nil {
		return err
	}
	members, err := c.bound("members@odata.bind")
	if err != nil {
		return err
	}
	for _, id := range members {
		if err := directory.AddMember(c.tx, o.ID, id); err != nil {
			return orMissing(alreadyThere(err, "members"), string(id))
		}
	}
	return nil
}

func deleteGroup(c *call) (reply, error) {
	o, err := c.object(0, directory.Group)
	if err != nil {
		return reply{}, err
	}
	return reply{}, directory.SoftDelete(c.tx, o.Principal)
}

func addMember(c *call) (reply, error) {
	o, err := c.object(0, directory.Group)
	if err != nil {
		return reply{}, err
	}
	id, err := c.reference()
	if err != nil {
		return reply{}, err
	}
	return reply{}, orMissing(alreadyThere(directory.AddMember(c.tx, o.ID, id), "members"), string(id))
}

func removeMember(c *call) (reply, error) {
	o, err := c.object(0, directory.Group)
	if err != nil {
		return reply{}, err
	}
	id := azure.ObjectID(azure.Fold(c.params[1].value))
	return reply{}, orMissing(directory.RemoveMember(c.tx, o.ID, id), string(id))
}

// ids is the answer of the actions that name groups.
type ids struct {
	Context string           `json:"@odata.context"`
	Value   []azure.ObjectID `json:"value"`
}

func (c *call) ids(found []azure.ObjectID) reply {
	return reply{body: ids{c.context("Collection(Edm.String)"), append([]azure.ObjectID{}, found...)}}
}

// memberGroups names every group that an object is in, directly or not.
func memberGroups(kinds ...directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		o, err := c.object(0, kinds...)
		if err != nil {
			return reply{}, err
		}
		found, err := directory.Groups(c.tx, o.ID)
		return c.ids(found), err
	}
}

// checkMemberGroups names those of the given groups that an object is in.
func checkMemberGroups(list string, kinds ...directory.Kind) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		o, err := c.object(0, kinds...)
		if err != nil {
			return reply{}, err
		}
		asked, err := c.texts(list, 20)
		if err != nil {
			return reply{}, err
		}
		in, err := directory.Groups(c.tx, o.ID)
		if err != nil {
			return reply{}, err
		}
		var found []azure.ObjectID
		for _, id := range asked {
			if folded := azure.ObjectID(azure.Fold(id)); slices.Contains(in, folded) {
				found = append(found, folded)
			}
		}
		return c.ids(found), nil
	}
}
