package imds

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/wire"
)

func TestClaims(t *testing.T) {
	w := newWorld(t)
	one := w.userIdentity("one")
	own := w.putVM("m", true, nil, one)
	issued := w.now().Unix()

	system := w.verify(w.vm("m").token("&xms_cc=CP1%2Ccp2"))
	c := system.Claims
	want := []any{own.ID, own.AppID, vault, w.Cloud.V1Issuer(testTenant), "2", "app", "1.0", []string{"CP1", "cp2"}, "",
		"/subscriptions/" + testSub + "/resourcegroups/Group1/providers/Microsoft.Compute/virtualMachines/m", issued - 300, issued + 86400}
	got := []any{system.ID, c.AppID, c.Audience, c.Issuer, c.AppIDACR, c.IDType, c.Version, c.Capabilities, c.HostResource, c.IdentityResource, c.NotBefore, c.ExpiresAt}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	user := w.verify(w.vm("m").token("&client_id=" + string(one.AppID)))
	c = user.Claims
	want = []any{one.ID, one.AppID, []string(nil),
		"/subscriptions/" + testSub + "/resourcegroups/Group1/providers/Microsoft.Compute/virtualMachines/m",
		"/subscriptions/" + testSub + "/resourcegroups/Group1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"}
	got = []any{user.ID, c.AppID, c.Capabilities, c.HostResource, c.IdentityResource}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCache(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", true, nil)
	m := w.vm("m")
	first := m.token("")
	w.advance(90 * time.Second)
	again := m.token("")
	if again["access_token"] != first["access_token"] {
		t.Error("a second token within the life of the first")
	}
	want := answer{}
	for k, v := range first {
		want[k] = v
	}
	want["expires_in"] = "86310"
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("of the answer, only expires_in moves: %s", diff)
	}
	if other := m.token("&xms_cc=cp1"); other["access_token"] == first["access_token"] {
		t.Error("another capability got the same token")
	}

	sum := func(a answer) string {
		h := sha256.Sum256([]byte(a["access_token"]))
		return hex.EncodeToString(h[:])
	}
	fresh := m.token("&bypass_cache=true")
	if fresh["access_token"] == first["access_token"] {
		t.Error("bypass_cache gave the cached token")
	}
	if a := m.token("&token_sha256_to_refresh=" + sum(first)); a["access_token"] != fresh["access_token"] {
		t.Error("the hash of an older token made a new one")
	}
	newest := m.token("&token_sha256_to_refresh=" + sum(fresh))
	if newest["access_token"] == fresh["access_token"] {
		t.Error("the token that a resource refused came again")
	}

	w.advance(12*time.Hour - time.Second)
	if a := m.token(""); a["access_token"] != newest["access_token"] {
		t.Error("renewed before half of its life")
	}
	w.advance(time.Second)
	renewed := m.token("")
	if renewed["access_token"] == newest["access_token"] || renewed["expires_in"] != "86400" {
		t.Error("not renewed at half of its life", renewed["expires_in"])
	}
	w.advance(-48 * time.Hour)
	if a := m.token(""); a["access_token"] == renewed["access_token"] {
		t.Error("the clock was set back, and a token of the future came")
	}
}

func TestCacheIsBounded(t *testing.T) {
	var s state
	now := time.Now()
	for i := range 10 * maxTokens {
		s.keep(tokenKey{resource: strconv.Itoa(i)}, &issued{minted: now, renew: now.Add(1)})
		if s.cached(tokenKey{resource: strconv.Itoa(i)}, now) == nil {
			t.Fatal("a token was not kept")
		}
		if n := len(*s.tokens.Load()); n > maxTokens {
			t.Fatal(n)
		}
	}
}

// TestCachedTokenNeedsNoStore closes the store under a door.
func TestCachedTokenNeedsNoStore(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", true, nil)
	m := w.vm("m")
	first := m.token("")
	w.DB.Close()
	if a := m.token(""); a["access_token"] != first["access_token"] {
		t.Error("another token")
	}
	if rec := m.get("instance?api-version=2021-02-01"); rec.Code != 200 {
		t.Error(rec.Code, rec.Body)
	}
	rec := m.get("identity/oauth2/token?api-version=2018-02-01&resource=api://x")
	if want := `{"error":"server_error","error_description":"The service failed, retry later"}`; rec.Code != 500 || rec.Body.String() != want {
		t.Error(rec.Code, rec.Body)
	}
}

