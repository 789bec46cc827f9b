package midas

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/federation"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/sts"
)

// issuers are those whose tokens can be exchanged. The machine's roots and our
// own CA vouch for their addresses; our own issuer is asked without any.
func (s *Server) issuers() *federation.Issuers {
	roots, err := x509.SystemCertPool()
	if err != nil {
		s.log.Warn("the machine's roots cannot be read; issuers are trusted by the installation's CA alone", "err", err)
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(s.ca.CAPEM())
	return federation.New(federation.Config{
		Roots: roots, Now: s.now, Log: s.log,
		Own:     func(issuer string) bool { return issuer == s.profile.WorkloadIssuer(s.ids.tenant) },
		OwnKeys: func(ctx context.Context) ([]byte, error) { return s.sts.JWKS(ctx, "") },
	})
}

// workloadToken issues a token of our own issuer: who holds the control socket
// says who a job is.
func (s *Server) workloadToken(ctx context.Context, q control.WorkloadTokenRequest) (control.WorkloadToken, error) {
	if len(q.Subject) > 600 || len(q.Audience) > 600 || strings.ContainsFunc(q.Subject+q.Audience, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return control.WorkloadToken{}, fault.New(fault.Invalid, "a subject and an audience have at most 600 characters, none of which is a control character")
	}
	if q.Audience == "" {
		q.Audience = s.profile.TokenExchangeAudience()
	}
	t, err := s.sts.IssueWorkload(ctx, s.ids.tenant, q.Subject, q.Audience)
	return control.WorkloadToken{Token: t.Raw, ExpiresOn: t.ExpiresAt.Unix(), Issuer: s.profile.WorkloadIssuer(s.ids.tenant), Subject: q.Subject, Audience: q.Audience}, err
}

// workload is a user-assigned identity of a machine that trusts our issuer,
// and the credential by which it does.
type workload struct {
	identity   directory.Principal
	credential directory.FederatedCredential
}

// workloads are those of a machine, in the order of their ids. Of several
// credentials of one identity, which all lead to it, the oldest is taken.
func (s *Server) workloads(tx *store.Tx, vm azure.ResourceID) (found []workload, err error) {
	r, err := resource.Get(tx, vm)
	if err != nil || r.Identity == nil || !r.Identity.Type.HasUser() {
		return nil, err
	}
	issuer := s.profile.WorkloadIssuer(s.ids.tenant)
	for _, key := range slices.Sorted(maps.Keys(r.Identity.UserAssigned)) {
		p, err := directory.PrincipalByID(tx, r.Identity.UserAssigned[key].PrincipalID)
		if fault.Is(err, fault.NotFound) {
			continue // deleted, and listed still
		}
		if err != nil {
			return nil, err
		}
		all, err := directory.FederatedCredentials(tx, p.AppID)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(c directory.FederatedCredential) bool { return c.Issuer == issuer }); i >= 0 {
			found = append(found, workload{p, all[i]})
		}
	}
	return found, nil
}

// chooseWorkload takes the one identity there is, or the one of that client id.
func (s *Server) chooseWorkload(tx *store.Tx, vm azure.ResourceID, clientID string) (workload, error) {
	found, err := s.workloads(tx, vm)
	if err != nil {
		return workload{}, err
	}
	if len(found) == 0 {
		return workload{}, fault.New(fault.NotFound, "no user-assigned identity of the virtual machine %s trusts this cloud's workload issuer\nhint: attach one with `az vm identity assign`, and let it: az identity federated-credential create --name job --identity-name IDENTITY --resource-group GROUP --issuer %s --subject system:serviceaccount:NAMESPACE:NAME --audiences %s",
			vm.Name(), s.profile.WorkloadIssuer(s.ids.tenant), s.profile.TokenExchangeAudience())
	}
	var choices []string
	for _, w := range found {
		if clientID == "" && len(found) == 1 || strings.EqualFold(clientID, string(w.identity.AppID)) {
			return w, nil
		}
		choices = append(choices, fmt.Sprintf("%s (%s)", w.identity.AppID, w.identity.DisplayName))
	}
	problem := fmt.Sprintf("the virtual machine %s has several identities that trust this cloud's workload issuer", vm.Name())
	if clientID != "" {
		problem = fmt.Sprintf("%.64q is no client id of an identity of the virtual machine %s that trusts this cloud's workload issuer", clientID, vm.Name())
	}
	return workload{}, fault.New(fault.Invalid, "%s\nhint: choose with --client-id: %s", problem, strings.Join(choices, ", ")).At("clientId")
}

