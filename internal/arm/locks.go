package arm

import "midas/internal/lock"

// unlocked refuses a change that a management lock forbids. Locks themselves
// can always be changed by who has the right to.
func (c *Call) unlocked(change lock.Change) error {
	if c.Type != nil && c.Type.Lock {
		return nil
	}
	return lock.Check(c.Tx, c.ID, change)
}

// changes says what an action of an item does to it: nothing, where it reads.
var changes = map[string]lock.Change{"write": lock.Write, "delete": lock.Delete}
