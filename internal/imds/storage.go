package imds

import (
	"strconv"
	"strings"
)

// storage is the storageProfile of local-endpoints.md A.4. What a disk's own
// resource says goes before what the machine says of it.
func storage(p properties, around surroundings) object {
	image, os := p.StorageProfile.ImageReference, p.StorageProfile.OSDisk
	m, _ := around.managed(os)
	data := list{}
	for _, d := range p.StorageProfile.DataDisks {
		data = append(data, dataDisk(d, around))
	}
	return object{
		{"dataDisks", "2019-06-01", data},
		{"imageReference", "2019-06-01", object{
			{"communityGalleryImageId", "2023-07-01", leaf(image.CommunityGalleryImageID)},
			{"exactVersion", "2023-07-01", leaf(image.ExactVersion)},
			{"id", "2019-06-01", leaf(image.ID)},
			{"offer", "2019-06-01", leaf(image.Offer)},
			{"publisher", "2019-06-01", leaf(image.Publisher)},
			{"sharedGalleryImageId", "2023-07-01", leaf(image.SharedGalleryImageID)},
			{"sku", "2019-06-01", leaf(image.SKU)},
			{"version", "2019-06-01", leaf(image.Version)},
		}},
		{"osDisk", "2019-06-01", object{
			{"caching", "2019-06-01", leaf(os.Caching)},
			{"createOption", "2019-06-01", leaf(os.CreateOption)},
			{"diffDiskSettings", "2019-06-01", diffDisk(os)},
			{"diskSizeGB", "2019-06-01", leaf(or(m.DiskSizeGB, os.DiskSizeGB))},
			{"encryptionSettings", "2019-06-01", encryption(os)},
			{"image", "2019-06-01", object{{"uri", "2019-06-01", leaf(os.Image.URI)}}},
			{"managedDisk", "2019-06-01", managedDisk(os, m)},
			{"name", "2019-06-01", leaf(os.Name)},
			{"osType", "2019-06-01", leaf(p.osType())},
			{"vhd", "2019-06-01", object{{"uri", "2019-06-01", leaf(os.VHD.URI)}}},
			{"writeAcceleratorEnabled", "2019-06-01", os.WriteAcceleratorEnabled.bool()},
		}},
		{"resourceDisk", "2021-02-01", object{{"size", "2021-02-01", leaf("")}}},
	}
}

func dataDisk(d disk, around surroundings) object {
	m, _ := around.managed(d)
	return object{
		{"bytesPerSecondThrottle", "2021-05-01", leaf(times(m.DiskMBpsReadWrite, 1_000_000))},
		{"caching", "2019-06-01", leaf(d.Caching)},
		{"createOption", "2019-06-01", leaf(d.CreateOption)},
		{"diffDiskSettings", "2019-06-01", diffDisk(d)},
		{"diskCapacityBytes", "2021-05-01", leaf(or(m.DiskSizeBytes, times(or(m.DiskSizeGB, d.DiskSizeGB), 1<<30)))},
		{"diskSizeGB", "2019-06-01", leaf(or(m.DiskSizeGB, d.DiskSizeGB))},
		{"encryptionSettings", "2019-06-01", encryption(d)},
		{"image", "2019-06-01", object{{"uri", "2019-06-01", leaf(d.Image.URI)}}},
		{"isSharedDisk", "2021-05-01", leaf(strconv.FormatBool(m.MaxShares != "" && m.MaxShares != "1"))},
		{"isUltraDisk", "2021-05-01", leaf(strconv.FormatBool(strings.EqualFold(string(or(m.sku.Name, d.ManagedDisk.StorageAccountType)), "UltraSSD_LRS")))},
		{"lun", "2019-06-01", leaf(d.LUN)},
		{"managedDisk", "2019-06-01", managedDisk(d, m)},
		{"name", "2019-06-01", leaf(d.Name)},
		{"opsPerSecondThrottle", "2021-05-01", leaf(m.DiskIOPSReadWrite)},
		{"vhd", "2019-06-01", object{{"uri", "2019-06-01", leaf(d.VHD.URI)}}},
		{"writeAcceleratorEnabled", "2019-06-01", d.WriteAcceleratorEnabled.bool()},
	}
}

func diffDisk(d disk) object {
	return object{{"option", "2019-06-01", leaf(d.DiffDiskSettings.Option)}}
}

func managedDisk(d disk, m managedProperties) object {
	return object{{"id", "2019-06-01", leaf(d.ManagedDisk.ID)}, {"storageAccountType", "2019-06-01", leaf(or(m.sku.Name, d.ManagedDisk.StorageAccountType))}}
}

func encryption(d disk) object {
	e := d.EncryptionSettings
	return object{
		{"diskEncryptionKey", "2021-11-01", object{
			{"secretUrl", "2021-11-01", leaf(e.DiskEncryptionKey.SecretURL)},
			{"sourceVault", "2021-11-01", object{{"id", "2021-11-01", leaf(e.DiskEncryptionKey.SourceVault.ID)}}},
		}},
		{"enabled", "2019-06-01", e.Enabled.bool()},
		{"keyEncryptionKey", "2021-11-01", object{
			{"keyUrl", "2021-11-01", leaf(e.KeyEncryptionKey.KeyURL)},
			{"sourceVault", "2021-11-01", object{{"id", "2021-11-01", leaf(e.KeyEncryptionKey.SourceVault.ID)}}},
		}},
	}
}