// workload gives a machine's clients a token file and its variables in the
// place of an endpoint, as a pod has them.
func (l *lease) workload(clientID string) error {
	f := &tokenFile{vm: l.vm, path: filepath.Join(l.sockets, azure.NewGUID()+".token")}
	err := l.db.View(l.ctx, func(tx *store.Tx) error {
		w, err := l.chooseWorkload(tx, l.vm, clientID)
		f.app = w.identity.AppID
		return err
	})
	if err != nil {
		return err
	}
	if err := l.files.open(l.ctx, l.Server, f); err != nil {
		return err
	}
	context.AfterFunc(l.ctx, func() { l.files.remove(f) })
	l.Env = map[string]string{
		"AZURE_CLIENT_ID":            string(f.app),
		"AZURE_TENANT_ID":            string(l.ids.tenant),
		"AZURE_FEDERATED_TOKEN_FILE": f.path,
		"AZURE_AUTHORITY_HOST":       "https://" + l.profile.LoginHost() + "/",
	}
	return nil
}

// tokenFile is a workload token on disk, for one lease.
type tokenFile struct {
	vm    azure.ResourceID
	app   azure.AppID
	path  string
	renew time.Time
}

// tokenFiles are all of them. Its lock is held while a file is written, so
// that one which is removed does not come back.
type tokenFiles struct {
	mu   sync.Mutex
	kept map[*tokenFile]bool
}

// open writes a new file and keeps it renewed.
func (t *tokenFiles) open(ctx context.Context, s *Server, f *tokenFile) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := s.writeToken(ctx, f); err != nil {
		return err
	}
	if t.kept == nil {
		t.kept = map[*tokenFile]bool{}
	}
	t.kept[f] = true
	return nil
}

func (t *tokenFiles) remove(f *tokenFile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.kept, f)
	os.Remove(f.path) // its directory goes with the server, too
}

// writeToken puts a new token into a file, whole: who reads it finds the old
// one or the new one. A machine from which the identity or its trust was taken
// meanwhile gets none.
func (s *Server) writeToken(ctx context.Context, f *tokenFile) error {
	var w workload
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		w, err = s.chooseWorkload(tx, f.vm, string(f.app))
		return err
	})
	if err != nil {
		return err
	}
	t, err := s.sts.IssueWorkload(ctx, s.ids.tenant, w.credential.Subject, w.credential.Audiences[0])
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.path+".new", []byte(t.Raw), 0o600); err != nil {
		return err
	}
	f.renew = t.IssuedAt.Add(sts.LifetimeWorkload / 2)
	return os.Rename(f.path+".new", f.path)
}

// renewTokens writes those files anew whose tokens have had half of their life.
func (s *Server) renewTokens(ctx context.Context) {
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	now := s.now()
	for f := range s.files.kept {
		if now.Before(f.renew) {
			continue
		}
		if err := s.writeToken(ctx, f); err != nil && ctx.Err() == nil {
			s.log.Warn("a workload's token could not be renewed", "machine", f.vm.String(), "client", string(f.app), "err", err)
		}
	}
}

// renewEvery is how often the token files are looked at. It is short because
// the machine may have slept.
const renewEvery = time.Minute

// keepTokens renews the token files until ctx ends.
func (s *Server) keepTokens(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.renewTokens(ctx)
		}
	}
}
