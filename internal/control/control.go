// Package control is the door of our own admin API: JSON over HTTP on a unix
// socket that only its owner may open. It owns the routes, their JSON, the
// socket and the client that the commands use. It decides nothing: what runs,
// which machine is attached and who may do what comes in as functions. It may
// import fault and wire only.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"midas/internal/fault"
	"midas/internal/wire"
)

// Door is the admin API. All fields but Record are needed.
type Door struct {
	Now    func() time.Time
	Log    *slog.Logger
	Record func(wire.Event)

	Status func() Status
	Token  func(ctx context.Context, resource string) (Token, error)
	Why    func(ctx context.Context, r WhyRequest) (WhyAnswer, error)

	// CreateServicePrincipal makes a program's own identity.
	CreateServicePrincipal func(ctx context.Context, r ServicePrincipalRequest) (ServicePrincipal, error)

	Clock        func() Clock
	AdvanceClock func(ctx context.Context, by string) (Clock, error)

	// Faults are what requests to machines' endpoints are to suffer.
	Faults      func() (Faults, error)
	AddFault    func(ctx context.Context, q FaultRequest) (Fault, error)
	ClearFaults func(id string) error
	// AddEvent announces maintenance to a machine, ListEvents shows it, and
	// ClearEvents calls it off.
	AddEvent    func(ctx context.Context, q EventRequest) (Event, error)
	ListEvents  func(ctx context.Context, q EventQuery) ([]Event, error)
	ClearEvents func(ctx context.Context, q EventQuery) (int64, error)

	// Verify looks through all that is stored.
	Verify func(ctx context.Context) (Report, error)

	// Backup writes a whole backup. Where it fails after it has begun to
	// write, what was written is no backup and can be told from one.
	Backup func(ctx context.Context, w io.Writer) error

	// Reseal puts everything under a new root key, and says how far it is.
	Reseal func(ctx context.Context, progress func(Resealed)) (Resealed, error)

	// WorkloadToken issues a token of the cloud's own issuer.
	WorkloadToken func(ctx context.Context, q WorkloadTokenRequest) (WorkloadToken, error)
	Users         Users

	// Attach opens the endpoints of a machine. They stay until ctx ends, which is
	// when the client has gone away, and need not outlive an error.
	Attach func(ctx context.Context, q AttachRequest) (Attachment, error)

	// Lease gives a way through the proxy that outlives ctx, until EndLease is
	// asked with its address.
	Lease    func(ctx context.Context, q AttachRequest) (Attachment, error)
	EndLease func(ctx context.Context, proxy string) (bool, error)
}

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// route is one thing that can be asked.
type route struct {
	method string
	serve  wire.Handler
}

// Routes returns the handler of the whole API. Its requests last as long as
// their clients stay, so the server's base context has to end with the server.
func (d Door) Routes() http.Handler {
	routes := map[string]route{
		"/status": {http.MethodGet, d.status},
		"/token":  {http.MethodPost, d.token},
		"/why":    {http.MethodPost, d.why},
		"/attach": {http.MethodPost, d.attach},

		"/leases":     {http.MethodPost, d.lease},
		"/leases/end": {http.MethodPost, d.endLease},

		"/service-principals": {http.MethodPost, d.servicePrincipal},

		"/workload/token": {http.MethodPost, d.workloadToken},

		"/clock":         {http.MethodGet, d.clock},
		"/clock/advance": {http.MethodPost, d.advanceClock},
		"/faults":        {http.MethodGet, d.faults},
		"/faults/add":    {http.MethodPost, d.addFault},
		"/faults/clear":  {http.MethodPost, d.clearFaults},
		"/events/add":    {http.MethodPost, d.addEvent},
		"/events/list":   {http.MethodPost, d.listEvents},
		"/events/clear":  {http.MethodPost, d.clearEvents},
		"/verify":        {http.MethodPost, d.verify},
		"/backup":        {http.MethodPost, d.backup},
		"/seal/rotate":   {http.MethodPost, d.rotateSeal},
	}
	maps.Copy(routes, d.Users.routes())
	return wire.Door{Name: "control", Now: d.Now, Log: d.Log, Record: d.Record, Fail: fail}.Handle(
		func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("X-Ms-Request-Id", wire.EventOf(r.Context()).RequestID)
			if err := refuseBrowsers(r); err != nil {
				return err
			}
			to, ok := routes[r.URL.Path]
			if !ok {
				return fault.New(fault.NotFound, "There is nothing at this path.")
			}
			if r.Method != to.method {
				w.Header().Set("Allow", to.method)
				return fault.New(fault.Unsupported, "This path takes %s only.", to.method).Named(codeMethodNotAllowed)
			}
			return to.serve(w, r)
		})
}

