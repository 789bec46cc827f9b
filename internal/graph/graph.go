// Package graph is the door of Microsoft Graph v1.0: the subset that `az ad`,
// `az role assignment` and the Graph SDKs need (control-plane.md F, az-cli.md
// 5.6). It owns the shapes of objects, the query options, who may do what in
// the directory, and the envelope of its errors. Who there is is
// internal/directory's and the tokens are internal/sts's; it may import those
// two and the floors below them.
package graph

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// Door is what the door needs. All of it but Record is needed.
type Door struct {
	DB     *store.DB
	Sts    *sts.Service
	Cloud  cloud.Profile
	Tenant azure.TenantID
	Now    func() time.Time
	Log    *slog.Logger
	Record func(wire.Event) // takes one event per request; nil where nothing is kept
}

// Version is the one version that is served.
const version = "v1.0"

// Routes returns the handler of the whole door.
func (d Door) Routes() http.Handler {
	h := &handler{Door: d, service: d.Cloud.ServiceNamed(cloud.Graph)}
	h.whole = wire.Door{Name: "graph", Now: d.Now, Log: d.Log, Record: d.Record, Fail: h.fail}.Handle(h.serve)
	return h.whole
}

type handler struct {
	Door
	service cloud.Service // whose tokens are taken
	whole   http.Handler  // itself, for the requests in a batch
}

// call is one request that is understood, on its way through the rules.
type call struct {
	*handler
	request  *http.Request
	caller   actor
	endpoint *endpoint
	params   []param // of the path, in its order
	query    query
	body     map[string]any
	tx       *store.Tx
	hash     directory.UserHash // of the password in body, once it is asked for

	authorized bool // a right was asked for
}

// reply is an answer. The zero reply is a 204.
type reply struct {
	status   int
	body     any
	location string
}

// serve takes every request through the same steps: the token before anything
// about the request, the rights before anything about what is asked.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) error {
	h.stamp(w, r)
	// 1. The token.
	caller, err := h.authenticate(r)
	if err != nil {
		return err
	}
	e := wire.EventOf(r.Context())
	e.Caller = string(caller.ID)
	// 2. What is asked.
	c := &call{handler: h, request: r, caller: actor{Caller: caller}}
	if err := c.route(w); err != nil {
		return err
	}
	if c.endpoint.batch {
		return c.batch(w)
	}
	e.Operation, e.Target = "microsoft.directory/"+c.endpoint.action, r.URL.Path
	if c.query, err = readQuery(r); err != nil {
		return err
	}
	if c.body, err = readBody(r, c.endpoint.body); err != nil {
		return err
	}
	// 3. The rights, and what is asked, in one transaction.
	answer, err := c.run()
	if err != nil {
		return err
	}
	return h.answer(w, answer)
}

// run does what is asked. Where that needs the hash of a password, what it did
// is taken back, the hash is made, and it is done again: the hash takes its
// time, so it is made outside of the transaction, and only for who may set one.
func (c *call) run() (answer reply, err error) {
	answer, err = c.attempt()
	u, ok := errors.AsType[unhashed](err)
	if !ok {
		return answer, err
	}
	if c.hash, err = directory.HashPassword(c.request.Context(), u.password); err != nil {
		return reply{}, err
	}
	return c.attempt()
}

// attempt does what is asked, in a transaction that may run twice.
func (c *call) attempt() (answer reply, err error) {
	transaction := c.DB.View
	if c.endpoint.update {
		transaction = c.DB.Update
	}
	err = transaction(c.request.Context(), func(tx *store.Tx) error {
		c.tx, c.authorized = tx, false
		if err := c.load(); err != nil {
			return err
		}
		if !c.endpoint.right.depends() {
			if err := c.need(c.endpoint.right, ""); err != nil {
				return err
			}
		}
		answer, err = c.endpoint.run(c)
		if err == nil && !c.authorized {
			err = fmt.Errorf("the endpoint %s asked for no right", c.endpoint.action)
		}
		return err
	})
	return answer, err
}

func (h *handler) answer(w http.ResponseWriter, a reply) error {
	if a.location != "" {
		w.Header().Set("Location", a.location)
	}
	if a.body == nil {
		w.Header().Del("Content-Type")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return wire.WriteJSON(w, a.status, a.body)
}

// stamp puts the headers on that every answer has.
func (h *handler) stamp(w http.ResponseWriter, r *http.Request) {
	e := wire.EventOf(r.Context())
	head := w.Header()
	head.Set("Content-Type", contentType)
	head.Set("Odata-Version", "4.0")
	head.Set("Cache-Control", "no-cache")
	head.Set("Strict-Transport-Security", "max-age=31536000")
	head.Set("Request-Id", e.RequestID)
	head.Set("Client-Request-Id", e.CorrelationID)
	head.Set("X-Ms-Ags-Diagnostic", `{"ServerInfo":{"DataCenter":"Midas","Slice":"E","Ring":"1","ScaleUnit":"001","RoleInstance":"MIDAS"}}`)
	head.Set("X-Ms-Resource-Unit", "1")
}

const contentType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// base is the address under which the caller reached the door.
func (c *call) base() string {
	host := c.Cloud.GraphHost
	if _, port, ok := strings.Cut(c.request.Host, ":"); ok && port != "443" {
		host += ":" + port
	}
	return "https://" + host + "/" + version
}

// context is the metadata address of what is answered: "users/$entity".
func (c *call) context(of string) string { return c.base() + "/$metadata#" + of }

// missing says that an object is not there, in Graph's words. Clients match on them.
func missing(id string) error {
	return fault.New(fault.NotFound, "Resource '%.100s' does not exist or one of its queried reference-property objects are not present.", id)
}

// orMissing gives a rule's NotFound the wire's words.
func orMissing(err error, id string) error {
	if fault.Is(err, fault.NotFound) {
		return missing(id)
	}
	return err
}
