package vault

import (
	"slices"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// OperationOf returns an operation that takes a data action, in any case.
func OperationOf(action string) (Operation, bool) {
	i := slices.IndexFunc(actions[:], func(a string) bool { return strings.EqualFold(a, action) })
	return Operation(max(i, 0)), i >= 0
}

// Actions lists the data actions that roles may allow, each once.
func Actions() []string {
	all := slices.Clone(actions[:])
	slices.Sort(all)
	return slices.Compact(all)
}

// Holding finds the vault that a scope is or lies in, and the name of the
// secret where the scope is one. A scope that is in no vault is NotFound.
func Holding(tx *store.Tx, scope azure.ResourceID) (v *Vault, secret string, err error) {
	at := scope
	if strings.EqualFold(scope.Type(), Type+"/secrets") {
		at, secret = scope.Parent(), scope.Name()
	}
	if !strings.EqualFold(at.Type(), Type) {
		return nil, "", fault.New(fault.NotFound, "'%s' is in no vault.", scope)
	}
	if v, err = ByName(tx, at.Name()); err == nil && !v.Resource.Equal(at) {
		return nil, "", fault.New(fault.NotFound, "There is no vault '%s'.", at)
	}
	return v, secret, err
}
