package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"midas/internal/fault"
	"midas/internal/wire"
)

func (d Door) clock(w http.ResponseWriter, r *http.Request) error {
	return wire.WriteJSON(w, http.StatusOK, d.Clock())
}

func (d Door) advanceClock(w http.ResponseWriter, r *http.Request) error {
	q, err := read[AdvanceRequest](r)
	if err != nil {
		return err
	}
	if q.By == "" {
		return fault.New(fault.Invalid, "The member 'by' is missing.").At("by")
	}
	if err := unhurried(w); err != nil {
		return err
	}
	c, err := d.AdvanceClock(r.Context(), q.By)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, c)
}

func (d Door) verify(w http.ResponseWriter, r *http.Request) error {
	if err := unhurried(w); err != nil {
		return err
	}
	report, err := d.Verify(r.Context())
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, report)
}

func (d Door) backup(w http.ResponseWriter, r *http.Request) error {
	if err := unhurried(w); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/x-tar")
	err := d.Backup(r.Context(), w)
	if err != nil {
		w.Header().Del("Content-Type") // of what was not begun, the error sets its own
	}
	return err
}

// step is one line of a long answer: how far it is, and at the end either the
// whole or why not.
type step struct {
	Progress *Resealed `json:"progress,omitempty"`
	Done     *Resealed `json:"done,omitempty"`
	Error    *problem  `json:"error,omitempty"`
	Status   int       `json:"status,omitempty"` // of the error
}

// rotateSeal answers in lines, since it can take long and tells how far it is.
func (d Door) rotateSeal(w http.ResponseWriter, r *http.Request) error {
	if err := unhurried(w); err != nil {
		return err
	}
	begun := false
	line := func(s step) {
		begun = true
		w.Header().Set("Content-Type", "application/x-ndjson")
		json.NewEncoder(w).Encode(s) // a peer that went away ends the request's context
		http.NewResponseController(w).Flush()
	}
	all, err := d.Reseal(r.Context(), func(p Resealed) { line(step{Progress: &p}) })
	switch {
	case err == nil:
		line(step{Done: &all})
		return nil
	case begun:
		status, p := problemOf(r, err)
		line(step{Error: &p, Status: status})
	}
	return err
}

// unhurried lifts the server's limit on how long an answer may take.
func unhurried(w http.ResponseWriter) error {
	err := http.NewResponseController(w).SetWriteDeadline(time.Time{})
	if errors.Is(err, http.ErrNotSupported) { // not a connection, and so without a limit
		return nil
	}
	return err
}

// Clock reads the cloud's clock.
func (c *Client) Clock(ctx context.Context) (Clock, error) {
	return ask[Clock](ctx, c, http.MethodGet, "/clock", nil)
}

// AdvanceClock moves the cloud's clock forward. When it returns, what has come
// to its end by that is gone.
func (c *Client) AdvanceClock(ctx context.Context, by string) (Clock, error) {
	return ask[Clock](ctx, c, http.MethodPost, "/clock/advance", AdvanceRequest{by})
}

// Verify looks through all that is stored.
func (c *Client) Verify(ctx context.Context) (Report, error) {
	return ask[Report](ctx, c, http.MethodPost, "/verify", nil)
}

// Backup reads a backup of all that is stored. The caller closes it, and finds
// out by reading it whether it is whole.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodPost, "/backup", nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// RotateSeal puts everything under a new root key.
func (c *Client) RotateSeal(ctx context.Context, progress func(Resealed)) (Resealed, error) {
	resp, err := c.send(ctx, http.MethodPost, "/seal/rotate", nil)
	if err != nil {
		return Resealed{}, err
	}
	defer resp.Body.Close()
	for lines := json.NewDecoder(resp.Body); ; {
		var s step
		if err := lines.Decode(&s); err != nil {
			return Resealed{}, c.lost(err)
		}
		switch {
		case s.Error != nil:
			return Resealed{}, s.Error.fault(s.Status)
		case s.Done != nil:
			return *s.Done, nil
		case s.Progress != nil:
			progress(*s.Progress)
		}
	}
}
