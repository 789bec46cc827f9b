package midas

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/resource"
	"midas/internal/scheduledevents"
	"midas/internal/store"
)

// Bounds of what an operator announces.
const (
	maxEventIn          = 30 * 24 * time.Hour
	maxEventDuration    = 24 * time.Hour
	maxEventDescription = 500 // characters
)

// freezeLasts is what a freeze usually takes. How long the others take is not known.
const freezeLasts = 9 * time.Second

// addEvent announces maintenance to a machine.
func (s *Server) addEvent(ctx context.Context, q control.EventRequest) (control.Event, error) {
	e, err := readEvent(q)
	if err != nil {
		return control.Event{}, err
	}
	notice, err := span("in", q.In, e.Type.Notice(), 0, maxEventIn)
	if err != nil {
		return control.Event{}, err
	}
	if e.Resource, err = s.machine(ctx, q.VM); err != nil {
		return control.Event{}, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) (err error) {
		if _, err := resource.Get(tx, e.Resource); err != nil { // it may be gone by now
			return err
		}
		e.NotBefore = tx.Now.Add(notice).Truncate(time.Second) // the wire has whole seconds
		e, err = scheduledevents.Add(tx, e)
		return err
	})
	return showEvent(e), err
}

func readEvent(q control.EventRequest) (e scheduledevents.Event, err error) {
	if e.Type, err = scheduledevents.ParseType(q.Type); err != nil {
		return e, err
	}
	usual := scheduledevents.Unknown
	if e.Type == scheduledevents.Freeze {
		usual = freezeLasts
	}
	if e.Duration, err = span("duration", q.Duration, usual, time.Second, maxEventDuration); err != nil {
		return e, err
	}
	e.Description = q.Description
	if !utf8.ValidString(q.Description) || utf8.RuneCountInString(q.Description) > maxEventDescription || strings.ContainsFunc(q.Description, unicode.IsControl) {
		return e, fault.New(fault.Invalid, "the description is not a line of at most %d characters\nhint: say less", maxEventDescription).At("description")
	}
	return e, nil
}

// span reads a length of time in whole seconds.
func span(name, given string, otherwise, least, most time.Duration) (time.Duration, error) {
	if given == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(given)
	if err != nil || d < least || d > most || d%time.Second != 0 {
		return 0, fault.New(fault.Invalid, "%.64q is not a time of %s to %s in whole seconds\nhint: say how long, such as 9s, 15m or 1h", given, least, most).At(name)
	}
	return d, nil
}

// eventsOf is the machine that a query is about; the zero id is every one.
func (s *Server) eventsOf(ctx context.Context, q control.EventQuery) (azure.ResourceID, error) {
	if q.VM == "" {
		return azure.ResourceID{}, nil
	}
	return s.machine(ctx, q.VM)
}

// listEvents shows what is announced, as it is by the cloud's clock.
func (s *Server) listEvents(ctx context.Context, q control.EventQuery) ([]control.Event, error) {
	vm, err := s.eventsOf(ctx, q)
	if err != nil {
		return nil, err
	}
	shown := []control.Event{}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		all, err := scheduledevents.List(tx, vm)
		shown = shown[:0]
		for _, e := range all {
			if q.ID == "" || strings.EqualFold(q.ID, e.ID) {
				shown = append(shown, showEvent(e))
			}
		}
		return err
	})
	return shown, err
}

// clearEvents calls events off.
func (s *Server) clearEvents(ctx context.Context, q control.EventQuery) (n int64, err error) {
	vm, err := s.eventsOf(ctx, q)
	if err != nil {
		return 0, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) (err error) { n, err = scheduledevents.Clear(tx, vm, q.ID); return err })
	return n, err
}

func showEvent(e scheduledevents.Event) control.Event {
	shown := control.Event{ID: e.ID, VM: e.Resource.String(), Type: string(e.Type), Status: "Scheduled", NotBefore: e.NotBefore.UTC(), DurationSeconds: int64(e.Duration / time.Second), Description: e.Description}
	if e.Started() {
		at := e.StartedAt.UTC()
		shown.Status, shown.StartedAt = "Started", &at
	}
	return shown
}
