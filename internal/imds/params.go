package imds

import (
	"net/url"
	"strings"
)

// params are the parameters of a query, each given once.
type params []param

type param struct{ name, value string }

// maxParams bounds them; the service knows a dozen.
const maxParams = 32

// parseParams reads a query, or a form, which is written alike, after those that
// were read before. Names compare without case. A name that is repeated is
// refused (local-endpoints.md A.1): it would be two requests in one.
func parseParams(all params, query string) (params, error) {
	if all == nil {
		all = make(params, 0, 4)
	}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name) // clients encode even the name
		if err != nil {
			return nil, errQuery
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, errQuery
		}
		if all.has(name) {
			return nil, errRepeated
		}
		if len(all) == maxParams {
			return nil, errQuery
		}
		all = append(all, param{name, value})
	}
	return all, nil
}

// get returns a parameter, or "".
func (p params) get(name string) string {
	for _, q := range p {
		if strings.EqualFold(q.name, name) {
			return q.value
		}
	}
	return ""
}

func (p params) has(name string) bool {
	for _, q := range p {
		if strings.EqualFold(q.name, name) {
			return true
		}
	}
	return false
}
