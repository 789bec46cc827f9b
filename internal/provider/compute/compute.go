// Package compute is the resource provider Microsoft.Compute: virtual
// machines, as far as they have an identity and facts about themselves, and
// their extensions and managed disks (control-plane.md D2, D3). It may import the arm door
// and everything below it.
package compute

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/resource"
	"midas/internal/scheduledevents"
)

// TypeVirtualMachine is the full type of a virtual machine.
const TypeVirtualMachine = "Microsoft.Compute/virtualMachines"

// Provider returns the provider.
func Provider() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.Compute", Types: []arm.Type{{
		Name:     "virtualMachines",
		Versions: versions,
		Tracked:  true, Identity: true, ETag: true,
		Names: arm.NameRule{Pattern: regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?$`), Code: "InvalidParameter",
			Says: "1 to 64 letters, digits, hyphens, underscores and full stops, with neither a hyphen nor a full stop at its ends"},
		Prepare: prepare, Show: show, Remove: remove, Move: move,
	}, disks(), extensions()}}
}

// versions are the api-versions of all types here, newest first.
var versions = []string{"2026-03-01", "2025-04-01", "2024-11-01", "2024-07-01", "2024-03-01", "2023-09-01", "2023-07-01", "2023-03-01", "2022-11-01", "2022-08-01", "2022-03-01", "2021-11-01", "2021-07-01", "2021-03-01", "2020-12-01", "2020-06-01", "2019-12-01", "2019-07-01", "2019-03-01", "2018-10-01", "2018-06-01", "2018-04-01", "2017-12-01", "2017-03-30", "2016-04-30-preview", "2016-03-30", "2015-06-15"}

// move takes along the maintenance that was announced to a machine. What it hangs
// on is named in its properties.
func move(c *arm.Change) error { return scheduledevents.Follow(c.Tx, c.Old.ID, c.New.ID) }

// machine is what the provider itself reads and completes of a virtual
// machine. Members that it does not know stay as they were given.
type machine struct {
	VMID              string          `json:"vmId,omitempty"`
	ProvisioningState string          `json:"provisioningState,omitempty"`
	TimeCreated       string          `json:"timeCreated,omitempty"`
	StorageProfile    *storageProfile `json:"storageProfile,omitempty"`
	OSProfile         *osProfile      `json:"osProfile,omitempty"`
}

type storageProfile struct {
	ImageReference *imageReference `json:"imageReference,omitempty"`
	OSDisk         *osDisk         `json:"osDisk,omitempty"`
}

type imageReference struct {
	Publisher string `json:"publisher,omitempty"`
	Offer     string `json:"offer,omitempty"`
}

type osDisk struct {
	Name         string `json:"name,omitempty"`
	OSType       string `json:"osType,omitempty"` // Linux or Windows
	DeleteOption string `json:"deleteOption,omitempty"`
}

type osProfile struct {
	ComputerName string `json:"computerName,omitempty"`
	// What is written to a machine is not read back from it: neither is ever kept.
	AdminPassword string `json:"adminPassword,omitempty"`
	CustomData    string `json:"customData,omitempty"`
}

// prepare completes a machine: its own id for life, and the names that Azure
// gives where the caller gave none.
func prepare(c *arm.Change) error {
	var was machine
	if c.Old != nil {
		var err error
		if was, err = arm.Properties[machine](c.Old); err != nil {
			return err
		}
	}
	vm, err := arm.Properties[machine](c.New)
	if err != nil {
		return err
	}
	vm.ProvisioningState, vm.VMID, vm.TimeCreated = "Succeeded", was.VMID, was.TimeCreated
	if c.Old == nil {
		vm.VMID, vm.TimeCreated = azure.NewGUID(), arm.Timestamp(c.Tx.Now)
	}
	if s := vm.StorageProfile; s != nil && s.OSDisk != nil {
		s.OSDisk.complete(c.New, was, s.ImageReference)
	}
	if o := vm.OSProfile; o != nil {
		if o.ComputerName == "" {
			o.ComputerName = c.New.ID.Name()
		}
		o.AdminPassword, o.CustomData = "", ""
	}
	if err := forget(c.New, "adminPassword", "customData"); err != nil {
		return err
	}
	if err := edit(c.New, "", without("instanceView")); err != nil { // a caller may send back what it was shown
		return err
	}
	if err := arm.SetProperties(c.New, vm); err != nil {
		return err
	}
	return attach(c)
}

func (d *osDisk) complete(r *resource.Resource, was machine, image *imageReference) {
	if d.Name == "" && was.StorageProfile != nil && was.StorageProfile.OSDisk != nil {
		d.Name = was.StorageProfile.OSDisk.Name
	}
	if d.Name == "" {
		var b [16]byte
		rand.Read(b[:])
		d.Name = r.ID.Name() + "_OsDisk_1_" + hex.EncodeToString(b[:])
	}
	if d.OSType == "" {
		d.OSType = "Linux"
		if image != nil && strings.Contains(strings.ToLower(image.Publisher+image.Offer), "windows") {
			d.OSType = "Windows"
		}
	}
	if d.DeleteOption == "" {
		d.DeleteOption = "Detach"
	}
}

// forget removes members of osProfile, however they are spelled.
func forget(r *resource.Resource, names ...string) error {
	return edit(r, "osProfile", without(names...))
}

func without(names ...string) func(map[string]json.RawMessage) {
	return func(members map[string]json.RawMessage) {
		for name := range members {
			if slices.ContainsFunc(names, func(gone string) bool { return strings.EqualFold(name, gone) }) {
				delete(members, name)
			}
		}
	}
}

// remove drops the maintenance that was announced to a machine.
func remove(c *arm.Change) error { return scheduledevents.Forget(c.Tx, c.Old.ID) }

// show leaves the user data out unless it is asked for, and adds what is
// elsewhere.
func show(c *arm.Call, r *resource.Resource) error {
	if !expands(c, "userData") {
		if err := edit(r, "", without("userData")); err != nil {
			return err
		}
	}
	return showInstalled(c, r)
}

// edit changes the members of one object in the properties; "" is the properties themselves.
func edit(r *resource.Resource, object string, change func(map[string]json.RawMessage)) error {
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(r.Properties, &properties); err != nil {
		return err
	}
	if object == "" {
		change(properties)
	} else {
		for name, raw := range properties {
			if !strings.EqualFold(name, object) {
				continue
			}
			var members map[string]json.RawMessage
			if err := json.Unmarshal(raw, &members); err != nil {
				return err
			}
			change(members)
			again, err := json.Marshal(members)
			if err != nil {
				return err
			}
			properties[name] = again
		}
	}
	again, err := json.Marshal(properties)
	r.Properties = again
	return err
}