// refuseBrowsers keeps web pages out, should a proxy or a port forward ever
// put the socket where a browser reaches it: none of our clients sends these.
func refuseBrowsers(r *http.Request) error {
	for _, name := range []string{"Origin", "Referer"} {
		if len(r.Header.Values(name)) > 0 {
			return fault.New(fault.Forbidden, "Requests with the header %s are refused.", name)
		}
	}
	if host := wire.Host(r); host != "midas" && host != "localhost" {
		return fault.New(fault.Forbidden, "Requests to this host are refused.")
	}
	return nil
}

func (d Door) status(w http.ResponseWriter, r *http.Request) error {
	return wire.WriteJSON(w, http.StatusOK, d.Status())
}

func (d Door) token(w http.ResponseWriter, r *http.Request) error {
	q, err := read[TokenRequest](r)
	if err != nil {
		return err
	}
	if q.Resource == "" {
		return fault.New(fault.Invalid, "The member 'resource' is missing.").At("resource")
	}
	wire.EventOf(r.Context()).Target = q.Resource
	t, err := d.Token(r.Context(), q.Resource)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteJSON(w, http.StatusOK, t)
}

func (d Door) why(w http.ResponseWriter, r *http.Request) error {
	q, err := read[WhyRequest](r)
	if err != nil {
		return err
	}
	for _, m := range []struct{ name, value string }{{"principal", q.Principal}, {"action", q.Action}, {"scope", q.Scope}} {
		if m.value == "" {
			return fault.New(fault.Invalid, "The member '%s' is missing.", m.name).At(m.name)
		}
	}
	a, err := d.Why(r.Context(), q)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, http.StatusOK, a)
}

func (d Door) servicePrincipal(w http.ResponseWriter, r *http.Request) error {
	q, err := read[ServicePrincipalRequest](r)
	if err != nil {
		return err
	}
	if q.Name == "" {
		return fault.New(fault.Invalid, "The member 'name' is missing.").At("name")
	}
	p, err := d.CreateServicePrincipal(r.Context(), q)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteJSON(w, http.StatusOK, p)
}

// attach answers with one line and then holds the response open: the
// connection is the lease, so a client that dies cannot leave a machine's
// endpoint behind.
func (d Door) attach(w http.ResponseWriter, r *http.Request) error {
	q, err := read[AttachRequest](r)
	if err != nil {
		return err
	}
	ctx, release := context.WithCancel(r.Context())
	defer release()
	a, err := d.Attach(ctx, q)
	if err != nil {
		return err
	}
	line, err := json.Marshal(a)
	if err != nil {
		return err
	}
	wire.EventOf(ctx).Target = a.VM
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Write(append(line, '\n')) // a peer that went away ends ctx
	if err := http.NewResponseController(w).Flush(); err != nil {
		return nil
	}
	<-ctx.Done() // the server's time limits do not end it: nothing is left to read or write
	return nil
}

// read decodes a body of one JSON value with no unknown members.
func read[T any](r *http.Request) (v T, err error) {
	b, err := wire.JSONBody(r, maxBody)
	if err != nil {
		return v, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return v, fault.Wrap(err, fault.Invalid, "The body is not the JSON that this path takes.")
	}
	if _, err := dec.Token(); err != io.EOF {
		return v, fault.New(fault.Invalid, "The body holds more than one JSON value.")
	}
	return v, nil
}
