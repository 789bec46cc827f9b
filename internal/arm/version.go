package arm

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"midas/internal/fault"
	"midas/internal/wire"
)

var versionForm = regexp.MustCompile(`(?i)^\d{4}-\d{2}-\d{2}(-(preview|alpha|beta|rc|privatepreview))?$`)

// apiVersion reads the api-version. Any date is served that is not older than
// the oldest one of a type: clients are always newer than a list
// (control-plane.md, "Newest versions seen").
func apiVersion(r *http.Request) (string, error) {
	v, n := wire.Query(r, "api-version")
	if n == 0 || v == "" {
		return "", fault.New(fault.Invalid, "The api-version query parameter (?api-version=) is required for all requests.").Named(CodeMissingAPIVersion)
	}
	if _, err := time.Parse(time.DateOnly, v[:min(10, len(v))]); err != nil || n > 1 || !versionForm.MatchString(v) {
		return "", invalidVersion(v, ownVersions)
	}
	return strings.ToLower(v), nil
}

// ownVersions are those of the paths that Resource Manager itself answers:
// groups, subscriptions, resources.
var ownVersions = []string{"2025-04-01", "2024-11-01", "2024-07-01", "2023-07-01", "2022-12-01", "2021-04-01", "2020-06-01", "2019-10-01", "2019-05-01", "2018-05-01", "2017-05-10", "2016-09-01", "2016-06-01", "2016-02-01", "2015-11-01", "2015-01-01", "2014-04-01-preview"}

func invalidVersion(v string, supported []string) error {
	return fault.New(fault.Invalid, "The api-version '%.64s' is invalid. The supported versions are '%s'.", v, strings.Join(supported, ",")).Named(CodeInvalidAPIVersion)
}

// older reports whether v is before the oldest of versions, by date.
func older(v string, versions []string) bool {
	oldest := versions[0]
	for _, o := range versions {
		if o[:10] < oldest[:10] {
			oldest = o
		}
	}
	return v[:10] < oldest[:10]
}

// checkVersion refuses a version from before the type's time.
func (d *Door) checkVersion(c *Call, namespace string) error {
	if !older(c.Version, c.Type.Versions) {
		return nil
	}
	where := ""
	if c.ID.ResourceGroup() != "" {
		where = d.Cloud.DefaultLocation()
	}
	return fault.New(fault.Invalid, "No registered resource provider found for location '%s' and API version '%s' for type '%s'. The supported api-versions are '%s'. The supported locations are '%s'.",
		where, c.Version, c.Type.Name, strings.Join(c.Type.Versions, ", "), strings.Join(d.locationNames(), ", ")).Named(CodeNoRegisteredProvider)
}

// AtLeast reports whether the call's api-version is v or later. A preview
// counts as its date.
func (c *Call) AtLeast(v string) bool { return c.Version[:10] >= v }

func (d *Door) locationNames() []string {
	names := make([]string, len(d.Cloud.Locations))
	for i, l := range d.Cloud.Locations {
		names[i] = l.Name
	}
	slices.Sort(names)
	return names
}
