// Package arm is the Resource Manager door: the engine that serves every
// resource type from its values. It owns ids and routes, api-versions, the
// derived permissions, the verbs, lists and paging, ETags, the identity block
// and the error envelope; the types' own rules are in the provider packages,
// which import it. It may import everything below the doors.
package arm

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// Door serves Resource Manager.
type Door struct {
	DB        *store.DB
	Sts       *sts.Service
	Cloud     cloud.Profile
	Tenant    azure.TenantID
	Providers []Provider
	Now       func() time.Time
	Log       *slog.Logger
	Record    func(wire.Event)
}

// Routes returns the door's handler.
func (d *Door) Routes() http.Handler {
	door := wire.Door{Name: "arm", Now: d.Now, Log: d.Log, Record: d.Record, Fail: d.fail}
	return door.Handle(d.serve)
}

// serve runs the checks in the order that callers see them (control-plane.md
// B2): the token, what is asked for, and then in one transaction the
// permission, the version, the containers and the verb itself.
func (d *Door) serve(w http.ResponseWriter, r *http.Request) error {
	if isMetadata(r) {
		return d.metadata(w, r)
	}
	caller, err := d.authenticate(r)
	if err != nil {
		return err
	}
	segs, err := wire.Segments(r)
	if err != nil {
		return err
	}
	t, err := d.target(r.Method, segs)
	if err != nil {
		return err
	}
	c := &Call{Context: r.Context(), Caller: caller, Cloud: d.Cloud, Host: r.Host, Query: r.URL.Query(), ManagementGroups: []azure.ResourceID{rbac.RootManagementGroup(d.Tenant)}}
	c.ID = t.id
	if err := checkQuery(c.Query); err != nil {
		return err
	}
	if c.Version, err = apiVersion(r); err != nil {
		return err
	}
	if r.Method == http.MethodPut || r.Method == http.MethodPatch || r.Method == http.MethodPost {
		if c.Body, err = wire.JSONBody(r, wire.MaxBody); err != nil {
			return err
		}
		if err := checkText(c.Body); err != nil {
			return err
		}
	}
	var answer *Answer
	run := func(tx *store.Tx) (err error) {
		call := *c
		call.Tx = tx
		if err := d.enter(&call); err != nil {
			return err
		}
		answer, err = t.serve(d, &call, r)
		return err
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		err = d.DB.View(r.Context(), run)
	} else {
		err = d.DB.Update(r.Context(), run)
	}
	if err != nil {
		return err
	}
	return d.write(w, r, answer)
}

// enter checks the subscription that a call is in: that it is there, and that
// the caller is of the tenant that it trusts.
func (d *Door) enter(c *Call) error {
	s := c.ID.Subscription()
	if s == "" {
		return nil
	}
	if _, ok := azure.ParseGUID(string(s)); !ok {
		return fault.New(fault.Invalid, "The provided subscription identifier '%s' is malformed or invalid.", s).Named(CodeInvalidSubscription)
	}
	sub, err := directory.SubscriptionByID(c.Tx, s)
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.New(fault.NotFound, "The subscription '%s' could not be found.", s).Named(CodeSubscriptionNotFound)
	case err == nil && sub.Tenant != c.Caller.Tenant:
		return d.wrongTenant(c.Caller, sub.Tenant)
	}
	return err
}

func (d *Door) write(w http.ResponseWriter, r *http.Request, a *Answer) error {
	d.headers(w, r)
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	if a.Body == nil || r.Method == http.MethodHead {
		w.WriteHeader(a.Status)
		return nil
	}
	return wire.WriteJSON(w, a.Status, a.Body)
}

// headers are on every answer (control-plane.md B3).
func (d *Door) headers(w http.ResponseWriter, r *http.Request) {
	e := wire.EventOf(r.Context())
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Ms-Request-Id", e.RequestID)
	h.Set("X-Ms-Correlation-Request-Id", e.CorrelationID)
	h.Set("X-Ms-Routing-Request-Id", strings.ToUpper(d.Cloud.DefaultLocation())+":"+d.Now().UTC().Format("20060102T150405Z")+":"+e.RequestID)
	if id := r.Header.Get("X-Ms-Client-Request-Id"); id != "" && strings.EqualFold(r.Header.Get("X-Ms-Return-Client-Request-Id"), "true") {
		if id, ok := azure.ParseGUID(id); ok {
			h.Set("X-Ms-Client-Request-Id", id)
		}
	}
}

// find looks a type up by its full name, without regard to case.
func (d *Door) find(namespace, name string) (*Provider, *Type) {
	for i := range d.Providers {
		p := &d.Providers[i]
		if !strings.EqualFold(p.Namespace, namespace) {
			continue
		}
		for j := range p.Types {
			if strings.EqualFold(p.Types[j].Name, name) {
				return p, &p.Types[j]
			}
		}
		return p, nil
	}
	return nil, nil
}

// Param returns a query parameter such as "$filter" by its name without
// regard to case, "" where it is absent.
func (c *Call) Param(name string) string {
	for k, v := range c.Query {
		if strings.EqualFold(k, name) {
			return v[0]
		}
	}
	return ""
}
