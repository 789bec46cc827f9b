package sts

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/fault"
	"midas/internal/store"
)

// code is the code of a refusal, "" for none; anything else fails the test.
func code(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Unauthorized {
		t.Fatalf("not a refusal: %v", err)
	}
	return f.Code
}

// handmade signs a header and claims as k would.
func handmade(k *key, header string, claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(text))
	signature, _ := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, digest[:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestVerify(t *testing.T) {
	w := withKeys(t)
	token := w.issue(t, w.grant())
	c, err := w.Verify(t.Context(), token.Raw, w.arm)
	if err != nil {
		t.Fatal(err)
	}
	if c.ID != w.machine.ID || c.AppID != w.machine.AppID || c.Tenant != w.tenant.ID || c.Claims.Audience != "https://management.azure.com/" {
		t.Errorf("the caller is %+v", c)
	}
	if diff := cmp.Diff([]azure.ObjectID{w.machine.ID}, c.Principals); diff != "" {
		t.Error(diff)
	}
	again, err := w.Verify(t.Context(), token.Raw, w.arm)
	if err != nil || !cmp.Equal(c, again) {
		t.Errorf("from the cache it is %+v, %v", again, err)
	}
	v2 := w.grant()
	v2.Version = 2
	if c, err := w.Verify(t.Context(), w.issue(t, v2).Raw, w.arm); err != nil || c.AppID != w.machine.AppID {
		t.Errorf("version 2.0: %+v, %v", c, err)
	}
}

// TestVerifyRefuses is the negative table of the tokens themselves.
func TestVerifyRefuses(t *testing.T) {
	w, foreign := withKeys(t), withKeys(t)
	k := w.snapshot.Load().keys[0]
	good := w.issue(t, w.grant()).Raw
	header := `{"typ":"JWT","alg":"RS256","kid":"` + k.kid + `"}`
	with := func(change func(map[string]any)) string {
		claims := part(t, good, 1)
		change(claims)
		return handmade(k, header, claims)
	}
	parts := strings.Split(good, ".")
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: func() []byte {
		der, _ := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
		return der
	}()})
	hs256 := func(secret []byte) string {
		text := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256","kid":"`+k.kid+`"}`)) + "." + parts[1]
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	otherUser := w.user
	otherUser.Tenant = azure.TenantID(azure.NewGUID())

	for _, c := range []struct {
		name, raw, code string
		claims          bool // the signature is good, so the claims are known
	}{
		{"as made", with(func(map[string]any) {}), "", true},
		{"empty", "", Malformed, false},
		{"garbage", "garbage", Malformed, false},
		{"three garbage parts", "a.b.c", Malformed, false},
		{"huge", good + strings.Repeat("A", maxToken), Malformed, false},
		{"alg none", none, Malformed, false},
		{"HS256 with the public key, PEM", hs256(public), Malformed, false},
		{"HS256 with the public key, modulus", hs256(k.private.N.Bytes()), Malformed, false},
		{"JSON form", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, Malformed, false},
		{"critical extension", handmade(k, `{"alg":"RS256","crit":["x"],"x":1,"kid":"`+k.kid+`"}`, part(t, good, 1)), BadSignature, false},
		{"another installation's key", foreign.issue(t, foreign.grant()).Raw, UnknownKey, false},
		{"no kid", handmade(k, `{"alg":"RS256"}`, part(t, good, 1)), UnknownKey, false},
		{"unknown kid", handmade(k, `{"alg":"RS256","kid":"nobody"}`, part(t, good, 1)), UnknownKey, false},
		{"another installation's key under our kid", handmade(foreign.snapshot.Load().keys[0], header, part(t, good, 1)), BadSignature, false},
		{"a key in the header", handmade(foreign.snapshot.Load().keys[0], `{"alg":"RS256","kid":"`+k.kid+`","jku":"https://attacker.example/keys"}`, part(t, good, 1)), BadSignature, false},
		{"changed payload", parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2], BadSignature, false},
		{"no signature", parts[0] + "." + parts[1] + ".", BadSignature, false},
		{"claims that are none", handmade(k, header, map[string]any{"exp": "soon"}), Malformed, false},
		{"no claims", handmade(k, header, nil), Expired, true},
		{"expired", with(func(c map[string]any) { c["exp"] = w.clock.Now().Add(-verifySkew - time.Second).Unix() }), Expired, true},
		{"not yet valid", with(func(c map[string]any) { c["nbf"] = w.clock.Now().Add(verifySkew + time.Second).Unix() }), NotYetValid, true},
		{"wrong tenant", with(func(c map[string]any) { c["tid"] = azure.NewGUID() }), WrongIssuer, true},
		{"a tenant that is not ours", w.issue(t, Grant{Principal: otherUser, Audience: "https://management.azure.com", Version: 1, Lifetime: time.Hour}).Raw, WrongIssuer, true},
		{"wrong issuer", with(func(c map[string]any) { c["iss"] = "https://sts.windows.net/" + string(w.tenant.ID) }), WrongIssuer, true},
		{"wrong audience", with(func(c map[string]any) { c["aud"] = "https://vault.azure.net" }), WrongAudience, true},
		{"nobody's", with(func(c map[string]any) { c["oid"] = azure.NewGUID() }), PrincipalGone, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time a mistake would come from the cache
				caller, err := w.Verify(t.Context(), c.raw, w.arm)
				if got := code(t, err); got != c.code {
					t.Errorf("%q, want %q (%v)", got, c.code, err)
				}
				if (caller.Claims.ExpiresAt != 0) != c.claims && c.name != "no claims" {
					t.Errorf("the claims are %+v", caller.Claims)
				}
			}
		})
	}
}

