// Package network is the resource provider Microsoft.Network, as far as a
// virtual machine has to be found in a network: virtual networks and their
// subnets, security groups, public addresses, interfaces and load balancers
// (control-plane.md D6). It hands out addresses and moves no packet. It may
// import the arm door and everything below it.
package network

import (
	"fmt"
	"regexp"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
)

// The full types of the provider.
const (
	namespace         = "Microsoft.Network"
	typeNetwork       = namespace + "/virtualNetworks"
	typeSubnet        = typeNetwork + "/subnets"
	typeSecurityGroup = namespace + "/networkSecurityGroups"
	typePublicIP      = namespace + "/publicIPAddresses"
	typeInterface     = namespace + "/networkInterfaces"
	typeBalancer      = namespace + "/loadBalancers"
)

const (
	join            = "join/action"
	formatIsInvalid = "InvalidRequestFormat"
	succeeded       = "Succeeded"
)

var versions = []string{"2026-01-01", "2025-01-01", "2024-07-01", "2024-05-01", "2024-03-01", "2024-01-01", "2023-11-01", "2023-09-01", "2023-06-01", "2023-05-01", "2023-04-01", "2023-02-01",
	"2022-11-01", "2022-09-01", "2022-07-01", "2022-05-01", "2022-01-01", "2021-08-01", "2021-05-01", "2021-03-01", "2021-02-01", "2020-11-01", "2020-08-01", "2020-06-01", "2020-05-01", "2020-04-01",
	"2019-12-01", "2019-11-01", "2019-09-01", "2019-06-01", "2019-04-01", "2018-11-01", "2018-08-01", "2018-04-01", "2017-10-01", "2017-08-01", "2017-03-01", "2016-09-01", "2016-03-30", "2015-06-15"}

// Provider returns the provider.
func Provider() arm.Provider {
	return arm.Provider{Namespace: namespace, Types: []arm.Type{
		{Name: "virtualNetworks", Versions: versions, Tracked: true, ETag: true, Names: names(64), Prepare: prepareNetwork, Show: showNetwork},
		{Name: "virtualNetworks/subnets", Versions: versions, ETag: true, Names: names(80), Prepare: prepareSubnet, Remove: removeSubnet, Show: showSubnet},
		{Name: "networkSecurityGroups", Versions: versions, Tracked: true, ETag: true, Names: names(80), Prepare: prepareSecurityGroup, Remove: removeSecurityGroup, Show: showSecurityGroup},
		{Name: "publicIPAddresses", Versions: versions, Tracked: true, ETag: true, Names: names(80), Prepare: preparePublicIP, Remove: removePublicIP, Show: showPublicIP},
		{Name: "networkInterfaces", Versions: versions, Tracked: true, ETag: true, Names: names(80), Prepare: prepareInterface, Remove: removeInterface, Show: showInterface},
		{Name: "loadBalancers", Versions: versions, Tracked: true, ETag: true, Names: names(80), Prepare: prepareBalancer, Remove: removeBalancer, Show: showBalancer},
	}}
}

// names is the rule of names in this provider, which differ in length only.
func names(length int) arm.NameRule {
	pattern := regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,%d}[A-Za-z0-9_])?$`, length-2))
	return arm.NameRule{Pattern: pattern,
		Says: fmt.Sprintf("1 to %d characters; it starts with a letter or digit, ends with one or an underscore, and has letters, digits, hyphens, underscores and full stops between", length)}
}

// malformed is the refusal of a body that is not in the shape of its type.
func malformed(path, format string, args ...any) error {
	return fault.New(fault.Invalid, "Cannot parse the request: "+format, args...).Named(formatIsInvalid).At(path)
}

// inUse refuses a deletion while someone else names what is to go.
func inUse(c *arm.Call, id azure.ResourceID, code, format string) error {
	user, err := c.User(id)
	if err != nil || user.IsZero() {
		return err
	}
	return fault.New(fault.Invalid, format, id, user).Named(code)
}
