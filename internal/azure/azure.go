// Package azure holds the nouns that every other package speaks in: the typed
// identifiers of tenants, subscriptions, principals and applications, and the
// ids and scopes of resources. It owns no behaviour beyond parsing and
// comparing them, knows nothing of HTTP or storage, and imports the standard
// library only.
package azure

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// GUIDs compare without case on Azure's wire, so every typed identifier below
// is kept in lower case; the constructors fold what they are given.
type (
	// TenantID names a directory: "tid" in a token.
	TenantID string
	// SubscriptionID names a subscription.
	SubscriptionID string
	// ObjectID names a directory object: "oid" in a token, "id" in Graph,
	// "principalId" in Resource Manager.
	ObjectID string
	// AppID names an application: "client_id" in OAuth, "appid" in a token,
	// "appId" in Graph, "clientId" in Resource Manager.
	AppID string
)

// NewGUID returns a random (version 4) GUID in lower case.
func NewGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[0:], b[0:4])
	hex.Encode(s[9:], b[4:6])
	hex.Encode(s[14:], b[6:8])
	hex.Encode(s[19:], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// ParseGUID folds s to lower case, or reports false where s is not a GUID of
// the form 8-4-4-4-12.
func ParseGUID(s string) (string, bool) {
	if len(s) != 36 {
		return "", false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return "", false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return "", false
		}
	}
	return strings.ToLower(s), true
}

// NewObjectID returns a fresh random object id.
func NewObjectID() ObjectID { return ObjectID(NewGUID()) }

// NewAppID returns a fresh random application id.
func NewAppID() AppID { return AppID(NewGUID()) }

// Fold returns the form in which names, ids and scopes are compared and keyed:
// Resource Manager compares all of them without case.
func Fold(s string) string { return strings.ToLower(s) }
