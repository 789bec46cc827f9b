// Package federation verifies tokens that other issuers have made, with the
// keys that each publishes by its discovery document (OpenID Connect
// Discovery 1.0, RFC 7517). It owns reading such a token, fetching documents
// within strict limits, and the cache of keys. It does not decide whose tokens
// count for whom: an issuer is only asked for once a stored federated
// credential names it, and who calls has looked that up. It may import fault.
package federation

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"midas/internal/fault"
)

// Config is what [New] needs. All of it but the own issuer is needed.
type Config struct {
	Roots *x509.CertPool // authorities that issuers' certificates may have
	Now   func() time.Time
	Log   *slog.Logger

	// Own is an issuer whose keys are here: they are never fetched.
	Own     func(issuer string) bool
	OwnKeys func(context.Context) ([]byte, error) // a key set as JSON
}

// Issuers knows the keys of issuers. Its methods may be called at the same time.
type Issuers struct {
	Config
	client  *http.Client
	flights singleflight.Group

	mu    sync.Mutex
	known map[string]*entry
}

// New returns the keys of nobody yet.
func New(c Config) *Issuers {
	return &Issuers{Config: c, client: newClient(c.Roots), known: map[string]*entry{}}
}

// Codes of the refusals of [Issuers.Verify].
const (
	Unreachable  = "IssuerUnreachable" // Unavailable: its documents cannot be had, or are none
	UnknownKey   = "IssuerKeyUnknown"  // Unauthorized: it publishes no key of this id
	BadSignature = "BadSignature"      // Unauthorized
)

// Verify checks that a token was signed by its issuer. It says nothing of its
// times and its audience. A key that is not known is looked for once more,
// because its issuer may just have begun to sign with it.
func (s *Issuers) Verify(ctx context.Context, t *Token) error {
	keys, err := s.keys(ctx, t.Claims.Issuer, false)
	if err != nil {
		return err
	}
	candidates := keys.named(t.KeyID())
	if len(candidates) == 0 {
		if keys, err = s.keys(ctx, t.Claims.Issuer, true); err != nil {
			return err
		}
		candidates = keys.named(t.KeyID())
	}
	if len(candidates) == 0 {
		return fault.New(fault.Unauthorized, "The issuer publishes no key with the id of the token's.").Named(UnknownKey)
	}
	for _, k := range candidates {
		if k.Algorithm != "" && k.Algorithm != t.algorithm() {
			continue
		}
		if _, err := t.signed.Verify(k.Key); err == nil {
			return nil
		}
	}
	return fault.New(fault.Unauthorized, "The signature of the token is not its issuer's.").Named(BadSignature)
}

// Bounds of the cache. Times are the cloud's.
const (
	maxIssuers   = 256
	keepDefault  = time.Hour        // where the issuer does not say how long
	keepLeast    = time.Minute      // however short it says
	keepMost     = 24 * time.Hour   // however long it says
	askAgain     = time.Minute      // between two looks for an unknown key
	keepFailures = 10 * time.Second // an issuer that did not answer is left alone for that long
)

// entry is what is known of one issuer. It never changes.
type entry struct {
	keys    keySet
	err     error // in place of the keys
	asked   time.Time
	expires time.Time
}

// keys returns the keys of an issuer. With fresh they are fetched again, if
// that was not done just now.
func (s *Issuers) keys(ctx context.Context, issuer string, fresh bool) (keySet, error) {
	if s.Own != nil && s.Own(issuer) {
		text, err := s.OwnKeys(ctx)
		if err != nil {
			return nil, err
		}
		return parseKeys(text)
	}
	now := s.Now()
	if e := s.lookUp(issuer); e != nil && e.holds(now, fresh) {
		return e.keys, e.err
	}
	// The fetch is for all who wait, so it does not end with the first of them.
	flight := s.flights.DoChan(issuer, func() (any, error) {
		if e := s.lookUp(issuer); e != nil && e.holds(now, fresh) {
			return e, nil
		}
		e := s.fetch(context.WithoutCancel(ctx), issuer)
		s.remember(issuer, e)
		return e, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-flight:
		if result.Err != nil {
			return nil, result.Err
		}
		e := result.Val.(*entry)
		return e.keys, e.err
	}
}

// holds reports whether what is known counts still. A clock that was set back
// is no reason to trust it longer.
func (e *entry) holds(now time.Time, fresh bool) bool {
	if now.Before(e.asked) || !now.Before(e.expires) {
		return false
	}
	return !fresh || e.err != nil || now.Sub(e.asked) < askAgain
}

func (s *Issuers) lookUp(issuer string) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[issuer]
}

// remember keeps what was fetched. A full cache loses what has expired, and
// what would expire first where nothing has.
func (s *Issuers) remember(issuer string, e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.known[issuer]; !ok && len(s.known) >= maxIssuers {
		first, now := "", s.Now()
		for name, old := range s.known {
			if !now.Before(old.expires) {
				delete(s.known, name)
			} else if first == "" || old.expires.Before(s.known[first].expires) {
				first = name
			}
		}
		if len(s.known) >= maxIssuers {
			delete(s.known, first)
		}
	}
	s.known[issuer] = e
}

// fetch asks an issuer for its keys. That it cannot be asked is remembered,
// too, so that nobody can make this server call it again and again.
func (s *Issuers) fetch(ctx context.Context, issuer string) *entry {
	keys, keep, err := s.ask(ctx, issuer)
	now := s.Now()
	if err != nil {
		s.Log.WarnContext(ctx, "the keys of an issuer cannot be had", "issuer", issuer, "err", err)
		err = fault.Wrap(err, fault.Unavailable, "The keys of the issuer cannot be had.").Named(Unreachable)
		return &entry{err: err, asked: now, expires: now.Add(keepFailures)}
	}
	return &entry{keys: keys, asked: now, expires: now.Add(min(max(keep, keepLeast), keepMost))}
}

// errIssuer says that a document is somebody else's.
var errIssuer = errors.New("the discovery document names another issuer")
