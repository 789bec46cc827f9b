package sts

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/pki"
	"midas/internal/store"
)

// kids lists the published keys, the oldest first.
func kids(t testing.TB, w *world) []string {
	t.Helper()
	body, err := w.JWKS(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []jwk }
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, k := range set.Keys {
		all = append(all, k.KeyID)
	}
	return all
}

// TestRotation walks through ten weeks, an hour at a time.
func TestRotation(t *testing.T) {
	w := withKeys(t)
	published := map[string]time.Time{} // kid → when it was first in the key set
	var signers []string
	type issued struct {
		raw string
		exp time.Time
	}
	var live []issued
	start := w.clock.Now()
	for w.clock.Now().Sub(start) < 70*24*time.Hour {
		w.turn(t)
		now := w.clock.Now()
		listed := kids(t, w)
		if len(listed) < 2 {
			t.Fatalf("at %v only %v is published", now, listed)
		}
		for _, kid := range listed {
			if _, known := published[kid]; !known {
				published[kid] = now
			}
		}
		token := w.issue(t, w.grant())
		kid := part(t, token.Raw, 0)["kid"].(string)
		if len(signers) == 0 || signers[len(signers)-1] != kid {
			if slices.Contains(signers, kid) {
				t.Fatal("an old key signs again")
			}
			signers = append(signers, kid)
			if ahead := now.Sub(published[kid]); len(signers) > 1 && ahead < publishAhead {
				t.Errorf("the key signs %v after it was published", ahead)
			}
		}
		live = slices.DeleteFunc(append(live, issued{token.Raw, token.ExpiresAt}), func(i issued) bool { return i.exp.Before(now) })
		for _, i := range []issued{live[0], live[len(live)-1]} {
			if _, err := w.Verify(t.Context(), i.raw, w.arm); err != nil {
				t.Fatalf("a token that expires at %v is refused at %v: %v", i.exp, now, err)
			}
		}
		w.clock.Advance(time.Hour)
	}
	if len(signers) != 3 || len(published) != 4 {
		t.Errorf("%d keys have signed and %d were published in ten weeks", len(signers), len(published))
	}
	if listed := kids(t, w); slices.Contains(listed, signers[0]) || !slices.Contains(listed, signers[2]) {
		t.Errorf("published at the end: %v; have signed: %v", listed, signers)
	}
}

func TestRotationAfterAJump(t *testing.T) {
	w := withKeys(t)
	before := kids(t, w)
	w.clock.Advance(10 * 365 * 24 * time.Hour)
	if kid := part(t, w.issue(t, w.grant()).Raw, 0)["kid"]; kid != before[1] {
		t.Errorf("after the jump %v signs, want the key that was waiting, %v", kid, before)
	}
	w.turn(t)
	after := kids(t, w)
	if len(after) != 2 || after[0] != before[1] {
		t.Errorf("published before %v and after %v", before, after)
	}
	w.clock.Advance(publishAhead - time.Minute)
	w.turn(t)
	if kid := part(t, w.issue(t, w.grant()).Raw, 0)["kid"]; kid != after[0] {
		t.Errorf("%v signs before everybody can know it", kid)
	}
	w.clock.Advance(-20 * 365 * 24 * time.Hour)
	w.turn(t)
	w.issue(t, w.grant()) // a clock that was set back still finds a key
}

// TestReplicas starts several services on one store: they agree on the keys.
func TestReplicas(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	replicas := []*Service{w.Service, New(w.Config), New(w.Config)}
	for _, s := range replicas {
		wg.Go(func() {
			if err := s.rotate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if listed := kids(t, w); len(listed) != 2 {
		t.Errorf("they made %v", listed)
	}
	token := w.issue(t, w.grant())
	for _, s := range replicas {
		if _, err := s.Verify(t.Context(), token.Raw, w.arm); err != nil {
			t.Error(err)
		}
	}
}

func TestJWKS(t *testing.T) {
	w := withKeys(t)
	for _, issuer := range []string{"", "https://login.microsoftonline.com/{tenantid}/v2.0"} {
		body, err := w.JWKS(t.Context(), issuer)
		if err != nil {
			t.Fatal(err)
		}
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal(body, &set); err != nil {
			t.Fatal(err)
		}
		for i, k := range set.Keys {
			key := w.snapshot.Load().keys[i]
			if k["kid"] != pki.Thumbprint(key.cert) || k["x5t"] != k["kid"] || k["kty"] != "RSA" || k["use"] != "sig" || k["e"] != "AQAB" || k["alg"] != nil {
				t.Errorf("the key is %v", k)
			}
			if got, _ := k["issuer"].(string); got != issuer {
				t.Errorf("its issuer is %q", got)
			}
		}
		if strings.Contains(string(body), `"d"`) || strings.Contains(string(body), `"p"`) {
			t.Error("a private part is published")
		}
	}
}

func TestPrivateKeysAreSealed(t *testing.T) {
	w := withKeys(t)
	k := w.snapshot.Load().keys[0]
	var sealed []byte
	if err := w.DB.View(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT private_key FROM signing_keys WHERE kid = $1`, k.kid).Scan(&sealed)
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Root.Open(sealed, binding("another")); err == nil {
		t.Error("the key opens in another row")
	}
	if strings.Contains(string(sealed), string(k.private.D.Bytes())) {
		t.Error("the key is not sealed")
	}
}
