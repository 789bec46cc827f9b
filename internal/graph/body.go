package graph

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"midas/internal/fault"
	"midas/internal/wire"
)

// readBody reads a body of at most limit bytes, an object; 0 is for none.
func readBody(r *http.Request, limit int64) (map[string]any, error) {
	if limit == 0 {
		return nil, nil
	}
	b, err := wire.JSONBody(r, limit)
	if err != nil {
		return nil, err
	}
	return parseBody(b)
}

// parseBody reads an object. Text that not every engine of the store can keep
// is refused: bytes that are not UTF-8, and the character NUL.
func parseBody(b []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return map[string]any{}, nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var body map[string]any
	if err := dec.Decode(&body); err != nil || body == nil {
		return nil, badQuery("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	if _, err := dec.Token(); err != io.EOF || !utf8.Valid(b) || holdsNUL(body) {
		return nil, badQuery("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	return body, nil
}

func holdsNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		for _, e := range v {
			if holdsNUL(e) {
				return true
			}
		}
	case map[string]any:
		for name, e := range v {
			if strings.ContainsRune(name, 0) || holdsNUL(e) {
				return true
			}
		}
	}
	return false
}

// text is a member of the body that must be text where it is there.
func (c *call) text(name string) (string, error) {
	switch v := c.body[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", invalidValue(name)
}

// required is a member of the body that must be text and there.
func (c *call) required(name string) (string, error) {
	v, err := c.text(name)
	if err == nil && v == "" {
		return "", fault.New(fault.Invalid, "A value is required for property '%s' of resource.", name).At(name)
	}
	return v, err
}

// texts is a member of the body that is a list of at most limit texts.
func (c *call) texts(name string, limit int) ([]string, error) {
	list, ok := c.body[name].([]any)
	if !ok || len(list) > limit {
		return nil, fault.New(fault.Invalid, "The member '%s' is a list of at most %d strings.", name, limit).At(name)
	}
	all := make([]string, len(list))
	for i, v := range list {
		if all[i], ok = v.(string); !ok {
			return nil, invalidValue(name)
		}
	}
	return all, nil
}

// parseTime reads a time as clients write it; one without a zone is in UTC.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		if local, e := time.Parse("2006-01-02T15:04:05.999999999", s); e == nil {
			return local, nil
		}
		if day, e := time.Parse(time.DateOnly, s); e == nil {
			return day, nil
		}
	}
	return t.UTC(), err
}

// encode is JSON as the wire has it: HTML is not escaped.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // every value here is made of JSON's own types
	}
	return bytes.TrimSpace(b.Bytes())
}

// moment is a time on the wire.
func moment(t time.Time) json.RawMessage { return encode(t.UTC().Format("2006-01-02T15:04:05.999Z")) }
