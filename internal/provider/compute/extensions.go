package compute

import (
	"encoding/json"
	"regexp"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/store"
)

// TypeExtension is the full type of what is installed on a virtual machine.
const TypeExtension = TypeVirtualMachine + "/extensions"

// maxExtensions bounds those of one machine.
const maxExtensions = 50

// extensions is the type of what is installed on a virtual machine. Nothing is
// run; an identity extension is answered for by the machine's local endpoints.
func extensions() arm.Type {
	return arm.Type{
		Name:     "virtualMachines/extensions",
		Versions: versions,
		Tracked:  true,
		Names: arm.NameRule{Pattern: regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$`), Code: "InvalidParameter",
			Says: "1 to 80 letters, digits, hyphens, underscores and full stops, with neither a hyphen nor a full stop at its ends"},
		Prepare: prepareExtension, Show: showExtension,
	}
}

// extension is what the provider itself reads and completes of an extension
// (control-plane.md D3).
type extension struct {
	Publisher          string `json:"publisher"`
	Type               string `json:"type"`
	TypeHandlerVersion string `json:"typeHandlerVersion"`
	ProvisioningState  string `json:"provisioningState"`
}

// handler is what an extension is an installation of: there can be one per machine.
func (e extension) handler() string { return e.Publisher + "." + e.Type }

// prepareExtension checks an extension, and drops what is only for the machine
// to read.
func prepareExtension(c *arm.Change) error {
	e, err := arm.Properties[extension](c.New)
	if err != nil {
		return err
	}
	for _, p := range []struct{ name, value string }{{"publisher", e.Publisher}, {"type", e.Type}, {"typeHandlerVersion", e.TypeHandlerVersion}} {
		if p.value == "" {
			return fault.New(fault.Invalid, "Required parameter '%s' is missing (null).", p.name).Named("InvalidParameter").At(p.name)
		}
	}
	if err := checkSettings(c.New); err != nil {
		return err
	}
	others, err := installed(c.Tx, c.New.ID.Parent())
	if err != nil {
		return err
	}
	for _, other := range others {
		if other.ID.Equal(c.New.ID) {
			continue
		}
		have, err := arm.Properties[extension](other)
		if err != nil {
			return err
		}
		if strings.EqualFold(have.handler(), e.handler()) {
			return fault.New(fault.Invalid, "Multiple VMExtensions per handler not supported. VMExtension '%s' with handler '%s' already added or specified in input.", other.ID.Name(), have.handler()).Named("BadRequest")
		}
	}
	if c.Old == nil && len(others) >= maxExtensions {
		return fault.New(fault.Conflict, "The virtual machine '%s' has %d extensions, which is the most that it can have.", c.New.ID.Parent().Name(), len(others))
	}
	e.ProvisioningState = "Succeeded"
	if err := edit(c.New, "", without("protectedSettings", "instanceView")); err != nil {
		return err
	}
	return arm.SetProperties(c.New, e)
}

// checkSettings wants an object, and a port in it that is one.
func checkSettings(r *resource.Resource) error {
	var p struct {
		Settings json.RawMessage `json:"settings"`
	}
	if err := json.Unmarshal(r.Properties, &p); err != nil || len(p.Settings) == 0 {
		return err
	}
	var settings struct {
		Port json.Number `json:"port"` // quoted or not
	}
	if err := json.Unmarshal(p.Settings, &settings); err != nil {
		return fault.Wrap(err, fault.Invalid, "The value of parameter settings is invalid: it is not an object, or its port is not a number.").Named("InvalidParameter").At("settings")
	}
	if settings.Port == "" {
		return nil
	}
	if port, err := settings.Port.Int64(); err != nil || port < 1 || port > 65535 {
		return fault.New(fault.Invalid, "The value of parameter settings is invalid: its port is not one from 1 to 65535.").Named("InvalidParameter").At("settings")
	}
	return nil
}

// showExtension adds the instance view where it is asked for.
func showExtension(c *arm.Call, r *resource.Resource) error {
	if !expands(c, "instanceView") {
		return nil
	}
	view, err := viewOf(r)
	if err != nil {
		return err
	}
	return arm.SetProperties(r, struct {
		InstanceView instanceView `json:"instanceView"`
	}{view})
}

// installedOn is the key of what [installed] remembers: the key of a machine.
type installedOn string

// installed lists what is installed on a machine. Nobody changes it.
func installed(tx *store.Tx, vm azure.ResourceID) ([]*resource.Resource, error) {
	return store.Memo(tx, installedOn(vm.Key()), func() ([]*resource.Resource, error) {
		all, _, err := resource.List(tx, resource.Query{Type: TypeExtension, Within: vm, Limit: maxExtensions})
		return all, err
	}, store.Resources)
}
