package federation

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits of a fetch.
const (
	fetchTime   = 10 * time.Second
	maxDocument = 256 << 10 // bytes of a discovery document or a key set
)

// newClient returns a client that follows no redirect, keeps no connection and
// uses no proxy, so that every address that it calls passes [callable].
func newClient(roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		return callable(address, ctx.Value(elsewhere{}) != nil)
	}}
	return &http.Client{
		Timeout: fetchTime,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// elsewhere marks the context of a call to a host that no stored credential
// names: that of a key set elsewhere than at its issuer.
type elsewhere struct{}

// callable decides by the address itself, after names are resolved, what this
// server may be made to call. A credential's issuer may be on a private
// network or this machine: that is where an operator's own is. Where a document
// leads to another host, that one is public: an issuer out there must not send
// us into the operator's network. Link-local addresses, where clouds keep the
// metadata of machines, are never called.
func callable(address string, elsewhere bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	switch {
	case ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified():
		return fmt.Errorf("no issuer is at %s", ip)
	case elsewhere && (ip.IsPrivate() || ip.IsLoopback() || sharedSpace.Contains(ip)):
		return fmt.Errorf("the key set is at the private address %s of another host than its issuer", ip)
	}
	return nil
}

// sharedSpace is that of RFC 6598, private to a provider's network.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// document is what is read of a discovery document.
type document struct {
	Issuer string `json:"issuer"`
	Keys   string `json:"jwks_uri"`
}

func parseDocument(text []byte, issuer string) (*url.URL, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("the discovery document: %w", err)
	}
	if d.Issuer != issuer { // exactly (OpenID Connect Discovery section 4.3)
		return nil, errIssuer
	}
	at, err := url.Parse(d.Keys)
	if err != nil || at.Scheme != "https" || at.Hostname() == "" || at.User != nil {
		return nil, errors.New("the discovery document has no https address of a key set")
	}
	return at, nil
}

// ask fetches the discovery document and the key set of an issuer, and says
// how long the keys may be kept; 0 where the issuer does not say.
func (s *Issuers) ask(ctx context.Context, issuer string) (keySet, time.Duration, error) {
	base, err := url.Parse(issuer)
	if err != nil || base.Scheme != "https" {
		return nil, 0, errors.New("the issuer has no https address")
	}
	text, _, err := s.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, 0, err
	}
	at, err := parseDocument(text, issuer)
	if err != nil {
		return nil, 0, err
	}
	if !strings.EqualFold(at.Hostname(), base.Hostname()) {
		ctx = context.WithValue(ctx, elsewhere{}, true)
	}
	text, header, err := s.get(ctx, at.String())
	if err != nil {
		return nil, 0, err
	}
	keys, err := parseKeys(text)
	return keys, keepFor(header), err
}

// get reads one document whole.
func (s *Issuers) get(ctx context.Context, address string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answers %s", address, resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if len(text) > maxDocument {
		return nil, nil, fmt.Errorf("%s answers with more than %d bytes", address, maxDocument)
	}
	return text, resp.Header, err
}

// keepFor reads max-age of Cache-Control.
func keepFor(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch {
		case strings.EqualFold(name, "no-store") || strings.EqualFold(name, "no-cache"):
			return keepLeast
		case strings.EqualFold(name, "max-age"):
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 32); err == nil {
				return max(time.Duration(seconds)*time.Second, keepLeast)
			}
		}
	}
	return keepDefault
}
