package compute

import (
	"fmt"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
)

const typeInterface = "Microsoft.Network/networkInterfaces"

// attached is what a machine names of other resources.
type attached struct {
	NetworkProfile struct {
		NetworkInterfaces []struct {
			ID string `json:"id"`
		} `json:"networkInterfaces"`
	} `json:"networkProfile"`
	StorageProfile struct {
		OSDisk    managed   `json:"osDisk"`
		DataDisks []managed `json:"dataDisks"`
	} `json:"storageProfile"`
}

type managed struct {
	ManagedDisk struct {
		ID string `json:"id"`
	} `json:"managedDisk"`
}

// attach takes the interfaces and disks that a machine names. Each has one
// machine at a time.
func attach(c *arm.Change) error {
	a, err := arm.Properties[attached](c.New)
	if err != nil {
		return err
	}
	var all []resource.Reference
	take := func(path, id, typ, action, code string) error {
		r, err := c.Refer(path, id, typ, action, c.InRegion)
		if err != nil {
			return err
		}
		if err := free(c, r, code, all); err != nil {
			return err
		}
		all = append(all, resource.Reference{From: c.New.ID, To: r})
		return nil
	}
	for i, n := range a.NetworkProfile.NetworkInterfaces {
		if err := take(fmt.Sprintf("properties.networkProfile.networkInterfaces[%d].id", i), n.ID, typeInterface, "join/action", "NicInUse"); err != nil {
			return err
		}
	}
	disks := append([]managed{a.StorageProfile.OSDisk}, a.StorageProfile.DataDisks...)
	for i, d := range disks {
		path := "properties.storageProfile.osDisk.managedDisk.id"
		if i > 0 {
			path = fmt.Sprintf("properties.storageProfile.dataDisks[%d].managedDisk.id", i-1)
		}
		if d.ManagedDisk.ID == "" {
			continue // a disk that is no resource of its own
		}
		if err := take(path, d.ManagedDisk.ID, TypeDisk, "write", "AttachDiskWhileBeingAttached"); err != nil {
			return err
		}
	}
	return resource.SetReferences(c.Tx, c.New.ID, all)
}

// free refuses what another machine has, or this one has twice.
func free(c *arm.Change, id azure.ResourceID, code string, so []resource.Reference) error {
	holders, err := resource.ReferencesTo(c.Tx, id)
	if err != nil {
		return err
	}
	for _, h := range holders {
		if !h.From.Equal(c.New.ID) {
			return fault.New(fault.Conflict, "Resource %s is already in use by resource %s.", id, h.From).Named(code)
		}
	}
	for _, r := range so {
		if r.To.Equal(id) {
			return fault.New(fault.Invalid, "Resource %s is named twice by resource %s.", id, c.New.ID).Named("InvalidParameter")
		}
	}
	return nil
}
