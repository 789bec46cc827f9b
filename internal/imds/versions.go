package imds

import (
	"net/http"
	"slices"

	"midas/internal/wire"
)

// apiVersions are all there are, ascending (local-endpoints.md A.1). Being
// dates, they compare as text.
var apiVersions = []string{
	"2017-03-01", "2017-04-02", "2017-08-01", "2017-10-01", "2017-12-01", "2018-02-01", "2018-04-02", "2018-10-01",
	"2019-02-01", "2019-03-11", "2019-04-30", "2019-06-01", "2019-06-04", "2019-08-01", "2019-08-15", "2019-11-01",
	"2020-06-01", "2020-07-15", "2020-09-01", "2020-10-01", "2020-12-01", "2021-01-01", "2021-02-01", "2021-03-01",
	"2021-05-01", "2021-08-01", "2021-10-01", "2021-11-01", "2021-11-15", "2021-12-13", "2023-07-01", "2023-11-15",
	"2024-03-15", "2024-07-17", "2025-04-07",
}

// The first version of each category.
const (
	sinceInstance = "2017-04-02"
	sinceIdentity = "2018-02-01"
)

func knownVersion(v string) bool {
	_, ok := slices.BinarySearch(apiVersions, v)
	return ok
}

// newestVersions are the three newest of a list, newest first: MSAL .NET asks again with
// the first of them (local-endpoints.md A.13).
func newestVersions(versions []string) []string {
	newest := slices.Clone(versions[len(versions)-3:])
	slices.Reverse(newest)
	return newest
}

// versions serves /metadata/versions, the one category without an api-version.
func versions(w http.ResponseWriter, r *http.Request) error {
	if _, err := admit(w, r); err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, struct {
		APIVersions []string `json:"apiVersions"`
	}{apiVersions})
}
