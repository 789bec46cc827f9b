package keyvault

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"midas/internal/sts"
)

const challenge = `Bearer authorization="https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47", resource="https://vault.azure.net"`

// everyRequest are requests of each kind, right and wrong. What they ask is
// not looked at before their token is good.
var everyRequest = []struct{ method, target, body string }{
	{"GET", "/secrets/s?api-version=7.4", ""},
	{"GET", "/secrets/s/?api-version=7.4", ""},
	{"GET", "/secrets/s/0123456789abcdef0123456789abcdef?api-version=7.4", ""},
	{"PUT", "/secrets/s?api-version=7.4", ""},
	{"PUT", "/secrets/s?api-version=7.4", "{"},
	{"PATCH", "/secrets/s?api-version=7.4", `{"tags":1}`},
	{"DELETE", "/secrets/s?api-version=7.4", ""},
	{"GET", "/secrets?api-version=7.4", ""},
	{"GET", "/secrets/s/versions?api-version=7.4&maxresults=99", ""},
	{"GET", "/deletedsecrets?api-version=7.4", ""},
	{"DELETE", "/deletedsecrets/s?api-version=7.4", ""},
	{"POST", "/deletedsecrets/s/recover?api-version=7.4", ""},
	{"GET", "/secrets/s", ""},
	{"GET", "/secrets/s?api-version=nonsense", ""},
	{"PUT", "/secrets/a.b?api-version=7.4", "{}"},
	{"GET", "/", ""},
	{"GET", "/keys/k?api-version=7.4", ""},
	{"HEAD", "/secrets/s", ""},
	{"OPTIONS", "/secrets/s", ""},
	{"BREW", "/nowhere/at/all", "x"},
	{"PUT", "/secrets/s?api-version=7.4", strings.Repeat("x", 1<<20)},
}

func TestChallengeBeforeEverything(t *testing.T) {
	w := newWorld(t)
	for _, host := range []string{policyHost, roleHost, "KV-Policy.Vault.Azure.Net:443", "nobody-has-this.vault.azure.net", "vault.azure.net", "a.b.vault.azure.net", "example.org"} {
		for _, r := range everyRequest {
			got := w.want(http.StatusUnauthorized, "Unauthorized", "", r.method, "https://"+host+r.target, r.body)
			if h := got.Header().Get("WWW-Authenticate"); h != challenge {
				t.Fatalf("%s %s: the challenge is %q", r.method, r.target, h)
			}
			if a := read(t, got); a.Error.Message != "AKV10000: Request is missing a Bearer or PoP token." {
				t.Fatalf("the message is %q", a.Error.Message)
			}
		}
	}
	for _, authorization := range []string{"Bearer", "Bearer ", "Basic dTpw", "bearer", "PoP x", "x"} {
		w.want(http.StatusUnauthorized, "Unauthorized", "", "GET", "https://"+policyHost+"/secrets?api-version=7.4", "", "Authorization", authorization)
	}
	if got := w.send("", "GET", "https://"+policyHost+"/secrets?api-version=7.4", "", "Authorization", "bEARER    "+w.token("admin")); got.Code != http.StatusOK {
		t.Errorf("another spelling of the scheme gives %d", got.Code)
	}
}

func TestRefusedTokens(t *testing.T) {
	w := newWorld(t)
	for name, message := range map[string]string{
		"garbage":            `^Error validating token: IDX12741: `,
		"empty":              `^Error validating token: IDX12741: `,
		"alg-none":           `^Error validating token: IDX12741: `,
		"other-installation": `^AKV10046: Unable to resolve the key used for signature validation\.$`,
		"bad-signature":      `^Error validating token: IDX10511: `,
		"expired":            `^Error validating token: IDX10223: `,
		"early":              `^Error validating token: IDX10222: `,
		"gone":               `^Error validating token: The principal of the token does not exist any more or is disabled\.$`,
		"arm-audience":       `^AKV10022: Invalid audience\. Expected https://vault\.azure\.net, found: https://management\.azure\.com/\.$`,
		"stranger":           `^AKV10032: Invalid issuer\. Expected one of https://sts\.windows\.net/72f988bf-\S+/, https://login\.microsoftonline\.com/72f988bf-\S+/v2\.0, found https://sts\.windows\.net/99999999-\S+/\.$`,
	} {
		for _, r := range everyRequest {
			got := w.want(http.StatusUnauthorized, "Unauthorized", name, r.method, "https://"+policyHost+r.target, r.body)
			want := challenge
			if name == "expired" {
				want += ", " + sts.ClaimsChallenge(w.clock.Now())
			}
			if got.Header().Get("WWW-Authenticate") != want || w.last.Caller != "" && name != "stranger" {
				t.Errorf("%s: challenge %q, caller %q", name, got.Header().Get("WWW-Authenticate"), w.last.Caller)
			}
			if text := read(t, got).Error.Message; !regexp.MustCompile(message).MatchString(text) {
				t.Errorf("%s: the message is %q", name, text)
			}
		}
	}
	if len(badTokens) != 10 {
		t.Errorf("there are %d bad tokens", len(badTokens))
	}
	for _, name := range badTokens {
		if raw := w.token(name); len(raw) > 10 && strings.Contains(w.log.String(), raw[len(raw)-20:]) {
			t.Errorf("%s: the token is in the log", name)
		}
	}
}
