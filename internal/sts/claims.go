package sts

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/cloud"
	"midas/internal/directory"
)

// Values of the claims that are words of a small vocabulary.
const (
	version1 = "1.0"
	version2 = "2.0"
	typeApp  = "app"  // idtyp of a token that no user stands behind
	typeUser = "user" // idtyp of a user's token

	scopeImpersonation = "user_impersonation"
)

// Claims is what our access tokens say (control-plane.md A6, local-endpoints.md
// A.9). Version 1.0 tokens have AppID and AppIDACR, version 2.0 tokens AZP and
// AZPACR in their place. The order is that of the wire.
type Claims struct {
	Audience  string           `json:"aud"` // the resource, verbatim as asked for; every relying party compares it
	Issuer    string           `json:"iss"` // that of the discovery document of the same version
	IssuedAt  int64            `json:"iat"` // seconds; backdated by [clockTolerance], as on Azure
	NotBefore int64            `json:"nbf"` // equals iat
	ExpiresAt int64            `json:"exp"`
	ACR       string           `json:"acr,omitempty"` // "1" where a user signed in, 1.0 only
	AIO       string           `json:"aio"`           // opaque
	AMR       []string         `json:"amr,omitempty"` // how the user signed in: "pwd"; 1.0 only
	AppID     azure.AppID      `json:"appid,omitempty"`
	AppIDACR  string           `json:"appidacr,omitempty"` // how the client proved itself: 0 not, 1 secret, 2 certificate or assertion
	AZP       azure.AppID      `json:"azp,omitempty"`
	AZPACR    string           `json:"azpacr,omitempty"`
	Groups    []azure.ObjectID `json:"groups,omitempty"`    // of a user, where the application wants them
	HasGroups bool             `json:"hasgroups,omitempty"` // in their place where they are too many
	IDP       string           `json:"idp,omitempty"`       // equals iss for apps
	IDType    string           `json:"idtyp,omitempty"`     // "app" or "user", 1.0 only: 2.0 has it on request
	IPAddress string           `json:"ipaddr,omitempty"`    // where the user signed in from, 1.0 only
	Name      string           `json:"name,omitempty"`
	ObjectID  azure.ObjectID   `json:"oid"`                          // whom rights are given to
	Preferred string           `json:"preferred_username,omitempty"` // 2.0 users; for display only
	RH        string           `json:"rh"`                           // opaque
	Scope     string           `json:"scp,omitempty"`                // delegated rights, users only
	Subject   string           `json:"sub"`                          // oid for apps, pairwise per client for users
	TenantID  azure.TenantID   `json:"tid"`
	Unique    string           `json:"unique_name,omitempty"` // 1.0 users; for display only
	UPN       string           `json:"upn,omitempty"`         // 1.0 users
	UTI       string           `json:"uti"`                   // opaque and unique: the token's name in logs
	Version   string           `json:"ver"`

	HostResource      string   `json:"xms_az_rid,omitempty"`      // ARM id of the machine that asked for a user-assigned identity
	NetworkPerimeters []string `json:"xms_az_nwperimid,omitzero"` // [] in a managed identity's token
	Capabilities      []string `json:"xms_cc,omitempty"`          // what the client said it can do: "CP1"
	IdentityResource  string   `json:"xms_mirid,omitempty"`       // ARM id of the managed identity; Vault, Consul and Teleport authenticate on it
}

// clockTolerance is how far the clock of a relying party may be off. iat and
// nbf are backdated by it, so that one whose clock is behind takes the token:
// exp − iat of a 24-hour token is 86,700 s on the wire (local-endpoints.md A.9).
const clockTolerance = 5 * time.Minute

// newClaims fills in the claims of a grant at a time.
func newClaims(profile cloud.Profile, g Grant, now time.Time) Claims {
	tid := g.Principal.Tenant
	opaque := newOpaque()
	issued := now.Add(-clockTolerance).Unix()
	c := Claims{
		Audience: g.Audience, Issuer: profile.V1Issuer(tid), Version: version1,
		IssuedAt: issued, NotBefore: issued, ExpiresAt: now.Add(g.Lifetime).Unix(),
		ObjectID: g.Principal.ID, Subject: string(g.Principal.ID), TenantID: tid,
		AIO: opaque.aio, RH: opaque.rh, UTI: opaque.uti,
		Capabilities: g.Capabilities,
	}
	user := g.Principal.Kind == directory.User
	if user {
		c.Subject, c.Scope, c.Name = pairwise(g.Principal, g.Client), scopeImpersonation, g.Principal.DisplayName
		if g.Scope != "" {
			c.Scope = g.Scope
		}
		c.Groups, c.HasGroups = claimedGroups(g.Groups)
	}
	if g.Version == 2 {
		c.Version, c.Issuer = version2, profile.V2Issuer(tid)
		c.AZP, c.AZPACR = g.Client, g.ClientAuth
		if user {
			c.Preferred = g.Principal.UPN
		}
		return c
	}
	c.AppID, c.AppIDACR = g.Client, g.ClientAuth
	if user {
		c.IDType, c.Unique, c.UPN = typeUser, g.Principal.UPN, g.Principal.UPN
		c.AMR, c.IPAddress = g.Methods, g.ClientAddress
		if len(g.Methods) > 0 {
			c.ACR = "1"
		}
		return c
	}
	c.IDType, c.IDP = typeApp, c.Issuer
	if !g.IdentityResource.IsZero() {
		c.IdentityResource, c.NetworkPerimeters = claimedID(g.IdentityResource), []string{}
	}
	if !g.HostResource.IsZero() {
		c.HostResource = claimedID(g.HostResource)
	}
	return c
}

// maxGroups is how many groups a token names (control-plane.md A6).
const maxGroups = 200

// claimedGroups are the groups that a token names, or that it says there are.
func claimedGroups(all []azure.ObjectID) (groups []azure.ObjectID, has bool) {
	if len(all) > maxGroups {
		return nil, true
	}
	return all, false
}

// claimedID is an ARM id as claims have it: the segment is spelled
// "resourcegroups", the rest is as it was given.
func claimedID(id azure.ResourceID) string {
	segments := strings.Split(id.String(), "/")
	if len(segments) > 3 && strings.EqualFold(segments[1], "subscriptions") && strings.EqualFold(segments[3], "resourcegroups") {
		segments[3] = "resourcegroups"
	}
	return strings.Join(segments, "/")
}

// pairwise is a user's sub: stable, and another one for each client, so that
// clients cannot join their users by it. It hides nothing: oid is beside it.
func pairwise(p directory.Principal, client azure.AppID) string {
	sum := sha256.Sum256([]byte("midas.sub.1\x00" + string(p.Tenant) + "\x00" + string(p.ID) + "\x00" + string(client)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// opaque values mean nothing to anyone; they have the lengths of Azure's.
type opaque struct{ aio, rh, uti string }

func newOpaque() opaque {
	var b [36 + 33 + 16]byte
	rand.Read(b[:])
	return opaque{
		aio: base64.StdEncoding.EncodeToString(b[:36]),
		rh:  "1." + base64.RawURLEncoding.EncodeToString(b[36:69]) + ".",
		uti: base64.RawURLEncoding.EncodeToString(b[69:]),
	}
}

// parseClaims reads the payload of a token whose signature is good.
func parseClaims(payload []byte) (Claims, error) {
	var c Claims
	err := json.Unmarshal(payload, &c)
	return c, err
}

// client is the application that the token was given to, in either version.
func (c Claims) client() azure.AppID {
	if c.Version == version2 {
		return c.AZP
	}
	return c.AppID
}
