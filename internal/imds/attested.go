package imds

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"midas/internal/wire"
)

// sinceAttested is the first version of /metadata/attested.
const sinceAttested = "2018-10-01"

// attestedLife is how long a document says it holds.
const attestedLife = 6 * time.Hour

// maxNonce is the most characters that a nonce has.
const maxNonce = 32

var errNonce = badRequest("The nonce is 1 to 32 letters and digits")

// attested serves /metadata/attested/document: facts about the machine that
// others can check (local-endpoints.md A.10). Above it there are listings only.
func (m *Machine) attested(w http.ResponseWriter, r *http.Request, path []string) error {
	p, version, err := admitVersion(w, r, sinceAttested)
	if err != nil {
		return err
	}
	asText := strings.EqualFold(p.get("format"), "text")
	if len(path) == 0 && !asText {
		return errNotFound
	}
	nonce, err := readNonce(p, m.Now())
	if err != nil {
		return err
	}
	s, err := m.present(r.Context())
	if err != nil {
		return err
	}
	wire.EventOf(r.Context()).Target = m.vm.String()
	if s.document == nil {
		return errNotFound
	}
	tree := object{{"document", sinceAttested, object{{"encoding", sinceAttested, leaf("pkcs7")}, {"signature", sinceAttested, leaf("")}}}}
	if n, ok := find(tree, path, version); !ok || len(path) == 0 {
		if !ok {
			return errNotFound
		}
		return show(w, n, version, "text")
	}
	signed, err := m.Attest(appendJSON(nil, s.attest(nonce, m.Now()), version))
	if err != nil {
		return err
	}
	tree[0].node.(object)[1].node = leaf(base64.StdEncoding.EncodeToString(signed))
	n, _ := find(tree, path, version)
	return show(w, n, version, p.get("format"))
}

// readNonce takes what the document is asked for with, by which whoever gets
// it knows that it is fresh. Without one it is the time.
func readNonce(p params, now time.Time) (string, error) {
	if !p.has("nonce") {
		return now.UTC().Format("20060102-150405"), nil
	}
	nonce := p.get("nonce")
	if nonce == "" || len(nonce) > maxNonce {
		return "", errNonce
	}
	for _, c := range []byte(nonce) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return "", errNonce
		}
	}
	return nonce, nil
}

// attest makes the content of the document from what the instance document
// says, each member from the version that shows it first.
func (s *state) attest(nonce string, now time.Time) object {
	fact := func(name, since string) member {
		n, _ := find(s.document, []string{"compute", name}, apiVersions[len(apiVersions)-1])
		return member{name, since, n}
	}
	at := func(t time.Time) leaf { return leaf(t.UTC().Format("01/02/06 15:04:05 -0000")) }
	return object{
		fact("licenseType", "2020-09-01"),
		{"nonce", sinceAttested, leaf(nonce)},
		fact("plan", sinceAttested),
		fact("sku", "2019-11-01"),
		fact("subscriptionId", "2019-04-30"),
		{"timeStamp", sinceAttested, object{{"createdOn", sinceAttested, at(now)}, {"expiresOn", sinceAttested, at(now.Add(attestedLife))}}},
		fact("vmId", sinceAttested),
	}
}
