package keyvault

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"midas/internal/fault"
	"midas/internal/vault"
	"midas/internal/wire"
)

// latestVersion is named to callers whose version is not understood.
const latestVersion = "2026-04-01"

// versionForm is any date or 7.x, with or without the name of a preview: the
// versions of control-plane.md E2 and those that clients will send one day.
var versionForm = regexp.MustCompile(`^(?:7\.([0-9]{1,2})|(20[0-9]{2})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))(?:-[a-z]+(?:\.[0-9]+)?)?$`)

// apiVersion is what the caller speaks.
type apiVersion struct {
	text            string // as given
	recoveryLevel   bool   // has the attribute: all but the first
	recoverableDays bool   // has the attribute: 7.1 and later
}

// readVersion reads the parameter that every request must have.
func readVersion(r *http.Request) (apiVersion, error) {
	text, _ := wire.Query(r, "api-version")
	if text == "" {
		return apiVersion{}, badVersion("The api-version parameter is missing; it must be specified. The latest supported version is %s.", latestVersion)
	}
	return parseVersion(text)
}

func parseVersion(text string) (apiVersion, error) {
	m := versionForm.FindStringSubmatch(strings.ToLower(text))
	if m == nil {
		return apiVersion{}, badVersion("The specified version (%.40q) is not recognized. Consider using the latest supported version (%s).", text, latestVersion)
	}
	minor, _ := strconv.Atoi(m[1])
	// Dates before 7.0 are of 2015 and 2016, those after 7.6 of 2025 and later.
	return apiVersion{text: text, recoveryLevel: m[2] != "2015", recoverableDays: minor >= 1 || m[2] >= "2020"}, nil
}

func badVersion(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Named(vault.CodeBadParameter).At("api-version")
}
