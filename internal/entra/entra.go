// Package entra is the door of the token service: discovery, key sets, tokens
// for those who can prove who they are, and the pages on which people do so, in
// the words of control-plane.md part A. It owns the OAuth requests and answers,
// the browser's cookies and the AADSTS errors. It does not own keys or claims
// (sts), who exists and is signed in (directory), how a page looks (pages), nor other
// issuers' keys (federation). It may import the
// floors below it and no other door.
package entra

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"midas/internal/cloud"
	"midas/internal/entra/pages"
	"midas/internal/federation"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// Door answers for the login hosts, the host of the v1 issuer and that of the
// issuer of workload tokens.
type Door struct {
	Sts     *sts.Service
	DB      *store.DB
	Cloud   cloud.Profile
	Now     func() time.Time
	Log     *slog.Logger
	Record  func(wire.Event)
	Issuers *federation.Issuers // whose tokens can be exchanged
}

// Routes returns the door's handler.
func (d *Door) Routes() http.Handler {
	return wire.Door{Name: "entra", Now: d.Now, Log: d.Log, Record: d.Record, Fail: d.fail}.Handle(d.route)
}

// route finds the endpoint by hand: paths compare without case, and may hold
// double and trailing slashes (clients.md 3.6); nothing is ever redirected.
// The endpoints are those of control-plane.md A1.
func (d *Door) route(w http.ResponseWriter, r *http.Request) error {
	d.commonHeaders(w, r)
	segments, err := wire.Segments(r)
	if err != nil {
		return err
	}
	if len(segments) == 0 {
		return noEndpoint.with()
	}
	tenant, path := segments[0], strings.ToLower(strings.Join(segments[1:], "/"))
	if wire.Host(r) == d.Cloud.IssuerHost {
		return d.workloadIssuer(w, r, tenant, path)
	}
	switch path {
	case ".well-known/openid-configuration":
		return d.public(w, r, func() (any, error) { return d.discovery(r, tenant, 1) })
	case "v2.0/.well-known/openid-configuration":
		return d.public(w, r, func() (any, error) { return d.discovery(r, tenant, 2) })
	case "discovery/keys":
		return d.public(w, r, func() (any, error) { return d.keys(r, tenant, 1) })
	case "discovery/v2.0/keys":
		return d.public(w, r, func() (any, error) { return d.keys(r, tenant, 2) })
	case "oauth2/token":
		return d.token(w, r, tenant, 1)
	case "oauth2/v2.0/token":
		return d.token(w, r, tenant, 2)
	case "oauth2/devicecode":
		return d.deviceCode(w, r, tenant, 1)
	case "oauth2/v2.0/devicecode":
		return d.deviceCode(w, r, tenant, 2)
	case "oauth2/authorize":
		return d.authorize(w, r, tenant, 1)
	case "oauth2/v2.0/authorize":
		return d.authorize(w, r, tenant, 2)
	case "oauth2/logout":
		return d.logout(w, r, tenant, 1)
	case "oauth2/v2.0/logout":
		return d.logout(w, r, tenant, 2)
	case "oauth2/deviceauth":
		return d.devicePage(w, r)
	}
	switch whole := strings.ToLower(strings.Join(segments, "/")); {
	case whole == "device" || whole == "devicelogin":
		return d.devicePage(w, r)
	case whole == "favicon.ico":
		w.WriteHeader(http.StatusNoContent)
		return nil
	case strings.HasPrefix(whole, pages.AssetPath+"/") && len(segments) == 3 && pages.Asset(w, segments[2]):
		return nil
	}
	if strings.EqualFold(tenant, "common") {
		if path == "discovery/instance" {
			return d.public(w, r, func() (any, error) { return d.instance(r) })
		}
		if len(segments) == 3 && strings.EqualFold(segments[1], "userrealm") {
			return d.public(w, r, func() (any, error) { return d.userRealm(w, r, segments[2]) })
		}
	}
	return noEndpoint.with()
}

// commonHeaders are on every answer. The request id is the trace id of an
// error (control-plane.md A7); the caller's own id comes back if it asks for it.
func (d *Door) commonHeaders(w http.ResponseWriter, r *http.Request) {
	h, event := w.Header(), wire.EventOf(r.Context())
	h.Set("X-Ms-Request-Id", event.RequestID)
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.EqualFold(r.Header.Get("Return-Client-Request-Id"), "true") {
		h.Set("Client-Request-Id", event.CorrelationID)
	}
}

// public answers a GET that anybody may make, from any web page, and keep for
// a day (control-plane.md A2).
func (d *Door) public(w http.ResponseWriter, r *http.Request, answer func() (any, error)) error {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, OPTIONS")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.WriteHeader(http.StatusOK)
		return nil
	default:
		h.Set("Allow", "GET, OPTIONS")
		return wrongMethod.with("GET", r.Method)
	}
	body, err := answer()
	if err != nil {
		return err
	}
	h.Set("Cache-Control", "max-age=86400, private")
	return wire.WriteJSON(w, http.StatusOK, body)
}

// authorityHost is the host of the addresses in an answer: the login host that
// was asked, with its port, else the preferred one. Clients compare it with
// the one that they know (control-plane.md A3).
func (d *Door) authorityHost(r *http.Request) string {
	host := wire.Host(r)
	if !slices.Contains(d.Cloud.LoginHosts, host) {
		return d.Cloud.LoginHost()
	}
	if port := strings.TrimPrefix(strings.ToLower(r.Host), host); len(port) > 1 && strings.Trim(port[1:], "0123456789") == "" {
		return host + port
	}
	return host
}
