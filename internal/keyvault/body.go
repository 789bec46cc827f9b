package keyvault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"midas/internal/fault"
	"midas/internal/vault"
	"midas/internal/wire"
)

// maxBody has room for the largest value with every byte of it escaped.
const maxBody = 8 * vault.MaxValue

// maxRestore has room for the largest backup in base64.
const maxRestore = vault.MaxBackup/3*4 + 1<<10

// change is what the body of a set or an update says.
type change struct {
	value *string // nil where there is none
	vault.Change
}

// secretBody is the body on the wire. Members that are not known are ignored,
// as they are on Azure.
type secretBody struct {
	Value       *string            `json:"value"`
	ContentType *string            `json:"contentType"`
	Attributes  *requestAttributes `json:"attributes"`
	Tags        map[string]string  `json:"tags"`
}

type requestAttributes struct {
	Enabled   *bool  `json:"enabled"`
	NotBefore *int64 `json:"nbf"` // seconds since 1970
	Expires   *int64 `json:"exp"`
}

func readBody(r *http.Request, limit int64) (change, error) {
	b, err := wire.JSONBody(r, limit)
	if err != nil {
		return change{}, err
	}
	return parseBody(b)
}

// parseBody reads a body. Text that is not UTF-8 is refused: it would come
// back as other text.
func parseBody(b []byte) (change, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return change{}, badBody(nil, "The request body is missing.")
	}
	if !utf8.Valid(b) {
		return change{}, badBody(nil, "The request body is not valid UTF-8.")
	}
	var body *secretBody
	if err := json.Unmarshal(b, &body); err != nil {
		property := ""
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			property = e.Field
		}
		// With two blanks where the property is not known, as on the wire (control-plane.md E3).
		return change{}, badBody(describe(err), "Property %.100s has invalid value\r\n", property)
	}
	if body == nil {
		return change{}, badBody(nil, "The request body is missing.")
	}
	c := change{value: body.Value, Change: vault.Change{ContentType: body.ContentType, Tags: body.Tags}}
	if a := body.Attributes; a != nil {
		c.Enabled, c.NotBefore, c.Expires = a.Enabled, seconds(a.NotBefore), seconds(a.Expires)
	}
	return c, nil
}

func seconds(s *int64) *time.Time {
	if s == nil {
		return nil
	}
	// What no calendar has stays what no calendar has, instead of wrapping around.
	t := time.Unix(min(max(*s, -1), 1<<40), 0).UTC()
	return &t
}

// describe says where the JSON is wrong without what it says: that may be the secret.
func describe(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("broken JSON at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("wrong type of JSON at byte %d", e.Offset)
	}
	return errors.New("broken JSON")
}

func badBody(cause error, format string, args ...any) error {
	return fault.Wrap(cause, fault.Invalid, format, args...).Named(vault.CodeBadParameter)
}
