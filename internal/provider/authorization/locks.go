package authorization

import (
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/fault"
	"midas/internal/lock"
)

// lockShape is the shape of a lock, in both directions.
type lockShape struct {
	Properties lockProperties `json:"properties"`
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	Name       string         `json:"name"`
}

type lockProperties struct {
	Level lock.Level `json:"level"`
	Notes string     `json:"notes,omitempty"`
}

func showLock(l lock.Lock) lockShape {
	return lockShape{lockProperties{l.Level, l.Notes}, l.ResourceID().String(), lock.Type, l.Name}
}

func getLock(c *arm.Call) (*arm.Answer, error) {
	l, err := lock.Get(c.Tx, c.ID.Scope(), c.ID.Name())
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: showLock(l)}, nil
}

func putLock(c *arm.Call) (*arm.Answer, error) {
	var body lockShape
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	if err := scopeExists(c); err != nil {
		return nil, err
	}
	l, created, err := lock.Put(c.Tx, lock.Lock{Scope: c.ID.Scope(), Name: c.ID.Name(), Level: body.Properties.Level, Notes: body.Properties.Notes}, c.Caller.ID)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return &arm.Answer{Status: status, Body: showLock(l)}, nil
}

func deleteLock(c *arm.Call) (*arm.Answer, error) {
	_, err := lock.Remove(c.Tx, c.ID.Scope(), c.ID.Name())
	if fault.Is(err, fault.NotFound) {
		return &arm.Answer{Status: http.StatusNoContent}, nil
	}
	return &arm.Answer{Status: http.StatusOK}, err
}

// listLocks serves atScope(), which leaves out the locks below.
func listLocks(c *arm.Call) ([]any, error) {
	filter := c.Param("$filter")
	atScope := strings.EqualFold(strings.Trim(filter, " +"), "atScope()")
	if filter != "" && !atScope {
		return nil, badFilter(filter)
	}
	found, err := lock.List(c.Tx, c.ID, atScope)
	var all []any
	for _, l := range found {
		all = append(all, showLock(l))
	}
	return all, err
}
