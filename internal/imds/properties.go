package imds

import (
	"encoding/json"
	"strconv"

	"midas/internal/resource"
)

// scalar is any JSON value without children, as text. Clients write numbers
// and booleans where they please, and null for what is absent.
type scalar string

// UnmarshalJSON takes every value; one with children is no text.
func (s *scalar) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		var text string
		err := json.Unmarshal(b, &text)
		*s = scalar(text)
		return err
	case 'n', '{', '[':
		*s = ""
	default:
		*s = scalar(b)
	}
	return nil
}

// bool is a switch, which is off where nothing is said.
func (s scalar) bool() leaf { return leaf(or(s, "false")) }

type reference struct{ ID scalar }

// properties is what the instance document needs of a virtual machine
// (control-plane.md D3). Member names match without case.
type properties struct {
	VMID            scalar
	HardwareProfile struct{ VMSize scalar }
	StorageProfile  struct {
		ImageReference struct {
			ID, Publisher, Offer, SKU, Version, ExactVersion scalar
			CommunityGalleryImageID, SharedGalleryImageID    scalar
		}
		OSDisk    disk
		DataDisks []disk
	}
	OSProfile struct {
		ComputerName, AdminUsername scalar
		LinuxConfiguration          *linuxConfiguration
		WindowsConfiguration        *struct{}
	}
	SecurityProfile struct {
		EncryptionAtHost, SecurityType scalar
		UEFISettings                   struct{ SecureBootEnabled, VTPMEnabled scalar }
	}
	NetworkProfile                                                       struct{ NetworkInterfaces []reference }
	AdditionalCapabilities                                               struct{ HibernationEnabled scalar }
	EvictionPolicy, LicenseType, Priority, PlatformFaultDomain, UserData scalar
	Host, HostGroup, VirtualMachineScaleSet                              reference

	// From the resource's envelope.
	plan             struct{ Name, Product, Publisher scalar }
	extendedLocation struct{ Name, Type scalar }
	zone             scalar
}

type disk struct {
	Name, Caching, CreateOption, DiskSizeGB, LUN, OSType, WriteAcceleratorEnabled scalar

	DiffDiskSettings   struct{ Option scalar }
	Image, VHD         struct{ URI scalar }
	ManagedDisk        struct{ ID, StorageAccountType scalar }
	EncryptionSettings struct {
		Enabled           scalar
		DiskEncryptionKey struct {
			SecretURL   scalar
			SourceVault reference
		}
		KeyEncryptionKey struct {
			KeyURL      scalar
			SourceVault reference
		}
	}
}

type linuxConfiguration struct {
	DisablePasswordAuthentication scalar
	SSH                           struct {
		PublicKeys []struct{ KeyData, Path scalar }
	}
}

// readProperties decodes what is there. A member of another shape than it
// should have is as good as absent here: whether it may be stored is for the
// compute provider to say.
func readProperties(vm *resource.Resource) properties {
	var p properties
	json.Unmarshal(vm.Properties, &p)
	json.Unmarshal(vm.Extra["plan"], &p.plan)
	json.Unmarshal(vm.Extra["extendedLocation"], &p.extendedLocation)
	var zones []scalar
	json.Unmarshal(vm.Extra["zones"], &zones)
	if len(zones) > 0 {
		p.zone = zones[0]
	}
	return p
}

func (p *properties) linux() linuxConfiguration {
	if p.OSProfile.LinuxConfiguration == nil {
		return linuxConfiguration{}
	}
	return *p.OSProfile.LinuxConfiguration
}

// osType is Windows or Linux, by the disk or else by the configuration.
func (p *properties) osType() scalar {
	switch {
	case p.StorageProfile.OSDisk.OSType != "":
		return p.StorageProfile.OSDisk.OSType
	case p.OSProfile.WindowsConfiguration != nil:
		return "Windows"
	}
	return "Linux"
}

// times is a number of units, or "" where it is none.
func times(n scalar, unit int64) scalar {
	count, err := strconv.ParseInt(string(n), 10, 32)
	if err != nil {
		return ""
	}
	return scalar(strconv.FormatInt(count*unit, 10))
}
