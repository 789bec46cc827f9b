package imds

import (
	"maps"
	"slices"
	"strings"

	"midas/internal/cloud"
	"midas/internal/resource"
)

// describe makes the instance document of a machine from its resource and
// those around it: the table of local-endpoints.md A.4. Each line is a member,
// the version that shows it first, and its value.
func describe(vm *resource.Resource, p properties, around surroundings, profile cloud.Profile) object {
	return object{
		{"compute", sinceInstance, compute(vm, p, around, profile)},
		{"network", sinceInstance, network(around)},
	}
}

func compute(vm *resource.Resource, p properties, around surroundings, profile cloud.Profile) object {
	image := p.StorageProfile.ImageReference
	tags, tagsList := describeTags(vm.Tags)
	return object{
		{"additionalCapabilities", "2021-11-01", object{{"hibernationEnabled", "2021-11-01", p.AdditionalCapabilities.HibernationEnabled.bool()}}},
		{"azEnvironment", "2018-10-01", leaf(profile.AzEnvironment)},
		{"customData", "2019-02-01", leaf("")}, // no longer filled
		{"evictionPolicy", "2020-12-01", leaf(p.EvictionPolicy)},
		{"extendedLocation", "2021-03-01", object{
			{"name", "2021-03-01", leaf(p.extendedLocation.Name)},
			{"type", "2021-03-01", leaf(p.extendedLocation.Type)},
		}},
		{"host", "2021-11-15", object{{"id", "2021-11-15", leaf(p.Host.ID)}}},
		{"hostGroup", "2021-11-15", object{{"id", "2021-11-15", leaf(p.HostGroup.ID)}}},
		{"isHostCompatibilityLayerVm", "2020-06-01", leaf("false")},
		{"licenseType", "2020-09-01", leaf(p.LicenseType)},
		{"location", sinceInstance, leaf(vm.Location)},
		{"name", sinceInstance, leaf(vm.ID.Name())},
		{"offer", sinceInstance, leaf(image.Offer)},
		{"osProfile", "2020-07-15", object{
			{"adminUsername", "2020-07-15", leaf(p.OSProfile.AdminUsername)},
			{"computerName", "2020-07-15", leaf(p.OSProfile.ComputerName)},
			{"disablePasswordAuthentication", "2020-10-01", p.linux().DisablePasswordAuthentication.bool()},
		}},
		{"osType", sinceInstance, leaf(p.osType())},
		{"physicalZone", "2023-11-15", leaf(physicalZone(vm.Location, p.zone))},
		{"placementGroupId", "2017-08-01", leaf("")},
		{"plan", "2018-04-02", object{
			{"name", "2018-04-02", leaf(p.plan.Name)},
			{"product", "2018-04-02", leaf(p.plan.Product)},
			{"publisher", "2018-04-02", leaf(p.plan.Publisher)},
		}},
		{"platformFaultDomain", sinceInstance, leaf(or(p.PlatformFaultDomain, "0"))},
		{"platformSubFaultDomain", "2021-10-01", leaf("")},
		{"platformUpdateDomain", sinceInstance, leaf("0")},
		{"priority", "2020-12-01", leaf(p.Priority)},
		{"provider", "2018-10-01", leaf("Microsoft.Compute")},
		{"publicKeys", "2018-04-02", publicKeys(p)},
		{"publisher", sinceInstance, leaf(image.Publisher)},
		{"resourceGroupName", "2017-08-01", leaf(vm.ID.ResourceGroup())},
		{"resourceId", "2019-03-11", leaf(vm.ID.String())},
		{"securityProfile", "2020-06-01", object{
			{"encryptionAtHost", "2021-11-01", p.SecurityProfile.EncryptionAtHost.bool()},
			{"secureBootEnabled", "2020-06-01", p.SecurityProfile.UEFISettings.SecureBootEnabled.bool()},
			{"securityType", "2021-12-13", leaf(p.SecurityProfile.SecurityType)},
			{"virtualTpmEnabled", "2020-06-01", p.SecurityProfile.UEFISettings.VTPMEnabled.bool()},
		}},
		{"sku", sinceInstance, leaf(image.SKU)},
		{"storageProfile", "2019-06-01", storage(p, around)},
		{"subscriptionId", "2017-08-01", leaf(vm.ID.Subscription())},
		{"tags", "2017-08-01", tags},
		{"tagsList", "2019-06-04", tagsList},
		{"userData", "2021-01-01", leaf(p.UserData)},
		{"version", sinceInstance, leaf(or(image.ExactVersion, image.Version))},
		{"virtualMachineScaleSet", "2021-03-01", object{{"id", "2021-03-01", leaf(p.VirtualMachineScaleSet.ID)}}},
		{"vmId", sinceInstance, leaf(p.VMID)},
		{"vmScaleSetName", "2017-12-01", leaf(lastSegment(p.VirtualMachineScaleSet.ID))},
		{"vmSize", sinceInstance, leaf(p.HardwareProfile.VMSize)},
		{"zone", "2017-12-01", leaf(p.zone)},
	}
}

// physicalZone names the zone that a subscription's own zone is: here they are
// in the same order for all.
func physicalZone(location string, zone scalar) string {
	if zone == "" {
		return ""
	}
	return location + "-az" + string(zone)
}

// lastSegment is the name in an id.
func lastSegment(id scalar) string { return string(id[strings.LastIndexByte(string(id), '/')+1:]) }

// describeTags writes tags in both of their forms, by name.
func describeTags(tags map[string]string) (leaf, list) {
	pairs, all := make([]string, 0, len(tags)), make(list, 0, len(tags))
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		pairs = append(pairs, name+":"+tags[name])
		all = append(all, object{{"name", sinceInstance, leaf(name)}, {"value", sinceInstance, leaf(tags[name])}})
	}
	return leaf(strings.Join(pairs, ";")), all
}

func publicKeys(p properties) list {
	all := list{}
	for _, k := range p.linux().SSH.PublicKeys {
		all = append(all, object{{"keyData", sinceInstance, leaf(k.KeyData)}, {"path", sinceInstance, leaf(k.Path)}})
	}
	return all
}

// or returns the first value that is there.
func or(values ...scalar) scalar {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
