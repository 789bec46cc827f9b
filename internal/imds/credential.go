package imds

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"midas/internal/wire"
)

// same compares what a caller sent with a secret, in a time that does not tell
// how much of it is right.
func same(got, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(secret)) == 1
}

// knows reports whether a request carries a secret in a header, once.
func knows(r *http.Request, header, secret string) bool {
	values := r.Header.Values(header)
	return len(values) == 1 && secret != "" && same(values[0], secret)
}

// behind puts an endpoint below a path segment that only its clients know; an
// empty secret puts it nowhere else. Neither the endpoint nor what is logged of
// the request sees the segment, nor a wrong one.
func behind(secret string, h http.Handler) http.Handler {
	if secret == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		below := *r
		below.URL = &url.URL{Path: "/", RawQuery: r.URL.RawQuery}
		if segs, err := wire.Segments(r); err == nil && len(segs) > 0 && same(segs[0], secret) {
			below.URL.Path += strings.Join(segs[1:], "/")
		}
		h.ServeHTTP(w, &below)
	})
}

// isPath compares segments without case.
func isPath(segs []string, want ...string) bool {
	return strings.EqualFold(strings.Join(segs, "/"), strings.Join(want, "/"))
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") }
