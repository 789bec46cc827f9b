package imds

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/sts"
)

// tokens are those that were issued in one state. A map is never changed once
// it is published, so reading takes no lock.
type tokens map[tokenKey]*issued

type tokenKey struct {
	principal    azure.ObjectID
	resource     string // as asked: it is the audience
	capabilities string // xms_cc, as asked
}

// maxTokens bounds a machine's cache; past it the cache starts afresh.
const maxTokens = 64

// issued is a token and what its answers need of it.
type issued struct {
	sts.Token
	head     []byte // of every answer: the token itself, which is most of it
	client   azure.AppID
	resource string // as a JSON string
	minted   time.Time
	renew    time.Time // from then on, a new one is issued: half of its life
}

func newIssued(t sts.Token, client azure.AppID, resource string, now time.Time) *issued {
	head := `{"access_token":"` + t.Raw + `","client_id":"` + string(client) + `","expires_in":"`
	return &issued{Token: t, head: []byte(head), client: client, resource: quote(resource), minted: now, renew: now.Add(t.ExpiresAt.Sub(now) / 2)}
}

// cached returns a token that need not be renewed yet. The clock may have been
// set back, too: before its time a token is refused everywhere.
func (s *state) cached(k tokenKey, now time.Time) *issued {
	all := s.tokens.Load()
	if all == nil {
		return nil
	}
	t := (*all)[k]
	if t == nil || !now.Before(t.renew) || now.Before(t.minted) {
		return nil
	}
	return t
}

// keep puts a token into the cache.
func (s *state) keep(k tokenKey, t *issued) {
	for {
		old := s.tokens.Load()
		next := tokens{}
		if old != nil && len(*old) < maxTokens {
			next = maps.Clone(*old)
		}
		next[k] = t
		if s.tokens.CompareAndSwap(old, &next) {
			return
		}
	}
}

// refused reports whether hash, the hexadecimal SHA-256 of a token that some
// resource did not take, is that of t. A hash of another token means that t is
// newer already (local-endpoints.md A.8).
func (t *issued) refused(hash string) bool {
	if hash == "" {
		return false
	}
	sum := sha256.Sum256([]byte(t.Raw))
	return strings.EqualFold(hash, hex.EncodeToString(sum[:]))
}

// tail writes what follows the head of an answer. Together they have every
// value as a string, the members in alphabetical order, the selector echoed
// under its own name (local-endpoints.md A.6), and before the resource what an
// older endpoint has there.
func (t *issued) tail(sel selector, older string, now time.Time) []byte {
	echo := ""
	if sel.name != "" {
		echo = `"` + sel.name + `":` + quote(sel.value) + `,`
	}
	b := make([]byte, 0, len(t.resource)+len(echo)+160)
	b = strconv.AppendInt(b, seconds(t.ExpiresAt.Sub(now)), 10)
	b = strconv.AppendInt(append(b, `","expires_on":"`...), t.ExpiresAt.Unix(), 10)
	b = strconv.AppendInt(append(b, `","ext_expires_in":"`...), seconds(t.ExpiresAt.Sub(t.minted)), 10)
	b = append(b, `",`...)
	if strings.HasPrefix(sel.name, "m") { // mi_res_id, msi_res_id
		b = append(b, echo...)
	}
	b = strconv.AppendInt(append(b, `"not_before":"`...), t.NotBefore.Unix(), 10)
	b = append(b, `",`...)
	if sel.name == "object_id" { // client_id is in every answer
		b = append(b, echo...)
	}
	b = append(b, older...)
	b = append(append(b, `"resource":`...), t.resource...)
	return append(b, `,"token_type":"Bearer"}`...)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// quote writes s as a JSON string that leaves "&" and its like alone.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // strings always encode
	return strings.TrimSuffix(b.String(), "\n")
}
