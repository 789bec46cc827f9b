package directory

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Platform is what kind of program people sign in to, in Graph's words.
type Platform string

// The platforms.
const (
	Web          Platform = "web"          // has a credential of its own
	SPA          Platform = "spa"          // runs in the browser and has none
	PublicClient Platform = "publicClient" // runs on the user's machine and has none
)

// SignIn is how people sign in to an application.
type SignIn struct {
	PublicClient bool // isFallbackPublicClient: it may sign in without a credential where no redirect URI says which platform it is
	GroupClaims  bool // groupMembershipClaims: its tokens name the user's groups
	Redirects    []Redirect
}

// Redirect is an address to which the answer of a sign-in may go.
type Redirect struct {
	Platform Platform
	URI      string
}

// SetSignIn says how people sign in to an application.
func SetSignIn(tx *store.Tx, app azure.AppID, s SignIn) error {
	for _, r := range s.Redirects {
		if err := r.check(); err != nil {
			return err
		}
	}
	if err := create(tx, `INSERT INTO application_sign_in (app_id, public_client, group_claims) VALUES ($1, $2, $3)
		ON CONFLICT (app_id) DO UPDATE SET public_client = excluded.public_client, group_claims = excluded.group_claims`, string(app), s.PublicClient, s.GroupClaims); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM application_redirects WHERE app_id = $1`, string(app)); err != nil {
		return err
	}
	for _, r := range s.Redirects {
		if err := create(tx, `INSERT INTO application_redirects (app_id, platform, uri) VALUES ($1, $2, $3)`, string(app), string(r.Platform), r.URI); err != nil {
			return err
		}
	}
	return nil
}

// SignInOf reads how people sign in to an application. One of which nothing
// was said is confidential and has no redirect URI.
func SignInOf(tx *store.Tx, app azure.AppID) (s SignIn, err error) {
	err = tx.QueryRow(`SELECT public_client, group_claims FROM application_sign_in WHERE app_id = $1`, string(app)).Scan(&s.PublicClient, &s.GroupClaims)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return SignIn{}, err
	}
	s.Redirects, err = store.Collect(tx, func(scan func(...any) error) (r Redirect, err error) { return r, scan(&r.Platform, &r.URI) },
		`SELECT platform, uri FROM application_redirects WHERE app_id = $1`, string(app))
	return s, err
}

// check refuses what a browser must not be sent to.
func (r Redirect) check() error {
	bad := fault.New(fault.Invalid, "A redirect URI is an absolute URI without a fragment; http is for localhost.").At("redirectUris")
	if r.Platform != Web && r.Platform != SPA && r.Platform != PublicClient {
		return fault.New(fault.Invalid, "A platform is web, spa or publicClient.").At("platform")
	}
	u, err := url.Parse(r.URI)
	if err != nil || len(r.URI) > 256 || u.Scheme == "" || u.Fragment != "" || strings.ContainsAny(r.URI, "# \t\r\n\"'<>\\;,*") || u.User != nil {
		return bad
	}
	switch u.Scheme {
	case "https":
		if u.Host == "" {
			return bad
		}
	case "http":
		if !isLoopback(u) {
			return bad
		}
	case "javascript", "data", "vbscript", "file", "about", "blob":
		return bad
	default:
		if r.Platform != PublicClient {
			return bad
		}
	}
	return nil
}

func isLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Allows reports whether an answer may go to uri: it is registered, to the
// letter. Only the port of a loopback address is the client's own choice
// (RFC 8252 section 7.3).
func (r Redirect) Allows(uri string) bool {
	if uri == r.URI {
		return true
	}
	have, haveErr := url.Parse(r.URI)
	given, givenErr := url.Parse(uri)
	if haveErr != nil || givenErr != nil || have.Scheme != "http" || given.Scheme != "http" || !isLoopback(have) || given.User != nil || given.Fragment != "" {
		return false
	}
	if port := given.Port(); port != "" && strings.Trim(port, "0123456789") != "" {
		return false
	}
	path := func(u *url.URL) string { return strings.TrimSuffix(u.EscapedPath(), "/") }
	return have.Hostname() == given.Hostname() && path(have) == path(given) && have.RawQuery == given.RawQuery
}
