package control

import (
	"context"
	"net/http"
	"time"

	"midas/internal/fault"
	"midas/internal/wire"
)

// Event is maintenance that is announced to a virtual machine.
type Event struct {
	ID              string     `json:"id"`
	VM              string     `json:"vm"`     // resource id
	Type            string     `json:"type"`   // "Reboot"
	Status          string     `json:"status"` // "Scheduled" or "Started"
	NotBefore       time.Time  `json:"notBefore"`
	StartedAt       *time.Time `json:"startedAt,omitempty"`
	DurationSeconds int64      `json:"durationSeconds"` // -1 where it is not known
	Description     string     `json:"description,omitempty"`
}

// EventRequest asks to announce maintenance to a virtual machine.
type EventRequest struct {
	VM          string `json:"vm"`                    // name or resource id
	Type        string `json:"type"`                  // Reboot, Redeploy, Freeze, Preempt or Terminate
	In          string `json:"in,omitempty"`          // "15m"; "" is the least notice of the type
	Duration    string `json:"duration,omitempty"`    // "9s"; "" is what the type usually takes
	Description string `json:"description,omitempty"` // for people on the machine
}

// EventQuery selects events.
type EventQuery struct {
	VM string `json:"vm,omitempty"` // name or resource id; "" is every machine
	ID string `json:"id,omitempty"` // "" is every event
}

// Events is what was found.
type Events struct {
	Events []Event `json:"events"`
}

// Cleared says how many events were called off.
type Cleared struct {
	Cleared int64 `json:"cleared"`
}

func (d Door) addEvent(w http.ResponseWriter, r *http.Request) error {
	q, err := read[EventRequest](r)
	if err != nil {
		return err
	}
	for _, m := range []struct{ name, value string }{{"vm", q.VM}, {"type", q.Type}} {
		if m.value == "" {
			return fault.New(fault.Invalid, "The member '%s' is missing.", m.name).At(m.name)
		}
	}
	e, err := d.AddEvent(r.Context(), q)
	if err != nil {
		return err
	}
	wire.EventOf(r.Context()).Target = e.VM
	return wire.WriteJSON(w, http.StatusOK, e)
}

func (d Door) listEvents(w http.ResponseWriter, r *http.Request) error {
	q, err := read[EventQuery](r)
	if err != nil {
		return err
	}
	all, err := d.ListEvents(r.Context(), q)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, Events{all})
}

func (d Door) clearEvents(w http.ResponseWriter, r *http.Request) error {
	q, err := read[EventQuery](r)
	if err != nil {
		return err
	}
	n, err := d.ClearEvents(r.Context(), q)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, Cleared{n})
}

// AddEvent announces maintenance to a machine.
func (c *Client) AddEvent(ctx context.Context, q EventRequest) (Event, error) {
	return ask[Event](ctx, c, http.MethodPost, "/events/add", q)
}

// ListEvents asks for what is announced.
func (c *Client) ListEvents(ctx context.Context, q EventQuery) ([]Event, error) {
	found, err := ask[Events](ctx, c, http.MethodPost, "/events/list", q)
	return found.Events, err
}

// ClearEvents calls events off and says how many those were.
func (c *Client) ClearEvents(ctx context.Context, q EventQuery) (int64, error) {
	cleared, err := ask[Cleared](ctx, c, http.MethodPost, "/events/clear", q)
	return cleared.Cleared, err
}
