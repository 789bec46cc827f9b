package entra

import (
	"net/http"
	"strconv"

	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/wire"
)

// Names of the grant: that of RFC 8628 and the one that MSAL for Go sends.
const (
	grantDevice     = "urn:ietf:params:oauth:grant-type:device_code"
	grantDeviceMSAL = "device_code"
)

// deviceAnswer begins the sign-in of a device (RFC 8628 section 3.2). Version
// 1.0 has its numbers as text and another name for the address.
type deviceAnswer struct {
	UserCode  string `json:"user_code"`
	Device    string `json:"device_code"`
	URI       string `json:"verification_uri,omitempty"`
	URL       string `json:"verification_url,omitempty"`
	ExpiresIn any    `json:"expires_in"`
	Interval  any    `json:"interval"`
	Message   string `json:"message"`
}

// devicePath is the page on which people enter the code.
const devicePath = "/common/oauth2/deviceauth"

// deviceCode begins the sign-in of a device: it gets a code to wait with, and
// one for its user to type elsewhere.
func (d *Door) deviceCode(w http.ResponseWriter, r *http.Request, tenant string, version int) error {
	t, err := d.tokenRequest(w, r, tenant, version)
	if err != nil {
		return err
	}
	id, err := t.required("client_id")
	if err != nil {
		return err
	}
	asked, err := t.delegation(d.Cloud, "")
	if err != nil {
		return err
	}
	var device, user string
	err = d.DB.Update(r.Context(), func(tx *store.Tx) error {
		a, err := findApplication(tx, id)
		if err != nil {
			return err
		}
		if !t.shared {
			if err := a.in(tx, t.tenant); err != nil {
				return err
			}
		}
		device, user, err = directory.CreateDeviceCode(tx, directory.DeviceCode{App: a.id, Tenant: tenant, Scope: asked.given})
		return err
	})
	if err != nil {
		return err
	}
	event := wire.EventOf(r.Context())
	event.Operation, event.Target = "devicecode", printable(asked.resource)
	page := "https://" + d.authorityHost(r) + devicePath
	a := deviceAnswer{UserCode: user, Device: device, Message: "To sign in, use a web browser to open the page " + page + " and enter the code " + user + " to authenticate."}
	life, wait := int64(directory.DeviceCodeLife.Seconds()), int64(directory.DevicePollWait.Seconds())
	if a.URI, a.ExpiresIn, a.Interval = page, life, wait; version == 1 {
		a.URI, a.URL = "", page
		a.ExpiresIn, a.Interval = strconv.FormatInt(life, 10), strconv.FormatInt(wait, 10)
	}
	noStore(w.Header())
	return wire.WriteJSON(w, http.StatusOK, a)
}

// device answers a device that asks whether its user has signed in meanwhile.
func (d *Door) device(w http.ResponseWriter, t *tokenRequest) error {
	code := t.form.Get("device_code")
	if code == "" {
		code = t.form.Get("code") // as version 1.0 has it
	}
	if code == "" {
		return missingParameter.with("device_code")
	}
	var r requester
	var u userGrant
	var i issued
	err := d.update(t.Context(), func(tx *store.Tx) (err error) {
		if r, err = d.requester(tx, t); err != nil {
			return err
		}
		if err := r.mayBePublic(""); err != nil {
			return err
		}
		kept, err := decided(tx, r, code)
		if err != nil {
			return err
		}
		if u, err = d.continued(tx, kept.User, kept.SignedInAt); err != nil {
			return err
		}
		u.family = azure.NewGUID()
		// What the user agreed to: the poll of some clients has a scope, too, and of others none.
		if u.asked, err = parseDelegation(kept.Scope, d.Cloud); err != nil {
			return err
		}
		if err := directory.RedeemDevice(tx, kept); err != nil {
			return err
		}
		i, err = d.grant(tx, t, r, u)
		return err
	})
	if err != nil {
		return err
	}
	return d.writeUser(w, t, r, u, i)
}

// decided finds a code that its user has approved, or says how it stands.
func decided(tx *store.Tx, r requester, code string) (directory.DeviceCode, error) {
	kept, err := directory.DeviceByCode(tx, code)
	switch {
	case err != nil:
		return kept, orBadGrant(err, "device_code")
	case kept.App != r.id || kept.State == directory.DeviceRedeemed:
		return kept, badGrant.with("device_code")
	case !tx.Now.Before(kept.ExpiresAt):
		return kept, deviceExpired.with()
	case kept.State == directory.DeviceDeclined:
		return kept, deviceDeclined.with()
	case kept.State == directory.DevicePending:
		tooSoon, err := directory.PollDevice(tx, kept)
		if err != nil {
			return kept, err
		}
		if tooSoon {
			return kept, refused{authorizationPending.with().as("slow_down")}
		}
		return kept, refused{authorizationPending.with()}
	}
	return kept, nil
}
