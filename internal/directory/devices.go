package directory

import (
	"crypto/rand"
	"database/sql"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Times of the device code flow (RFC 8628).
const (
	DeviceCodeLife = 15 * time.Minute
	DevicePollWait = 5 * time.Second
	pollTolerance  = time.Second // a client that waits as told may be early by what the network saves
)

// DeviceState is how far a device's sign-in is.
type DeviceState string

// The states.
const (
	DevicePending  DeviceState = "Pending"
	DeviceApproved DeviceState = "Approved"
	DeviceDeclined DeviceState = "Declined"
	DeviceRedeemed DeviceState = "Redeemed"
)

// DeviceCode is a sign-in that a device waits for while its user is elsewhere.
type DeviceCode struct {
	App        azure.AppID
	Tenant     string // as the device named it
	Scope      string // as asked; the polls of some clients do not repeat it
	State      DeviceState
	User       azure.ObjectID // once approved
	SignedInAt time.Time
	ExpiresAt  time.Time

	hash     string
	polledAt time.Time
	wait     time.Duration
}

// userCodeAlphabet has no character that looks or sounds much like another.
const userCodeAlphabet = "ACDEFGHJKLMNPQRTUVWXY34679"

// newUserCode makes what people type: 9 characters, some 42 random bits.
func newUserCode() string {
	code := make([]byte, 0, 9)
	for len(code) < cap(code) {
		var b [1]byte
		rand.Read(b[:])
		if limit := byte(256 / len(userCodeAlphabet) * len(userCodeAlphabet)); b[0] < limit {
			code = append(code, userCodeAlphabet[int(b[0])%len(userCodeAlphabet)])
		}
	}
	return string(code)
}

// foldUserCode forgives case, spaces and dashes.
func foldUserCode(s string) string {
	return strings.NewReplacer(" ", "", "-", "").Replace(strings.ToUpper(strings.TrimSpace(s)))
}

// CreateDeviceCode stores c, pending, and returns the codes of the device and
// of its user.
func CreateDeviceCode(tx *store.Tx, c DeviceCode) (device, user string, err error) {
	device, user = newTicket(), newUserCode()
	_, err = tx.Exec(`INSERT INTO device_codes (hash, user_code, app_id, tenant, scope, state, polled_at, wait_seconds, expires_at) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)`,
		ticketHash(device), ticketHash(user), string(c.App), c.Tenant, c.Scope, string(DevicePending), int64(DevicePollWait.Seconds()), store.Micros(tx.Now.Add(DeviceCodeLife)))
	return device, user, err
}

func deviceWhere(tx *store.Tx, condition, hash string) (DeviceCode, error) {
	return one(tx, func(scan func(...any) error) (c DeviceCode, err error) {
		var user sql.NullString
		var at sql.NullInt64
		var polled, wait, expires int64
		err = scan(&c.hash, &c.App, &c.Tenant, &c.Scope, &c.State, &user, &at, &polled, &wait, &expires)
		c.User, c.ExpiresAt, c.polledAt, c.wait = azure.ObjectID(user.String), store.Time(expires), store.Time(polled), time.Duration(wait)*time.Second
		if at.Valid {
			c.SignedInAt = store.Time(at.Int64)
		}
		return c, err
	}, fault.New(fault.NotFound, "There is no such code."),
		`SELECT hash, app_id, tenant, scope, state, user_id, signed_in_at, polled_at, wait_seconds, expires_at FROM device_codes WHERE `+condition, hash)
}

// DeviceByUserCode finds a sign-in that waits for its user.
func DeviceByUserCode(tx *store.Tx, code string) (DeviceCode, error) {
	c, err := deviceWhere(tx, `user_code = $1`, ticketHash(foldUserCode(code)))
	if err == nil && (c.State != DevicePending || !tx.Now.Before(c.ExpiresAt)) {
		return DeviceCode{}, fault.New(fault.NotFound, "The code is used or expired.")
	}
	return c, err
}

// DeviceByCode finds a sign-in by the device's own code, whatever its state.
func DeviceByCode(tx *store.Tx, code string) (DeviceCode, error) {
	return deviceWhere(tx, `hash = $1`, ticketHash(code))
}

// DecideDevice lets the device sign in as a user, or declines that.
func DecideDevice(tx *store.Tx, c DeviceCode, state DeviceState, user azure.ObjectID, signedInAt time.Time) error {
	return changeSignIn(tx, fault.New(fault.Conflict, "The code was used already."),
		`UPDATE device_codes SET state = $1, user_id = $2, signed_in_at = $3 WHERE hash = $4 AND state = $5`,
		string(state), null(user), store.Micros(signedInAt), c.hash, string(DevicePending))
}

// PollDevice notes that the device has asked, and reports whether it did so
// too soon: it has to wait five seconds more from then on.
func PollDevice(tx *store.Tx, c DeviceCode) (tooSoon bool, err error) {
	tooSoon = tx.Now.Before(c.polledAt.Add(c.wait - pollTolerance))
	if tooSoon {
		c.wait += DevicePollWait
	}
	_, err = tx.Exec(`UPDATE device_codes SET polled_at = $1, wait_seconds = $2 WHERE hash = $3`, store.Micros(tx.Now), int64(c.wait.Seconds()), c.hash)
	return tooSoon, err
}

// RedeemDevice uses an approved code up.
func RedeemDevice(tx *store.Tx, c DeviceCode) error {
	return changeSignIn(tx, fault.New(fault.Conflict, "The code was redeemed already."),
		`UPDATE device_codes SET state = $1 WHERE hash = $2 AND state = $3`, string(DeviceRedeemed), c.hash, string(DeviceApproved))
}
