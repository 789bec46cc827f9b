package control

import (
	"context"
	"net/http"

	"midas/internal/fault"
	"midas/internal/wire"
)

// EndLeaseRequest asks to end a lease that `midas env` has.
type EndLeaseRequest struct {
	Proxy string `json:"proxy"` // the address of the proxy with the lease's credential
}

// EndLeaseAnswer says what came of it.
type EndLeaseAnswer struct {
	Ended bool `json:"ended"` // false where no such lease was open
}

// lease opens what [Door.Attach] does, for longer than the request.
func (d Door) lease(w http.ResponseWriter, r *http.Request) error {
	q, err := read[AttachRequest](r)
	if err != nil {
		return err
	}
	a, err := d.Lease(r.Context(), q)
	if err != nil {
		return err
	}
	wire.EventOf(r.Context()).Target = a.VM
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteJSON(w, http.StatusOK, a)
}

func (d Door) endLease(w http.ResponseWriter, r *http.Request) error {
	q, err := read[EndLeaseRequest](r)
	if err != nil {
		return err
	}
	if q.Proxy == "" {
		return fault.New(fault.Invalid, "The member 'proxy' is missing.").At("proxy")
	}
	ended, err := d.EndLease(r.Context(), q.Proxy)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, EndLeaseAnswer{ended})
}

// Lease asks for a machine's way through the proxy that lasts until
// [Client.EndLease], or as long as the server.
func (c *Client) Lease(ctx context.Context, q AttachRequest) (Attachment, error) {
	return ask[Attachment](ctx, c, http.MethodPost, "/leases", q)
}

// EndLease ends what [Client.Lease] opened, and reports whether it was open.
func (c *Client) EndLease(ctx context.Context, proxy string) (bool, error) {
	a, err := ask[EndLeaseAnswer](ctx, c, http.MethodPost, "/leases/end", EndLeaseRequest{proxy})
	return a.Ended, err
}
