package sts

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// ClaimsChallenge is what a service adds to the challenge of an expired token: the
// parameters of WWW-Authenticate by which it asks for a token that is not older than
// now (OpenID Connect Core 1.0 section 5.5; local-endpoints.md A.8). A client that
// goes by its own clock may think that its token is good, after this clock was moved;
// told so, it fetches another past its cache. The value has no padding: clients that
// cut a challenge at every "=" read it, too.
func ClaimsChallenge(now time.Time) string {
	claims := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, now.Unix())
	claims += strings.Repeat(" ", (3-len(claims)%3)%3)
	return `error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte(claims)) + `"`
}
