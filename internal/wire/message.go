package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"midas/internal/fault"
)

// Codes of the failures that the plumbing itself finds. A door may give them
// another spelling on its wire, and gives each the status it names.
const (
	CodeHeadersTooLarge  = "RequestHeaderFieldsTooLarge" // 431
	CodeBodyTooLarge     = "RequestEntityTooLarge"       // 413
	CodeUnsupportedMedia = "UnsupportedMediaType"        // 415
	CodeInvalidContent   = "InvalidRequestContent"       // 400
)

// Body reads a whole body of at most limit bytes.
func Body(r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.New(fault.Invalid, "The request body is too large; the limit is %d bytes.", limit).Named(CodeBodyTooLarge)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "The request body could not be read.").Named(CodeInvalidContent)
	}
	return b, nil
}

// JSONBody reads a body of at most limit bytes that says it is JSON, or says nothing.
func JSONBody(r *http.Request, limit int64) ([]byte, error) {
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || media != "application/json" && media != "text/json" && !strings.HasSuffix(media, "+json") {
			return nil, fault.New(fault.Invalid, "The content media type '%s' is not supported. Only 'application/json' is supported.", printable(ct)).Named(CodeUnsupportedMedia)
		}
	}
	return Body(r, limit)
}

// printable keeps what a caller sent fit for a message.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if len(s) > 100 {
		s = s[:100]
	}
	return strings.ToValidUTF8(s, "")
}

// WriteJSON answers with v. HTML is not escaped: the wire never carries it.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	WriteRaw(w, status, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return nil
}

// WriteRaw answers with a body that is JSON already.
func WriteRaw(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // a peer that went away is not our failure
}

// Segments splits the path into its decoded segments. Empty ones, from a
// double or trailing slash, are dropped: real clients send both, and a
// redirect to a clean path would lose their token (clients.md 3.7).
func Segments(r *http.Request) ([]string, error) {
	var segs []string
	for seg := range strings.SplitSeq(r.URL.EscapedPath(), "/") {
		if seg == "" {
			continue
		}
		s, err := url.PathUnescape(seg)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "The request path is not valid.").Named(CodeInvalidContent)
		}
		segs = append(segs, s)
	}
	return segs, nil
}

// Query returns a query parameter by its name without regard to case, and how
// often it was given. Clients percent-encode even the name "api-version".
func Query(r *http.Request, name string) (value string, count int) {
	for k, vs := range r.URL.Query() {
		if strings.EqualFold(k, name) {
			if count == 0 {
				value = vs[0]
			}
			count += len(vs)
		}
	}
	return value, count
}
