package control

import (
	"context"
	"net/http"

	"midas/internal/wire"
)

// FaultRequest asks for faults at the local endpoints of machines. Of the
// requests that it means, it lets After through and then hits Count.
type FaultRequest struct {
	VM         string `json:"vm,omitempty"`         // a name or a resource id; "" is every machine
	Identity   string `json:"identity,omitempty"`   // client id, object id or resource id of the one whose token is asked for; "" is every request
	Endpoint   string `json:"endpoint,omitempty"`   // "token", "instance", …; "" is every one
	Status     int    `json:"status,omitempty"`     // of the answer: 429, 503, …; 0 is the true one
	RetryAfter int64  `json:"retryAfter,omitempty"` // seconds, in the answer's header
	Delay      string `json:"delay,omitempty"`      // before the answer: "2s"
	Drop       bool   `json:"drop,omitempty"`       // close the connection without an answer
	Truncate   bool   `json:"truncate,omitempty"`   // send less of the body than its length says
	After      int64  `json:"after,omitempty"`
	Count      int64  `json:"count"` // 0 is all until it is cleared
}

// Fault is a fault that was asked for, and what has come of it. VM is a
// resource id here.
type Fault struct {
	ID string `json:"id"`
	FaultRequest
	Passed int64  `json:"passed"`         // requests that it let through
	Hits   int64  `json:"hits"`           // requests that it hit
	Left   *int64 `json:"left,omitempty"` // requests that it will still hit; none where there is no end
	What   string `json:"what"`           // what happens to them, in words for people
}

// Faults are all that there are, in the order in which they were asked for.
type Faults struct {
	Faults []Fault `json:"faults"`
}

// ClearRequest asks for faults to end.
type ClearRequest struct {
	ID string `json:"id,omitempty"` // "" is all of them
}

func (d Door) faults(w http.ResponseWriter, r *http.Request) error {
	all, err := d.Faults()
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, all)
}

func (d Door) addFault(w http.ResponseWriter, r *http.Request) error {
	q, err := read[FaultRequest](r)
	if err != nil {
		return err
	}
	f, err := d.AddFault(r.Context(), q)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, f)
}

func (d Door) clearFaults(w http.ResponseWriter, r *http.Request) error {
	q, err := read[ClearRequest](r)
	if err != nil {
		return err
	}
	if err := d.ClearFaults(q.ID); err != nil {
		return err
	}
	return d.faults(w, r)
}

// Faults lists the faults that were asked for.
func (c *Client) Faults(ctx context.Context) (Faults, error) {
	return ask[Faults](ctx, c, http.MethodGet, "/faults", nil)
}

// AddFault asks for a fault.
func (c *Client) AddFault(ctx context.Context, q FaultRequest) (Fault, error) {
	return ask[Fault](ctx, c, http.MethodPost, "/faults/add", q)
}

// ClearFaults ends a fault, or all with "", and returns those that are left.
func (c *Client) ClearFaults(ctx context.Context, id string) (Faults, error) {
	return ask[Faults](ctx, c, http.MethodPost, "/faults/clear", ClearRequest{id})
}
