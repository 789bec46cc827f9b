package directory

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// CodeLocked is the code of the Throttled fault of [CountGuess].
const CodeLocked = "Locked"

// A GuessSubject is whose wrong guesses are counted together: an account, or
// the address that they come from.
type GuessSubject struct {
	key    string
	allows int64         // so many wrong in a row lock it
	lock   time.Duration // for this long, and twice as long each time after that
	forget time.Duration // without a guess for this long it begins anew
}

// The longest lock, so that a user who has been attacked gets in the same day.
const longestLock = time.Hour

// GuessesAt counts guesses of an account's password, whether or not there is
// such an account: a lock tells nothing about that.
func GuessesAt(upn string) GuessSubject {
	return GuessSubject{key: subject("account", azure.Fold(upn)), allows: 10, lock: time.Minute, forget: 24 * time.Hour}
}

// GuessesFrom counts wrong guesses, of passwords and codes, that come from an
// address, or from the network that one user of IPv6 has.
func GuessesFrom(address string) GuessSubject {
	if ap, err := netip.ParseAddrPort(address); err == nil {
		bits := 64
		if ap.Addr().Unmap().Is4() {
			bits = 32
		}
		if network, err := ap.Addr().Unmap().Prefix(bits); err == nil {
			address = network.Masked().String()
		}
	}
	return GuessSubject{key: subject("address", address), allows: 100, lock: time.Minute, forget: 10 * time.Minute}
}

// subject keeps what people type, passwords in the wrong field among it, out of the store.
func subject(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CountGuess takes a guess as wrong until [RightGuess] says otherwise, so that
// many at once get no more tries than one after the other. Where a subject is
// locked nothing is counted, and the fault is of kind Throttled.
func CountGuess(tx *store.Tx, subjects ...GuessSubject) error {
	counts := make([]int64, len(subjects))
	now := store.Micros(tx.Now)
	for i, s := range subjects {
		var until, forget int64
		err := tx.QueryRow(`SELECT wrong, locked_until, forget_at FROM guesses WHERE subject = $1`, s.key).Scan(&counts[i], &until, &forget)
		switch {
		case errors.Is(err, store.ErrNoRows):
		case err != nil:
			return err
		case until > now:
			return fault.New(fault.Throttled, "Too many wrong guesses.").Named(CodeLocked)
		case forget <= now:
			counts[i] = 0
		}
	}
	for i, s := range subjects {
		wrong, lock, until := counts[i]+1, time.Duration(0), int64(0)
		if over := wrong - s.allows; over >= 0 {
			lock = min(s.lock<<min(over, 10), longestLock)
			until = store.Micros(tx.Now.Add(lock))
		}
		if _, err := tx.Exec(`INSERT INTO guesses (subject, wrong, locked_until, forget_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (subject) DO UPDATE SET wrong = excluded.wrong, locked_until = excluded.locked_until, forget_at = excluded.forget_at`,
			s.key, wrong, until, store.Micros(tx.Now.Add(lock+s.forget))); err != nil {
			return err
		}
	}
	return nil
}

// RightGuess ends the row of wrong guesses at an account, and takes back what
// was counted of this one at its address: somebody with an account of their
// own must not win more guesses at others by using it.
func RightGuess(tx *store.Tx, account, address GuessSubject) error {
	if err := ForgetGuesses(tx, account); err != nil {
		return err
	}
	return TakeBackGuess(tx, address)
}

// TakeBackGuess takes back one guess, and the lock that it was the cause of.
func TakeBackGuess(tx *store.Tx, s GuessSubject) error {
	_, err := tx.Exec(`UPDATE guesses SET wrong = wrong - 1, locked_until = 0 WHERE subject = $1 AND wrong > 0`, s.key)
	return err
}

// ForgetGuesses begins anew.
func ForgetGuesses(tx *store.Tx, s GuessSubject) error {
	_, err := tx.Exec(`DELETE FROM guesses WHERE subject = $1`, s.key)
	return err
}
