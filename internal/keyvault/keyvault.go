// Package keyvault is the door of Key Vault's data plane: the challenge, the
// routes and shapes of secrets, and the envelope of its errors
// (control-plane.md E2 to E4). Which vault is meant is the first label of the
// Host. The rules are internal/vault's and the tokens internal/sts's; it may
// import those two and the floors below them.
package keyvault

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"midas/internal/cloud"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/vault"
	"midas/internal/wire"
)

// Door is what the door needs. All of it but Record is needed.
type Door struct {
	DB     *store.DB
	Sts    *sts.Service
	Root   *seal.Root // opens and seals the values
	Cloud  cloud.Profile
	Now    func() time.Time
	Log    *slog.Logger
	Record func(wire.Event) // takes one event per request; nil where nothing is kept
}

// Routes returns the handler of every vault of the cloud.
func (d Door) Routes() http.Handler {
	h := &handler{Door: d, service: d.Cloud.ServiceNamed(cloud.KeyVault), vaults: vaults{db: d.DB}}
	return wire.Door{Name: "keyvault", Now: d.Now, Log: d.Log, Body: maxRestore, Record: d.Record, Fail: h.fail}.Handle(h.serve)
}

type handler struct {
	Door
	service cloud.Service // whose tokens are taken
	vaults  vaults

	scrubbing sync.Mutex
}

// call is one request that is understood, on its way through the rules.
type call struct {
	*handler
	vault    *vault.Vault
	endpoint *endpoint
	caller   sts.Caller
	request  *http.Request
	api      apiVersion
	target          // which secret
	body     change // what the body says, for endpoints that take one
	bodyErr  error
}

// serve takes every request through the same steps. The order is the wire's
// (control-plane.md E3, E4): the token before anything about the request, the
// rights before anything about the secret.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) error {
	stamp(w, r)
	// 1. The vault, because the challenge names its tenant. That it does not
	// exist is said to callers with a token only.
	v, err := h.vaultOf(r)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	missing := err
	if v != nil {
		w.Header()["X-Ms-Keyvault-Region"] = []string{v.Location}
	}
	// 2. The token.
	c := &call{handler: h, vault: v, request: r}
	if c.caller, err = h.authenticate(r, v); err != nil {
		return err
	}
	e := wire.EventOf(r.Context())
	e.Caller = string(c.caller.ID)
	if v == nil {
		return missing
	}
	e.Target = v.Resource.String()
	// 3. What is asked: who is kept out by the next step is recorded with it.
	unroutable := c.route(w)
	if unroutable == nil {
		e.Operation = c.endpoint.operation.Action()
		if c.name != "" {
			e.Target += "/secrets/" + c.name
		}
	}
	// 4. Where the caller is.
	if err := v.Admit(clientAddr(e.Client)); err != nil {
		return c.denied(err)
	}
	if unroutable != nil {
		return unroutable
	}
	if c.endpoint.body > 0 {
		c.body, c.bodyErr = readBody(r, c.endpoint.body)
	}
	// 5. The rights, and what is asked, in one transaction.
	answer, err := c.run()
	if err != nil {
		return err
	}
	if c.endpoint.operation == vault.SecretPurge {
		h.scrub(r.Context())
	}
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return wire.WriteJSON(w, http.StatusOK, answer)
}

// run authorizes the call and does what it asks.
func (c *call) run() (answer any, err error) {
	transaction := c.DB.View
	if c.endpoint.update {
		transaction = c.DB.Update
	}
	err = transaction(c.request.Context(), func(tx *store.Tx) error {
		caller := vault.Caller{AppID: c.caller.AppID, Principals: c.caller.Principals}
		if err := vault.Authorize(tx, caller, c.vault, c.endpoint.operation, c.name); err != nil {
			return c.denied(err)
		}
		if c.bodyErr != nil {
			return c.bodyErr
		}
		answer, err = c.endpoint.run(tx, c)
		return err
	})
	return answer, err
}

// scrub removes what was purged from the files. Those who purge at the same
// time wait for each other, and one scrub does for all who wait. One that
// fails stays due, and is done by the next.
func (h *handler) scrub(ctx context.Context) {
	h.scrubbing.Lock()
	defer h.scrubbing.Unlock()
	if err := h.DB.Scrub(ctx); err != nil {
		h.Log.WarnContext(ctx, "what was purged is still in the database's files", "err", err)
	}
}

// vaultOf finds the vault whose name the request was sent to.
func (h *handler) vaultOf(r *http.Request) (*vault.Vault, error) {
	name, ok := h.Cloud.VaultName(wire.Host(r))
	if !ok {
		return nil, fault.New(fault.NotFound, "The host of the request is not a vault.").Named(vault.CodeVaultNotFound)
	}
	return h.vaults.find(r.Context(), name)
}

// anyTenant is the one that the challenge of a vault names which does not exist.
func (h *handler) anyTenant(ctx context.Context) (t directory.Tenant, err error) {
	err = h.DB.View(ctx, func(tx *store.Tx) error {
		all, err := directory.Tenants(tx)
		if err == nil && len(all) == 0 {
			err = errors.New("there is no tenant")
		}
		if err == nil {
			t = all[0]
		}
		return err
	})
	return t, err
}

// base is the address under which the caller reached the vault, without a
// trailing slash: ids are built from it (control-plane.md E2, clients.md 3.7).
func (c *call) base() string {
	return strings.TrimSuffix(c.Cloud.VaultURI(c.vault.Name), "/") + port(c.request.Host)
}

// port is the end of a host that names a port other than HTTPS's own, with its
// colon.
func port(host string) string {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.HasSuffix(host, "]") || host[i:] == ":443" {
		return ""
	}
	return host[i:]
}
