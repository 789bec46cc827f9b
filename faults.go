package midas

import (
	"context"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/injection"
	"midas/internal/store"
)

// notInDevelopment refuses what only a cloud for development does.
func notInDevelopment(what string) error {
	return fault.New(fault.Unsupported, "%s\nhint: only a cloud that was started with `midas up` is for trying things out", what)
}

// injecting returns the rules of faults, which only a cloud for development has.
func (s *Server) injecting() (*injection.Rules, error) {
	if s.faults == nil {
		return nil, notInDevelopment("no faults are injected here")
	}
	return s.faults, nil
}

// listFaults says what was asked for, and what has come of it.
func (s *Server) listFaults() (control.Faults, error) {
	rules, err := s.injecting()
	if err != nil {
		return control.Faults{}, err
	}
	all := control.Faults{Faults: []control.Fault{}}
	for _, r := range rules.List() {
		all.Faults = append(all.Faults, showFault(r))
	}
	return all, nil
}

// addFault makes a rule. What it names has to exist: a rule for a name with a
// mistake in it would never hit, and nobody would know why.
func (s *Server) addFault(ctx context.Context, q control.FaultRequest) (control.Fault, error) {
	rules, err := s.injecting()
	if err != nil {
		return control.Fault{}, err
	}
	r := injection.Rule{Identity: q.Identity, Endpoint: injection.Endpoint(q.Endpoint), After: q.After, Count: q.Count,
		Effect: injection.Effect{Status: q.Status, Drop: q.Drop, Truncate: q.Truncate}}
	if r.RetryAfter, err = seconds(q.RetryAfter); err != nil {
		return control.Fault{}, err
	}
	if q.Delay != "" {
		if r.Delay, err = time.ParseDuration(q.Delay); err != nil {
			return control.Fault{}, fault.New(fault.Invalid, "%.64q is not a duration such as 500ms or 2s", q.Delay).At("delay")
		}
	}
	if q.VM != "" {
		if r.Machine, err = s.machine(ctx, q.VM); err != nil {
			return control.Fault{}, err
		}
	}
	if q.Identity != "" {
		if err := s.hasIdentity(ctx, q.Identity); err != nil {
			return control.Fault{}, err
		}
	}
	if r, err = rules.Add(r); err != nil {
		return control.Fault{}, err
	}
	f := showFault(r)
	s.log.Info("a fault was asked for", "fault", f.ID, "machine", f.VM, "endpoint", f.Endpoint, "identity", f.Identity, "what", f.What, "after", f.After, "count", f.Count)
	return f, nil
}

// seconds keeps what would overflow out of a duration.
func seconds(n int64) (time.Duration, error) {
	if n < 0 || n > int64(injection.MaxRetryAfter/time.Second) {
		return 0, fault.New(fault.Invalid, "to retry after %d seconds is not between 0 and %d", n, injection.MaxRetryAfter/time.Second).At("retryAfter")
	}
	return time.Duration(n) * time.Second, nil
}

// hasIdentity fails where no managed identity has this client id, object id or resource id.
func (s *Server) hasIdentity(ctx context.Context, name string) error {
	return s.db.View(ctx, func(tx *store.Tx) error {
		p, err := s.identityNamed(tx, name)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || err == nil && p.Type != directory.TypeManagedIdentity {
			return fault.New(fault.NotFound, "there is no managed identity %.200q\nhint: name it by its client id, its object id or its resource id", name).At("identity")
		}
		return err
	})
}

func (s *Server) identityNamed(tx *store.Tx, name string) (directory.Principal, error) {
	if strings.HasPrefix(name, "/") {
		id, err := azure.ParseResourceID(name)
		if err != nil {
			return directory.Principal{}, fault.Wrap(err, fault.Invalid, "%.200q is not a resource id", name)
		}
		return directory.PrincipalByResource(tx, id)
	}
	p, err := directory.PrincipalByID(tx, azure.ObjectID(name))
	if fault.Is(err, fault.NotFound) {
		return directory.PrincipalByAppID(tx, s.ids.tenant, azure.AppID(name))
	}
	return p, err
}

// clearFaults ends a fault, or all of them.
func (s *Server) clearFaults(id string) error {
	rules, err := s.injecting()
	if err != nil {
		return err
	}
	if err := rules.Clear(id); err != nil {
		return err
	}
	s.log.Info("faults were cleared", "fault", id)
	return nil
}

func showFault(r injection.Rule) control.Fault {
	f := control.Fault{ID: r.ID, Passed: r.Passed, Hits: r.Hits, What: r.Effect.String(), FaultRequest: control.FaultRequest{
		VM: r.Machine.String(), Identity: r.Identity, Endpoint: string(r.Endpoint), Status: r.Status, RetryAfter: int64(r.RetryAfter / time.Second),
		Drop: r.Drop, Truncate: r.Truncate, After: r.After, Count: r.Count}}
	if r.Delay > 0 {
		f.Delay = r.Delay.String()
	}
	if n, ends := r.Left(); ends {
		f.Left = &n
	}
	return f
}