// TestChangesTakeEffectAtOnce asks the same handler before and after each
// change; the token is in its cache.
func TestChangesTakeEffectAtOnce(t *testing.T) {
	const notFound = `400 {"error":"invalid_request","error_description":"Identity not found"}`
	for _, c := range []struct {
		name   string
		change func(w *world, own, one directory.Principal) string // returns the selector of the second request
		want   string
	}{
		{"nothing", func(w *world, own, one directory.Principal) string { return "" }, "same"},
		{"detached", func(w *world, own, one directory.Principal) string {
			w.putVM("m", false, func(vm *resource.Resource) {
				vm.Identity = &resource.Identity{Type: resource.SystemAssigned, PrincipalID: own.ID}
			})
			return "&client_id=" + string(one.AppID)
		}, notFound},
		{"system identity off", func(w *world, own, one directory.Principal) string {
			w.putVM("m", false, func(vm *resource.Resource) { vm.Identity = &resource.Identity{Type: resource.NoIdentity} })
			return ""
		}, notFound},
		{"no identity block", func(w *world, own, one directory.Principal) string {
			w.putVM("m", false, func(vm *resource.Resource) { vm.Identity = nil })
			return ""
		}, notFound},
		{"disabled", func(w *world, own, one directory.Principal) string {
			w.update(func(tx *store.Tx) error { return directory.SetEnabled(tx, own.ID, false) })
			return ""
		}, notFound},
		{"user-assigned identity deleted", func(w *world, own, one directory.Principal) string {
			w.update(func(tx *store.Tx) error { return directory.DeletePrincipal(tx, one.ID) })
			return "&object_id=" + string(one.ID)
		}, notFound},
		{"user-assigned identity made again, not attached again", func(w *world, own, one directory.Principal) string {
			w.update(func(tx *store.Tx) error { return directory.DeletePrincipal(tx, one.ID) })
			w.userIdentity("one")
			return "&msi_res_id=" + one.Resource.String()
		}, notFound},
		{"machine deleted", func(w *world, own, one directory.Principal) string {
			w.update(func(tx *store.Tx) error {
				if err := directory.DeletePrincipal(tx, own.ID); err != nil {
					return err
				}
				_, err := resource.Delete(tx, vmID("m"))
				return err
			})
			return ""
		}, notFound},
		{"machine made again", func(w *world, own, one directory.Principal) string {
			w.update(func(tx *store.Tx) error { return directory.DeletePrincipal(tx, own.ID) })
			w.putVM("m", true, nil)
			return ""
		}, "new"},
		{"a stranger's principal in the block", func(w *world, own, one directory.Principal) string {
			other := w.putVM("other", true, nil)
			w.putVM("m", false, func(vm *resource.Resource) {
				vm.Identity = &resource.Identity{Type: resource.SystemAssigned, PrincipalID: other.ID}
			})
			return ""
		}, notFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			one := w.userIdentity("one")
			own := w.putVM("m", true, nil, one)
			m := w.vm("m")
			before := m.token("")
			m.token("&client_id=" + string(one.AppID))
			after, err := m.ask(c.change(w, own, one))
			got := fmt.Sprint(err)
			switch {
			case err == nil && after["access_token"] == before["access_token"]:
				got = "same"
			case err == nil && after["client_id"] != before["client_id"]:
				got = "new"
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestMachinesNeverShareIdentities asks two machines at once while a shared
// identity goes back and forth between them.
func TestMachinesNeverShareIdentities(t *testing.T) {
	w := newWorld(t)
	moving := w.userIdentity("moving")
	ids := map[string]azure.ObjectID{}
	for _, name := range []string{"a", "b"} {
		ids[name] = w.putVM(name, true, nil).ID
	}
	// holder is locked for reading while a machine asks, so that who holds the
	// identity is known.
	var holder sync.RWMutex
	held := "nobody"
	attach := func(name string) {
		holder.Lock()
		defer holder.Unlock()
		for vm, own := range ids {
			w.putVM(vm, false, func(r *resource.Resource) {
				r.Identity = &resource.Identity{Type: resource.SystemAssigned, PrincipalID: own}
				if vm == name {
					r.Identity.Type = resource.SystemAndUserAssigned
					r.Identity.UserAssigned = map[string]resource.UserIdentity{moving.Resource.String(): {PrincipalID: moving.ID, ClientID: moving.AppID}}
				}
			})
		}
		held = name
	}
	done := make(chan struct{})
	var askers sync.WaitGroup
	for name := range ids {
		m := w.vm(name)
		for range 4 {
			askers.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					a, err := m.ask("")
					if err != nil {
						t.Error(err)
						return
					}
					if got := w.verify(a).ID; got != ids[name] {
						t.Errorf("machine %s got a token of %s", name, got)
					}
					holder.RLock()
					a, err = m.ask("&object_id=" + string(moving.ID))
					if (err == nil) != (held == name) || err == nil && w.verify(a).ID != moving.ID {
						t.Errorf("machine %s asked for the identity of %s: %v", name, held, err)
					}
					holder.RUnlock()
				}
			})
		}
	}
	for range 10 {
		attach("a")
		attach("b")
		attach("nobody")
	}
	close(done)
	askers.Wait()
}

func TestInstanceFollowsTheResource(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", true, nil)
	m := w.vm("m")
	for _, tags := range []string{"", "a:1", "a:1;b:2"} {
		w.putVM("m", false, func(vm *resource.Resource) {
			vm.Tags = map[string]string{}
			for pair := range strings.SplitSeq(tags, ";") {
				if k, v, ok := strings.Cut(pair, ":"); ok {
					vm.Tags[k] = v
				}
			}
		})
		if got := m.get("instance/compute/tags?api-version=2021-02-01&format=text").Body.String(); got != tags {
			t.Errorf("got %q, want %q", got, tags)
		}
	}
}

func TestEventAndLog(t *testing.T) {
	w := newWorld(t)
	own := w.putVM("m", true, nil)
	var log bytes.Buffer
	var events []wire.Event
	w.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.Record = func(e wire.Event) { events = append(events, e) }
	m := w.vm("m")
	a := m.token("")
	m.ask("&client_id=nobody")
	if len(events) != 2 {
		t.Fatal(events)
	}
	if e := events[0]; e.Caller != string(own.ID) || e.Operation != operationToken || e.Target != vault || e.Status != 200 {
		t.Errorf("%+v", e)
	}
	if e := events[1]; e.Caller != "" || e.Status != 400 || e.Code != codeInvalidRequest {
		t.Errorf("%+v", e)
	}
	if log.Len() == 0 || strings.Contains(log.String(), a["access_token"]) {
		t.Error("no log, or a token in it")
	}
}
