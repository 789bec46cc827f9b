package entra

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"midas/internal/azure"
	"midas/internal/store"

	"midas/internal/directory"
)

// TestDeviceCode: begin on a device, approve in a browser, go on on the device.
func TestDeviceCode(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	device, user := w.beginDevice(t)
	if !regexp.MustCompile(`^[ACDEFGHJKLMNPQRTUVWXY34679]{9}$`).MatchString(user) {
		t.Errorf("the code is %q", user)
	}
	w.refuses(t, authorizationPending, poll(device))
	if got := w.refuses(t, authorizationPending, poll(device)); got["error"] != "slow_down" {
		t.Errorf("too fast: %v", got)
	}
	w.later(5 * time.Second) // not enough any more
	if got := w.refuses(t, authorizationPending, poll(device)); got["error"] != "slow_down" {
		t.Errorf("still too fast: %v", got)
	}
	w.later(15 * time.Second)
	if got := w.refuses(t, authorizationPending, poll(device)); got["error"] != "authorization_pending" {
		t.Errorf("slow enough: %v", got)
	}

	b := w.open()
	page := b.submit(t, b.get("/common/oauth2/deviceauth"), "user_code", strings.ToLower(user[:4]+"-"+user[4:]))
	if !strings.Contains(page.Body.String(), "to continue to <strong>Microsoft Azure CLI</strong>") {
		t.Fatalf("%s", page.Body)
	}
	page = b.submit(t, page, "username", ada, "password", password)
	if !strings.Contains(page.Body.String(), "Are you trying to sign in to Microsoft Azure CLI?") || !strings.Contains(page.Body.String(), ada) {
		t.Fatalf("%s", page.Body)
	}
	w.refuses(t, authorizationPending, poll(device)) // not before the person says so
	if done := b.submit(t, page, "step", "accept"); !strings.Contains(done.Body.String(), "You have signed in to Microsoft Azure CLI on your device") {
		t.Fatalf("%s", done.Body)
	}
	w.refuses(t, badGrant, poll(device, "client_id", psID)) // the code is another program's
	got := w.tokens(t, poll(device, "code", device))
	if claims(t, got["access_token"])["oid"] != string(c.ada) || got["scope"] != "https://management.core.windows.net//user_impersonation https://management.core.windows.net//.default" || got["refresh_token"] == nil {
		t.Errorf("%v", got)
	}
	w.refuses(t, badGrant, poll(device))
	if page := b.submit(t, b.get("/device?otc="+user)); !strings.Contains(page.Body.String(), "That code is not valid") {
		t.Errorf("a used code: %s", page.Body)
	}
}

// TestDeviceCodeEnds: declined, expired, unknown, and of another tenant.
func TestDeviceCodeEnds(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	c := w.people(t)
	b := w.signedIn(t, ada)
	device, user := w.beginDevice(t)
	page := b.submit(t, b.get("/devicelogin"), "user_code", user)
	if done := b.submit(t, page, "step", "decline"); !strings.Contains(done.Body.String(), "You declined the sign-in") {
		t.Fatalf("%s", done.Body)
	}
	w.refuses(t, deviceDeclined, poll(device))
	w.refuses(t, badGrant, poll("x"))
	w.refuses(t, missingParameter, poll(""))

	device, user = w.beginDevice(t)
	page = b.submit(t, b.get("/device"), "user_code", user)
	w.later(15 * time.Minute)
	if done := b.submit(t, page, "step", "accept"); !strings.Contains(done.Body.String(), "That code is not valid") {
		t.Errorf("an expired code is accepted: %s", done.Body)
	}
	w.refuses(t, deviceExpired, poll(device))

	out := w.postAt("/"+otherID+"/oauth2/v2.0/devicecode", ask("", "grant_type", ""))
	user = body(t, out)["user_code"].(string)
	if page = b.submit(t, b.get("/device"), "user_code", user); page.Code != 400 || !strings.Contains(page.Body.String(), "AADSTS50020: ") {
		t.Errorf("a user of another tenant: %d %s", page.Code, page.Body)
	}
	if out := w.postAt("/common/oauth2/devicecode", ask("", "resource", "https://management.azure.com/")); body(t, out)["expires_in"] != "900" || body(t, out)["verification_url"] != "https://login.microsoftonline.com/common/oauth2/deviceauth" {
		t.Errorf("version 1.0 answers %s", out.Body)
	}
	// An application that is not ours: the page says what it asks for, and who accepts has agreed.
	device, user = w.beginDevice(t, "client_id", mobileID, "scope", "User.Read offline_access")
	page = b.submit(t, b.get("/device"), "user_code", user)
	if !strings.Contains(page.Body.String(), "Sign you in and read your profile") || !strings.Contains(page.Body.String(), "Maintain access") {
		t.Errorf("%s", page.Body)
	}
	b.submit(t, page, "step", "accept")
	w.tokens(t, poll(device, "client_id", mobileID))
	if err := w.DB.View(t.Context(), func(tx *store.Tx) error {
		have, err := directory.Consented(tx, c.ada, azure.AppID(mobileID), "00000003-0000-0000-c000-000000000000")
		if strings.Join(have, " ") != "User.Read offline_access" {
			t.Errorf("agreed to %v", have)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestGuessedUserCodes: wrong codes from one address end.
func TestGuessedUserCodes(t *testing.T) {
	w := newWorld(t, "AzureCloud", anyTime)
	w.people(t)
	_, user := w.beginDevice(t)
	b := w.open()
	page := b.get("/device")
	for range 100 {
		if out := b.submit(t, page, "user_code", "AAAAAAAAA"); !strings.Contains(out.Body.String(), "That code is not valid") {
			t.Fatalf("%s", out.Body)
		}
	}
	if out := b.submit(t, page, "user_code", user); !strings.Contains(out.Body.String(), "too many wrong codes") {
		t.Errorf("%s", out.Body)
	}
	b.from = "192.0.2.77:1"
	if out := b.submit(t, page, "user_code", user); !strings.Contains(out.Body.String(), "to continue to") {
		t.Errorf("%s", out.Body)
	}
}
