package compute

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
)

// TypeDisk is the full type of a managed disk.
const TypeDisk = "Microsoft.Compute/disks"

func disks() arm.Type {
	return arm.Type{
		Name:     "disks",
		Versions: []string{"2026-01-02", "2025-01-02", "2024-03-02", "2023-10-02", "2023-04-02", "2023-01-02", "2022-07-02", "2022-03-02", "2021-12-01", "2021-08-01", "2021-04-01", "2020-12-01", "2020-09-30", "2020-06-30", "2020-05-01", "2019-11-01", "2019-07-01", "2019-03-01", "2018-09-30", "2018-06-01", "2018-04-01", "2017-03-30", "2016-04-30-preview"},
		Tracked:  true, ETag: true,
		Names: arm.NameRule{Pattern: regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$`), Code: "InvalidParameter",
			Says: "1 to 80 letters, digits, hyphens, underscores and full stops, with neither a hyphen nor a full stop at its ends"},
		Prepare: prepareDisk, Remove: removeDisk, Show: showDisk,
	}
}

// disk is what the provider reads and completes of a managed disk.
type disk struct {
	CreationData      *creationData `json:"creationData,omitempty"`
	DiskSizeGB        int64         `json:"diskSizeGB,omitempty"`
	DiskSizeBytes     int64         `json:"diskSizeBytes,omitempty"`
	DiskState         string        `json:"diskState,omitempty"`
	UniqueID          string        `json:"uniqueId,omitempty"`
	TimeCreated       string        `json:"timeCreated,omitempty"`
	ProvisioningState string        `json:"provisioningState,omitempty"`
}

type creationData struct {
	CreateOption string `json:"createOption,omitempty"`
}

// Sizes of a disk, in GiB.
const (
	maxDiskSize     = 65536
	defaultDiskSize = 30 // of an image, where nothing else is said
)

// prepareDisk completes a disk. It grows and does not shrink.
func prepareDisk(c *arm.Change) error {
	var was disk
	if c.Old != nil {
		var err error
		if was, err = arm.Properties[disk](c.Old); err != nil {
			return err
		}
	}
	d, err := arm.Properties[disk](c.New)
	if err != nil {
		return err
	}
	if d.CreationData == nil || d.CreationData.CreateOption == "" {
		return fault.New(fault.Invalid, "Required parameter 'disk.properties.creationData' is missing (null).").Named("InvalidParameter").At("disk.properties.creationData")
	}
	if d.DiskSizeGB == 0 {
		d.DiskSizeGB = was.DiskSizeGB
	}
	switch {
	case d.DiskSizeGB == 0 && strings.EqualFold(d.CreationData.CreateOption, "Empty"):
		return fault.New(fault.Invalid, "Required parameter 'disk.properties.diskSizeGB' is missing (null).").Named("InvalidParameter").At("disk.properties.diskSizeGB")
	case d.DiskSizeGB == 0:
		d.DiskSizeGB = defaultDiskSize
	case d.DiskSizeGB < 1 || d.DiskSizeGB > maxDiskSize:
		return fault.New(fault.Invalid, "The value '%d' of parameter 'disk.diskSizeGB' is out of range. The value must be between '1' and '%d', inclusive.", d.DiskSizeGB, maxDiskSize).Named("InvalidParameter").At("disk.diskSizeGB")
	case d.DiskSizeGB < was.DiskSizeGB:
		return fault.New(fault.Conflict, "New disk size must be greater than or equal to the existing size of disk %s.", c.New.ID.Name()).Named("OperationNotAllowed")
	}
	d.DiskSizeBytes, d.ProvisioningState, d.DiskState, d.UniqueID, d.TimeCreated = d.DiskSizeGB<<30, "Succeeded", "Unattached", was.UniqueID, was.TimeCreated
	if c.Old == nil {
		d.UniqueID, d.TimeCreated = azure.NewGUID(), arm.Timestamp(c.Tx.Now)
	}
	delete(c.New.Extra, "managedBy") // not for the caller to say
	if err := diskSKU(c.New); err != nil {
		return err
	}
	return arm.SetProperties(c.New, d)
}

// diskSKU names the kind of storage and its tier.
func diskSKU(r *resource.Resource) error {
	var sku struct {
		Name string `json:"name"`
	}
	if raw, ok := r.Extra["sku"]; ok {
		if err := json.Unmarshal(raw, &sku); err != nil {
			return fault.Wrap(err, fault.Invalid, "The value of 'sku' is not an object with a name.").Named(arm.CodeInvalidContent).At("sku")
		}
	}
	if sku.Name == "" {
		sku.Name = "Standard_LRS"
	}
	tier, _, _ := strings.Cut(sku.Name, "_")
	if r.Extra == nil {
		r.Extra = map[string]json.RawMessage{}
	}
	r.Extra["sku"] = json.RawMessage(`{"name":` + strconv.Quote(sku.Name) + `,"tier":` + strconv.Quote(strings.TrimSuffix(tier, "V2")) + `}`)
	return nil
}

func removeDisk(c *arm.Change) error {
	user, err := c.User(c.Old.ID)
	if err != nil || user.IsZero() {
		return err
	}
	return fault.New(fault.Conflict, "Disk %s is attached to VM %s.", c.Old.ID.Name(), user).Named("OperationNotAllowed")
}

// showDisk says which machine has the disk.
func showDisk(c *arm.Call, r *resource.Resource) error {
	all, err := resource.ReferencesTo(c.Tx, r.ID)
	if err != nil || len(all) == 0 {
		return err
	}
	owner, err := json.Marshal(all[0].From.String())
	if err != nil {
		return err
	}
	r.Extra["managedBy"] = owner
	return arm.SetProperties(r, disk{DiskState: "Attached"})
}
