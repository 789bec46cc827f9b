package directory

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"database/sql"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
	"midas/internal/pki"
	"midas/internal/store"
)

// CredentialKind is how an application proves who it is.
type CredentialKind string

// The kinds.
const (
	Password    CredentialKind = "Password"
	Certificate CredentialKind = "Certificate"
)

// Credential is one proof of an application. It never holds a password.
type Credential struct {
	KeyID       string // GUID
	AppID       azure.AppID
	Kind        CredentialKind
	DisplayName string
	StartAt     time.Time
	EndAt       time.Time
	OfPrincipal bool // it belongs to the service principal and not to the application; it is as good

	Hint          string // of a password: its first three characters, as Graph shows them
	Thumbprint    string // of a certificate: SHA-1, base64url without padding (x5t)
	Thumbprint256 string // the same in SHA-256 (x5t#S256)
	Certificate   []byte // DER
}

// Codes of the refusals of [CheckPassword].
const (
	CodePasswordWrong   = "PasswordWrong"
	CodePasswordExpired = "PasswordExpired"
)

// secretAlphabet has 64 characters, so that a byte maps to one without bias,
// and none that a form, a shell or a header changes.
const secretAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"

// newSecret makes a password in the look of Azure's: 40 characters, of which
// the fourth to sixth are a mark that secret scanners search for. The other 37
// are 222 random bits.
func newSecret() string {
	var b [40]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = secretAlphabet[b[i]&63]
	}
	copy(b[3:], "8Q~")
	return string(b[:])
}

// hashSecret is what is kept of a password that we made. A slow hash (argon2id)
// protects what people choose, because that can be guessed; 222 random bits
// cannot be, however fast the hash, and a slow one would only be a way to load
// the token endpoint.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// AddPassword makes a password for an application, valid from now until end.
// The secret is returned this once and cannot be read again.
func AddPassword(tx *store.Tx, app azure.AppID, displayName string, end time.Time) (secret string, c Credential, err error) {
	return MakePassword(tx, Credential{AppID: app, DisplayName: displayName, StartAt: tx.Now, EndAt: end})
}

// MakePassword is [AddPassword] for a credential whose application, name, times
// and owner are given.
func MakePassword(tx *store.Tx, c Credential) (secret string, made Credential, err error) {
	secret = newSecret()
	c.KeyID, c.Kind, c.Hint, c.StartAt, c.EndAt = azure.NewGUID(), Password, secret[:3], c.StartAt.UTC(), c.EndAt.UTC()
	if err := addCredential(tx, c, hashSecret(secret)); err != nil {
		return "", Credential{}, err
	}
	return secret, c, nil
}

// minRSABits is the smallest key that a certificate may have.
const minRSABits = 2048

// AddCertificate lets an application sign in with a certificate's key, RSA of
// 2048 bits or more, while the certificate is valid. der is its public part.
func AddCertificate(tx *store.Tx, app azure.AppID, displayName string, der []byte) (Credential, error) {
	cert, err := parseCertificate(der)
	if err != nil {
		return Credential{}, err
	}
	c := certificate(Credential{KeyID: azure.NewGUID(), AppID: app, DisplayName: displayName, StartAt: cert.NotBefore.UTC(), EndAt: cert.NotAfter.UTC()}, der)
	return c, addCredential(tx, c, nil)
}

// parseCertificate reads a certificate that an application may sign in with.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "The key is not an X.509 certificate.").At("key")
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() < minRSABits {
		return nil, fault.New(fault.Invalid, "The certificate needs an RSA key of %d bits or more.", minRSABits).At("key")
	}
	return cert, nil
}

func certificate(c Credential, der []byte) Credential {
	c.Kind, c.Thumbprint, c.Thumbprint256, c.Certificate = Certificate, pki.Thumbprint(der), pki.ThumbprintSHA256(der), der
	return c
}

