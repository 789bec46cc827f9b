// Package scheduledevents owns the maintenance that is announced to virtual
// machines: what is to happen to a machine, when, and how far it is. It goes by
// the cloud's clock: an event starts by itself once its time has come, or
// sooner when its machine agrees, and is gone when it is over. It knows no
// wire, and may import the store and below.
package scheduledevents

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Type is what happens to a machine.
type Type string

// The types (local-endpoints.md A.12).
const (
	Freeze    Type = "Freeze"
	Reboot    Type = "Reboot"
	Redeploy  Type = "Redeploy"
	Preempt   Type = "Preempt"
	Terminate Type = "Terminate"
)

// notices are the least notices that machines have of each type.
var notices = map[Type]time.Duration{Freeze: 15 * time.Minute, Reboot: 15 * time.Minute, Redeploy: 10 * time.Minute, Preempt: 30 * time.Second, Terminate: 5 * time.Minute}

// Notice is the least notice of a type.
func (t Type) Notice() time.Duration { return notices[t] }

// ParseType reads a type in any case.
func ParseType(s string) (Type, error) {
	for t := range notices {
		if strings.EqualFold(string(t), s) {
			return t, nil
		}
	}
	return "", fault.New(fault.Invalid, "there is no event %.32q\nhint: the types are Reboot, Redeploy, Freeze, Preempt and Terminate", s).At("type")
}

// Unknown is the duration of an event of which nobody knows how long it takes.
// It counts as over after [unknownLasts].
const Unknown = -time.Second

const unknownLasts = 5 * time.Minute

// maxEvents bounds the events of one machine.
const maxEvents = 100

// Event is one announcement.
type Event struct {
	ID          string
	Resource    azure.ResourceID // the machine
	Type        Type
	Description string
	Duration    time.Duration // whole seconds, or [Unknown]
	NotBefore   time.Time
	StartedAt   time.Time // zero until it starts
	CreatedAt   time.Time
}

// Started reports whether the event is under way.
func (e Event) Started() bool { return !e.StartedAt.IsZero() }

func (e Event) end() time.Time {
	if e.Duration < 0 {
		return e.StartedAt.Add(unknownLasts)
	}
	return e.StartedAt.Add(e.Duration)
}

const columns = `id, resource_id, type, description, duration, not_before, started_at, created_at`

func scan(row func(...any) error) (e Event, err error) {
	var id string
	var seconds, notBefore, created int64
	var started *int64
	if err := row(&e.ID, &id, &e.Type, &e.Description, &seconds, &notBefore, &started, &created); err != nil {
		return e, err
	}
	e.Duration, e.NotBefore, e.CreatedAt = time.Duration(seconds)*time.Second, store.Time(notBefore), store.Time(created)
	if started != nil {
		e.StartedAt = store.Time(*started)
	}
	e.Resource, err = azure.ParseResourceID(id)
	return e, err
}

