package rbac

import "midas/internal/store"

// Assigned is how many assignments a role has, by the role's id. The role may
// not be there.
func Assigned(tx *store.Tx) (map[string]int64, error) {
	counts := map[string]int64{}
	_, err := store.Collect(tx, func(scan func(...any) error) (none struct{}, err error) {
		var role string
		var n int64
		err = scan(&role, &n)
		counts[role] = n
		return none, err
	}, `SELECT role_id, COUNT(*) FROM role_assignments GROUP BY role_id`)
	return counts, err
}