func addCredential(tx *store.Tx, c Credential, hash []byte) error {
	if len(c.DisplayName) > maxName {
		return checkName(c.DisplayName)
	}
	if !c.EndAt.After(c.StartAt) {
		return fault.New(fault.Invalid, "A credential ends after it starts.").At("endDateTime")
	}
	if _, err := ApplicationByAppID(tx, c.AppID); err != nil {
		return err
	}
	return create(tx, `INSERT INTO credentials (key_id, app_id, kind, display_name, hint, secret_hash, certificate, thumbprint, thumbprint_256, start_at, end_at, of_principal)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		c.KeyID, string(c.AppID), string(c.Kind), c.DisplayName, null(c.Hint), hash, c.Certificate, null(c.Thumbprint), null(c.Thumbprint256),
		store.Micros(c.StartAt), store.Micros(c.EndAt), c.OfPrincipal)
}

const credentialColumns = `key_id, app_id, kind, display_name, hint, certificate, thumbprint, thumbprint_256, start_at, end_at, of_principal`

func scanCredential(scan func(...any) error) (c Credential, err error) {
	var hint, sha1, sha256 sql.NullString
	var start, end int64
	err = scan(&c.KeyID, &c.AppID, &c.Kind, &c.DisplayName, &hint, &c.Certificate, &sha1, &sha256, &start, &end, &c.OfPrincipal)
	c.Hint, c.Thumbprint, c.Thumbprint256, c.StartAt, c.EndAt = hint.String, sha1.String, sha256.String, store.Time(start), store.Time(end)
	return c, err
}

// Credentials lists the credentials of an application, the oldest first.
func Credentials(tx *store.Tx, app azure.AppID) ([]Credential, error) {
	return store.Collect(tx, scanCredential, `SELECT `+credentialColumns+` FROM credentials WHERE app_id = $1 ORDER BY start_at, key_id`, string(app))
}

// RemoveCredential takes a credential from an application.
func RemoveCredential(tx *store.Tx, app azure.AppID, keyID string) error {
	return change(tx, noCredential(), `DELETE FROM credentials WHERE app_id = $1 AND key_id = $2`, string(app), azure.Fold(keyID))
}

func noCredential() *fault.Error {
	return fault.New(fault.NotFound, "The application has no such credential.").At("keyId")
}

// CertificateByThumbprint finds the certificate of an application by its x5t
// or x5t#S256 in the form that [Credential] has them. It may be expired.
func CertificateByThumbprint(tx *store.Tx, app azure.AppID, thumbprint string) (Credential, error) {
	return one(tx, scanCredential, noCredential(), `SELECT `+credentialColumns+` FROM credentials
		WHERE app_id = $1 AND (thumbprint = $2 OR thumbprint_256 = $2) ORDER BY end_at DESC LIMIT 1`, string(app), thumbprint)
}

// CheckPassword reports whether secret is a password of the application, or
// why not: an Unauthorized fault with CodePasswordWrong, or CodePasswordExpired
// where it was right once. Every password is compared, each in constant time.
func CheckPassword(tx *store.Tx, app azure.AppID, secret string) error {
	type kept struct {
		hash       []byte
		start, end int64
	}
	all, err := store.Collect(tx, func(scan func(...any) error) (k kept, err error) { return k, scan(&k.hash, &k.start, &k.end) },
		`SELECT secret_hash, start_at, end_at FROM credentials WHERE app_id = $1 AND kind = $2`, string(app), string(Password))
	if err != nil {
		return err
	}
	given, now := hashSecret(secret), store.Micros(tx.Now)
	var valid, expired int
	for _, k := range all {
		same := subtle.ConstantTimeCompare(given, k.hash)
		switch {
		case k.end <= now:
			expired |= same
		case k.start <= now:
			valid |= same
		}
	}
	if valid == 1 {
		return nil
	}
	if expired == 1 {
		return fault.New(fault.Unauthorized, "The password is expired.").Named(CodePasswordExpired)
	}
	return fault.New(fault.Unauthorized, "The password is wrong.").Named(CodePasswordWrong)
}