func TestVerifySkew(t *testing.T) {
	w := withKeys(t)
	g := w.grant()
	g.Lifetime = time.Hour
	token := w.issue(t, g)
	for _, c := range []struct {
		at   time.Time
		code string
	}{
		{token.NotBefore.Add(-verifySkew - time.Second), NotYetValid},
		{token.NotBefore.Add(-verifySkew), ""},
		{token.NotBefore, ""},
		{token.ExpiresAt.Add(-time.Second), ""},
		{token.ExpiresAt.Add(verifySkew), ""},
		{token.ExpiresAt.Add(verifySkew + time.Second), Expired},
	} {
		w.clock.us.Store(c.at.UnixMicro())
		_, err := w.Verify(t.Context(), token.Raw, w.arm)
		if got := code(t, err); got != c.code {
			t.Errorf("at %v: %q, want %q", c.at, got, c.code)
		}
	}
}

// TestVerifyForgets shows that what is remembered ends with what it rests on.
func TestVerifyForgets(t *testing.T) {
	w := withKeys(t)
	raw := w.issue(t, w.grant()).Raw
	verify := func(want string) Caller {
		t.Helper()
		c, err := w.Verify(t.Context(), raw, w.arm)
		if got := code(t, err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		return c
	}
	verify("")
	if _, err := w.Verify(t.Context(), raw, w.kv); code(t, err) != WrongAudience {
		t.Errorf("another service takes it: %v", err)
	}

	w.update(t, func(tx *store.Tx) error { return directory.SetEnabled(tx, w.machine.ID, false) })
	verify(PrincipalGone)
	w.update(t, func(tx *store.Tx) error { return directory.SetEnabled(tx, w.machine.ID, true) })
	verify("")

	var inner, outer directory.Principal
	w.update(t, func(tx *store.Tx) (err error) {
		if inner, err = directory.CreateGroup(tx, w.tenant.ID, "inner"); err != nil {
			return err
		}
		if outer, err = directory.CreateGroup(tx, w.tenant.ID, "outer"); err != nil {
			return err
		}
		return errors.Join(directory.AddMember(tx, inner.ID, w.machine.ID), directory.AddMember(tx, outer.ID, inner.ID))
	})
	if c := verify(""); len(c.Principals) != 3 || c.Principals[0] != w.machine.ID {
		t.Errorf("the principals are %v", c.Principals)
	}

	w.update(t, func(tx *store.Tx) error { return directory.DeletePrincipal(tx, w.machine.ID) })
	verify(PrincipalGone)
	w.update(t, func(tx *store.Tx) error {
		_, err := directory.CreateManagedIdentity(tx, w.tenant.ID, "vm1", machineID)
		return err
	})
	verify(PrincipalGone) // the same name is another principal
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	now := time.Unix(1000, 0)
	for i := range 3 * cacheShardMax {
		caller := Caller{Claims: Claims{NotBefore: 0, ExpiresAt: 2000 + int64(i)}}
		k := cacheKey{}
		k.token[0], k.token[1], k.token[2] = cacheShards, byte(i), byte(i>>8) // all in one shard
		c.put(k, epochs{}, now, caller)
		if _, ok := c.get(k, epochs{}, now); !ok {
			t.Fatal("the newest is not there")
		}
		if n := len(c.shards[0].entries); n > cacheShardMax {
			t.Fatalf("a shard holds %d", n)
		}
	}
	c.put(cacheKey{}, epochs{1, 0}, now, Caller{Claims: Claims{ExpiresAt: 3000}})
	if n := len(c.shards[0].entries); n != 1 {
		t.Errorf("%d entries of an old epoch are kept", n-1)
	}
}

func FuzzVerify(f *testing.F) {
	w := withKeys(f)
	good := w.issue(f, w.grant()).Raw
	for _, seed := range []string{good, "", "a.b.c", "..", good + ".", strings.Replace(good, ".", "..", 1), `{"payload":"e30","signatures":[]}`, "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := w.Verify(t.Context(), raw, w.arm); err == nil && raw != good {
			// The same bytes may be written in another base64url form; the claims are ours all the same.
			if parts := strings.Split(raw, "."); parts[0] != strings.Split(good, ".")[0] || parts[1] != strings.Split(good, ".")[1] {
				t.Errorf("%q is accepted", raw)
			}
		} else if err != nil {
			code(t, err)
		}
	})
}

func FuzzParseClaims(f *testing.F) {
	f.Add([]byte(`{"aud":"a","exp":1,"xms_cc":["CP1"]}`))
	f.Add([]byte(`{"exp":1e999}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) { parseClaims(b) })
}
