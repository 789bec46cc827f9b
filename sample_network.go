package midas

import (
	"context"
	"net/http"
)

// versionNetwork is the api-version that the sample's network is made by.
const versionNetwork = "?api-version=2024-05-01"

// sampleNetwork makes what is around the sample's machine, a public address, a
// network, an interface in both and a disk, and returns what the machine names
// of it.
func (s *Server) sampleNetwork(ctx context.Context, manager caller, group string) (networkProfile, managedDisk object, err error) {
	location := s.profile.DefaultLocation()
	var made struct {
		ID string `json:"id"`
	}
	put := func(path string, body object) (object, error) {
		body["location"] = location
		err := manager.do(ctx, http.MethodPut, group+"/providers/"+path, body, &made)
		return object{"id": made.ID}, err
	}
	address, err := put("Microsoft.Network/publicIPAddresses/"+sampleVM+"-ip"+versionNetwork, object{"sku": object{"name": "Standard"}})
	if err != nil {
		return nil, nil, err
	}
	network, err := put("Microsoft.Network/virtualNetworks/"+sampleVM+"-vnet"+versionNetwork, object{"properties": object{
		"addressSpace": object{"addressPrefixes": []string{"10.0.0.0/16"}},
		"subnets":      []object{{"name": "default", "properties": object{"addressPrefix": "10.0.0.0/24"}}},
	}})
	if err != nil {
		return nil, nil, err
	}
	nic, err := put("Microsoft.Network/networkInterfaces/"+sampleVM+"-nic"+versionNetwork, object{"properties": object{"ipConfigurations": []object{{
		"name": "ipconfig1", "properties": object{"publicIPAddress": address, "subnet": object{"id": network["id"].(string) + "/subnets/default"}},
	}}}})
	if err != nil {
		return nil, nil, err
	}
	disk, err := put("Microsoft.Compute/disks/"+sampleVM+"-os?api-version=2024-03-02", object{
		"sku": object{"name": "StandardSSD_LRS"}, "properties": object{"creationData": object{"createOption": "FromImage"}, "osType": "Linux", "diskSizeGB": 30}})
	return object{"networkInterfaces": []object{nic}}, disk, err
}
