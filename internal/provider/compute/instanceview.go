package compute

import (
	"encoding/json"
	"strings"

	"midas/internal/arm"
	"midas/internal/resource"
)

// status is one line of an instance view.
type status struct {
	Code          string `json:"code"`
	Level         string `json:"level"`
	DisplayStatus string `json:"displayStatus"`
	Time          string `json:"time,omitempty"`
}

// What there is to say of anything here.
var (
	succeeded = status{"ProvisioningState/succeeded", "Info", "Provisioning succeeded", ""}
	running   = status{"PowerState/running", "Info", "VM running", ""}
)

// instanceView is how an extension fares, alone or in its machine's view.
type instanceView struct {
	Name               string   `json:"name"`
	Type               string   `json:"type"`
	TypeHandlerVersion string   `json:"typeHandlerVersion"`
	Statuses           []status `json:"statuses"`
}

// machineView is how a machine fares (control-plane.md D3).
type machineView struct {
	ComputerName string         `json:"computerName,omitempty"`
	Extensions   []instanceView `json:"extensions,omitempty"`
	Statuses     []status       `json:"statuses"`
}

func expands(c *arm.Call, what string) bool {
	return strings.Contains(strings.ToLower(c.Param("$expand")), strings.ToLower(what))
}

func viewOf(r *resource.Resource) (instanceView, error) {
	e, err := arm.Properties[extension](r)
	return instanceView{Name: r.ID.Name(), Type: e.handler(), TypeHandlerVersion: e.TypeHandlerVersion,
		Statuses: []status{succeeded}}, err
}

// showInstalled adds to a machine what is installed on it, and its instance
// view where it is asked for.
func showInstalled(c *arm.Call, r *resource.Resource) error {
	if !c.ID.Equal(r.ID) { // one of a list, which tells of neither
		return nil
	}
	all, err := installed(c.Tx, r.ID)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		if err := showResources(r, all); err != nil {
			return err
		}
	}
	if !expands(c, "instanceView") {
		return nil
	}
	vm, err := arm.Properties[machine](r)
	if err != nil {
		return err
	}
	view := machineView{Statuses: []status{succeeded, running}}
	view.Statuses[0].Time = arm.Timestamp(r.UpdatedAt)
	if vm.OSProfile != nil {
		view.ComputerName = vm.OSProfile.ComputerName
	}
	for _, e := range all {
		v, err := viewOf(e)
		if err != nil {
			return err
		}
		view.Extensions = append(view.Extensions, v)
	}
	return arm.SetProperties(r, struct {
		InstanceView machineView `json:"instanceView"`
	}{view})
}

// showResources lists the extensions among the members of their machine.
func showResources(vm *resource.Resource, all []*resource.Resource) error {
	type shown struct {
		ID         string            `json:"id"`
		Name       string            `json:"name"`
		Type       string            `json:"type"`
		Location   string            `json:"location"`
		Tags       map[string]string `json:"tags,omitempty"`
		Properties json.RawMessage   `json:"properties"`
	}
	list := make([]shown, len(all))
	for i, r := range all {
		list[i] = shown{r.ID.String(), r.ID.Name(), TypeExtension, r.Location, r.Tags, r.Properties}
	}
	text, err := json.Marshal(list)
	if vm.Extra == nil {
		vm.Extra = map[string]json.RawMessage{}
	}
	vm.Extra["resources"] = text
	return err
}