// Add announces an event. It says nothing of whether the machine is there.
func Add(tx *store.Tx, e Event) (Event, error) {
	there, err := List(tx, e.Resource)
	if err != nil {
		return e, err
	}
	if len(there) >= maxEvents {
		return e, fault.New(fault.Conflict, "the machine has %d events already\nhint: midas event clear --vm %s", maxEvents, e.Resource.Name())
	}
	e.ID, e.CreatedAt, e.StartedAt = strings.ToUpper(azure.NewGUID()), tx.Now, time.Time{}
	_, err = tx.Exec(`INSERT INTO scheduled_events (id, resource_id, resource_key, type, description, duration, not_before, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.ID, e.Resource.String(), e.Resource.Key(), string(e.Type), e.Description, int64(e.Duration/time.Second), store.Micros(e.NotBefore), store.Micros(e.CreatedAt))
	if err != nil {
		return e, err
	}
	return e, grow(tx, e.Resource.Key(), 1)
}

// List returns the events of a machine, or of all of them for the zero id, as
// they are at the time of the transaction, which writes what has changed by
// then.
func List(tx *store.Tx, machine azure.ResourceID) ([]Event, error) {
	all, err := kept(tx, machine)
	if err != nil {
		return nil, err
	}
	var left []Event
	for _, e := range all {
		gone, err := settle(tx, &e)
		if err != nil {
			return nil, err
		}
		if !gone {
			left = append(left, e)
		}
	}
	return left, nil
}

// kept reads what is stored, in the order in which it was announced.
func kept(tx *store.Tx, machine azure.ResourceID) ([]Event, error) {
	return store.Collect(tx, scan, `SELECT `+columns+` FROM scheduled_events WHERE $1 = '' OR resource_key = $1 ORDER BY created_at, not_before, id`, machine.Key())
}

// due reports whether time has changed an event since it was written.
func (e Event) due(now time.Time) bool {
	return !e.Started() && !now.Before(e.NotBefore) || e.Started() && !now.Before(e.end())
}

// settle writes what time has made of an event.
func settle(tx *store.Tx, e *Event) (gone bool, err error) {
	if !e.Started() && e.due(tx.Now) {
		if err := start(tx, e, e.NotBefore); err != nil {
			return false, err
		}
	}
	if !e.Started() || !e.due(tx.Now) {
		return false, nil
	}
	if _, err := tx.Exec(`DELETE FROM scheduled_events WHERE id = $1`, e.ID); err != nil {
		return false, err
	}
	return true, grow(tx, e.Resource.Key(), 1)
}

func start(tx *store.Tx, e *Event, at time.Time) error {
	e.StartedAt = at
	if _, err := tx.Exec(`UPDATE scheduled_events SET started_at = $1 WHERE id = $2`, store.Micros(at), e.ID); err != nil {
		return err
	}
	return grow(tx, e.Resource.Key(), 1)
}

// grow counts changes of a machine's document.
func grow(tx *store.Tx, key string, by int64) error {
	_, err := tx.Exec(`INSERT INTO scheduled_event_documents (resource_key, incarnation) VALUES ($1, $2)
		ON CONFLICT (resource_key) DO UPDATE SET incarnation = scheduled_event_documents.incarnation + excluded.incarnation`, key, by)
	return err
}

// Document is what a machine sees.
type Document struct {
	Incarnation int64 // grows with every change; 1 where there was none
	Events      []Event
}

// Read returns the document of a machine. It writes only when time has
// changed an event.
func Read(ctx context.Context, db *store.DB, machine azure.ResourceID) (d Document, err error) {
	read := func(tx *store.Tx, list func(*store.Tx, azure.ResourceID) ([]Event, error)) (err error) {
		if d.Events, err = list(tx, machine); err != nil {
			return err
		}
		d.Incarnation, err = incarnation(tx, machine)
		return err
	}
	due := false
	err = db.View(ctx, func(tx *store.Tx) error {
		err := read(tx, kept)
		due = slices.ContainsFunc(d.Events, func(e Event) bool { return e.due(tx.Now) })
		return err
	})
	if err == nil && due {
		err = db.Update(ctx, func(tx *store.Tx) error { return read(tx, List) })
	}
	return d, err
}

func incarnation(tx *store.Tx, machine azure.ResourceID) (n int64, err error) {
	err = tx.QueryRow(`SELECT incarnation FROM scheduled_event_documents WHERE resource_key = $1`, machine.Key()).Scan(&n)
	if errors.Is(err, store.ErrNoRows) {
		err = nil
	}
	return n + 1, err
}

// Start lets a machine agree to events: they start at once. One that has
// started already goes on.
func Start(tx *store.Tx, machine azure.ResourceID, ids []string) error {
	all, err := List(tx, machine)
	if err != nil {
		return err
	}
	for _, id := range ids {
		i := slices.IndexFunc(all, func(e Event) bool { return strings.EqualFold(e.ID, id) })
		if i < 0 {
			return fault.New(fault.NotFound, "the machine has no event %.64q", id)
		}
		if !all[i].Started() {
			if err := start(tx, &all[i], tx.Now); err != nil {
				return err
			}
		}
	}
	return nil
}

// Clear calls events off: one, or all where id is "", of a machine or of all
// machines for the zero id. It says how many those were.
func Clear(tx *store.Tx, machine azure.ResourceID, id string) (n int64, err error) {
	all, err := List(tx, machine)
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		if id != "" && !strings.EqualFold(e.ID, id) {
			continue
		}
		if _, err := tx.Exec(`DELETE FROM scheduled_events WHERE id = $1`, e.ID); err != nil {
			return 0, err
		}
		if err := grow(tx, e.Resource.Key(), 1); err != nil {
			return 0, err
		}
		n++
	}
	if id != "" && n == 0 {
		return 0, fault.New(fault.NotFound, "there is no event %.64q\nhint: midas event list", id)
	}
	return n, nil
}

// Forget drops all that is kept for a machine that is deleted.
func Forget(tx *store.Tx, machine azure.ResourceID) error {
	for _, table := range []string{"scheduled_events", "scheduled_event_documents"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE resource_key = $1`, machine.Key()); err != nil {
			return err
		}
	}
	return nil
}

// Follow lets all that is kept for a machine follow it to another id.
func Follow(tx *store.Tx, from, to azure.ResourceID) error {
	if _, err := tx.Exec(`UPDATE scheduled_events SET resource_id = $1, resource_key = $2 WHERE resource_key = $3`, to.String(), to.Key(), from.Key()); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE scheduled_event_documents SET resource_key = $1 WHERE resource_key = $2`, to.Key(), from.Key())
	return err
}
