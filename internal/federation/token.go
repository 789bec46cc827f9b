package federation

import (
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that a token may be signed with. All of them are
// asymmetric: nobody who can only read an issuer's keys can sign.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512}

// maxToken bounds a token, in bytes; real ones have up to 5,000.
const maxToken = 32 << 10

// Token is a token of another issuer. Until [Issuers.Verify] has seen it,
// nothing that it says is true.
type Token struct {
	Claims Claims
	signed *jose.JSONWebSignature
}

// Claims are what is read of a token. Times are seconds and may be fractions.
type Claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  Audience `json:"aud"`
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
	IssuedAt  *float64 `json:"iat"`
}

// Audience is one or several, as RFC 7519 section 4.1.3 has it.
type Audience []string

// UnmarshalJSON reads either form.
func (a *Audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = Audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

var errTooLong = errors.New("the token is too long")

// Parse reads a token in compact form.
func Parse(raw string) (*Token, error) {
	if len(raw) > maxToken {
		return nil, errTooLong
	}
	signed, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, err
	}
	t := &Token{signed: signed}
	return t, json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &t.Claims)
}

// KeyID is the id of the key that the token says it is signed with, "" for none.
func (t *Token) KeyID() string { return t.signed.Signatures[0].Header.KeyID }

func (t *Token) algorithm() string { return t.signed.Signatures[0].Header.Algorithm }
