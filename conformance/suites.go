// Package conformance holds other people's live test suites: it owns the list of the
// modules whose suites we run, pinned by go.mod, and the test that compiles each of
// them and runs it, unmodified, against the real binary. It knows the product only as
// its users do and imports none of it.
package conformance

import (
	_ "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)
