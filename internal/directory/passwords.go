package directory

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/store"
)

// Limits of a user's password, in characters.
const (
	minPassword = 8
	maxPassword = 256
)

// UserHash is what is kept of a user's password: argon2id in its usual text
// form, with the parameters that it was made with.
type UserHash string

// cost is what one hash takes: OWASP's second choice for argon2id, 19 MiB and two passes.
type cost struct {
	memory, passes uint32
	lanes          uint8
}

var present = cost{memory: 19 << 10, passes: 2, lanes: 1}

const (
	saltLength = 16
	hashLength = 32
)

// Bounds of the work on passwords in this process, so that guessing exhausts
// neither memory nor patience: four at once are 76 MiB.
const (
	hashedAtOnce = 4
	hashedQueue  = 64
)

var (
	hashing = make(chan struct{}, hashedAtOnce)
	waiting = make(chan struct{}, hashedAtOnce+hashedQueue)
)

// derive computes a hash when its turn comes.
func derive(ctx context.Context, password string, salt []byte, c cost) ([]byte, error) {
	select {
	case waiting <- struct{}{}:
		defer func() { <-waiting }()
	default:
		return nil, fault.New(fault.Throttled, "Too many people sign in at once.")
	}
	select {
	case hashing <- struct{}{}:
		defer func() { <-hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.lanes, hashLength), nil
}

// HashPassword makes the hash of a password that a user may have.
func HashPassword(ctx context.Context, password string) (UserHash, error) {
	if n := utf8.RuneCountInString(password); !utf8.ValidString(password) || n < minPassword || n > maxPassword {
		return "", fault.New(fault.Invalid, "A password has %d to %d characters.", minPassword, maxPassword).Named("PasswordTooWeak").At("password")
	}
	salt := make([]byte, saltLength)
	rand.Read(salt)
	sum, err := derive(ctx, password, salt, present)
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding
	return UserHash(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, present.memory, present.passes, present.lanes, enc.EncodeToString(salt), enc.EncodeToString(sum))), nil
}

var errHash = errors.New("directory: a password's hash is not argon2id's")

// parse reads the text form.
func (h UserHash) parse() (c cost, salt, sum []byte, err error) {
	parts := strings.Split(string(h), "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return cost{}, nil, nil, errHash
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.passes, &c.lanes); n != 3 || err != nil || parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", c.memory, c.passes, c.lanes) {
		return cost{}, nil, nil, errHash
	}
	// Beyond these a hash would be a way to stop the server.
	if c.passes < 1 || c.passes > 16 || c.lanes < 1 || c.lanes > 16 || c.memory < 8*uint32(c.lanes) || c.memory > 256<<10 {
		return cost{}, nil, nil, errHash
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	sum, sumErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || sumErr != nil || len(salt) < 8 || len(sum) != hashLength {
		return cost{}, nil, nil, errHash
	}
	return c, salt, sum, nil
}

// Matches reports whether the hash is that of a password. The empty hash, of a
// user who has none or of nobody at all, takes as long and matches nothing.
func (h UserHash) Matches(ctx context.Context, password string) (bool, error) {
	c, salt, want := present, make([]byte, saltLength), make([]byte, hashLength)
	if h != "" {
		var err error
		if c, salt, want, err = h.parse(); err != nil {
			return false, err
		}
	}
	if len(password) > 4*maxPassword {
		password = password[:4*maxPassword] // no password is that long, so this one is not
	}
	got, err := derive(ctx, password, salt, c)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && h != "", nil
}

// SetUserPassword gives a user a password. What the old one was good for, sessions
// and refresh tokens, is over with it.
func SetUserPassword(tx *store.Tx, user azure.ObjectID, hash UserHash) error {
	p, err := PrincipalByID(tx, user)
	if err != nil {
		return err
	}
	if p.Kind != User {
		return fault.New(fault.Invalid, "Only users have passwords.").At("user")
	}
	if err := create(tx, `INSERT INTO user_passwords (object_id, hash, changed_at) VALUES ($1, $2, $3)
		ON CONFLICT (object_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`, string(p.ID), string(hash), store.Micros(tx.Now)); err != nil {
		return err
	}
	return ForgetGuesses(tx, GuessesAt(p.UPN))
}

// UserPassword is what is kept of a user's password.
type UserPassword struct {
	Hash      UserHash // "" where the user has none
	ChangedAt time.Time
}

// UserPasswordOf reads what is kept of a user's password.
func UserPasswordOf(tx *store.Tx, user azure.ObjectID) (p UserPassword, err error) {
	var at int64
	err = tx.QueryRow(`SELECT hash, changed_at FROM user_passwords WHERE object_id = $1`, string(user)).Scan(&p.Hash, &at)
	if errors.Is(err, store.ErrNoRows) {
		return UserPassword{}, nil
	}
	p.ChangedAt = store.Time(at)
	return p, err
}

// passwordAlphabet has 32 characters, none of which looks like another.
const passwordAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// NewUserPassword makes a password that is easy to type: four groups of five
// characters, which are 100 random bits.
func NewUserPassword() string {
	var b [20]byte
	rand.Read(b[:])
	var s strings.Builder
	for i, v := range b {
		if i > 0 && i%5 == 0 {
			s.WriteByte('-')
		}
		s.WriteByte(passwordAlphabet[v&31])
	}
	return s.String()
}
