package graph

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"midas/internal/azure"
	"midas/internal/fault"
)

// query is the options of a request.
type query struct {
	filter     expression
	filterText string
	selected   []string // nil for the default
	expand     []string
	top        int
	count      bool
	descending bool
	ordered    bool // by displayName
	search     []term
	skip       place
	eventual   bool // ConsistencyLevel
	values     url.Values
}

// term is what one part of a $search looks for.
type term struct{ property, text string }

// place is where a page ended.
type place struct {
	ID   azure.ObjectID `json:"i,omitempty"`
	Name string         `json:"n,omitempty"` // in a list that is ordered by it
}

// Sizes of pages.
const (
	defaultTop = 100
	maxTop     = 999
)

// options are those that are known; az and the SDKs send no others.
var options = []string{"$filter", "$select", "$expand", "$top", "$count", "$orderby", "$search", "$skiptoken", "$format"}

func readQuery(r *http.Request) (q query, err error) {
	q.values = r.URL.Query()
	q.top, q.eventual = defaultTop, strings.EqualFold(r.Header.Get("ConsistencyLevel"), "eventual")
	for name, values := range q.values {
		if !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0) {
			return q, badQuery("The query option '%.40s' is not text.", name)
		}
		known := strings.ToLower(name)
		if !strings.HasPrefix(known, "$") && contains(options, "$"+known) {
			known = "$" + known // the dollar may be left out
		}
		if strings.HasPrefix(known, "$") && !contains(options, known) {
			return q, badQuery("The query parameter '%.40s' is not supported.", name)
		}
		if len(values) > 1 && contains(options, known) {
			return q, badQuery("Query option '%.40s' was specified more than once, but it must be specified at most once.", name)
		}
		if err := q.set(known, values[0]); err != nil {
			return q, err
		}
	}
	return q, q.needsEventual()
}

func (q *query) set(option, value string) (err error) {
	switch option {
	case "$filter":
		q.filterText = value
		q.filter, err = parseFilter(value)
	case "$select":
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" && name != "*" {
				q.selected = append(q.selected, name)
			}
		}
	case "$expand":
		for name := range strings.SplitSeq(value, ",") {
			name, _, _ = strings.Cut(strings.TrimSpace(name), "(")
			q.expand = append(q.expand, name)
		}
	case "$top":
		if q.top, err = strconv.Atoi(value); err != nil || q.top < 1 || q.top > maxTop {
			return badQuery("Invalid page size specified: '%.20s'. Must be between 1 and %d inclusive.", value, maxTop)
		}
	case "$count":
		if q.count, err = strconv.ParseBool(value); err != nil {
			return badQuery("Invalid value '%.20s' for $count query option found.", value)
		}
	case "$orderby":
		by, direction, _ := strings.Cut(strings.TrimSpace(value), " ")
		if q.descending = strings.EqualFold(strings.TrimSpace(direction), "desc"); !strings.EqualFold(by, "displayName") || direction != "" && !q.descending && !strings.EqualFold(direction, "asc") {
			return fault.New(fault.Invalid, "Sorting is supported by displayName only, not by '%.100s'.", value).Named(codeUnsupportedQuery)
		}
		q.ordered = true
	case "$search":
		q.search, err = parseSearch(value)
	case "$skiptoken":
		q.skip, err = parsePlace(value)
	}
	return err
}

// needsEventual refuses what Graph takes only with a header of its own.
func (q *query) needsEventual() error {
	if q.search != nil && !q.eventual {
		return fault.New(fault.Invalid, "Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'").Named(codeUnsupportedQuery)
	}
	q.count = q.count && q.eventual // without the header it is ignored
	return nil
}

// parseSearch reads `"displayName:text"`, joined by AND.
func parseSearch(s string) (terms []term, err error) {
	for part := range strings.SplitSeq(s, " AND ") {
		part = strings.TrimSpace(part)
		inner, ok := strings.CutPrefix(part, `"`)
		inner, closed := strings.CutSuffix(inner, `"`)
		property, text, named := strings.Cut(inner, ":")
		if !ok || !closed || !named || !contains([]string{"displayName", "description"}, property) || strings.Contains(text, `"`) {
			return nil, fault.New(fault.Invalid, `$search takes "displayName:text" and "description:text", joined by AND.`).Named(codeUnsupportedQuery)
		}
		terms = append(terms, term{property, azure.Fold(text)})
	}
	return terms, nil
}

// finds reports whether a text has a term as the beginning of one of its words.
func (t term) finds(text string) bool {
	text = azure.Fold(text)
	for {
		i := strings.Index(text, t.text)
		if i < 0 || t.text == "" {
			return i >= 0
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		if i == 0 || strings.ContainsRune(" -_.@/", before) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		text = text[i+size:]
	}
}

func parsePlace(s string) (p place, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if _, ok := azure.ParseGUID(string(p.ID)); err != nil || !ok {
		return place{}, badQuery("Specified page token value has expired and can no longer be included in your request.")
	}
	return p, nil
}

func (p place) String() string { return base64.RawURLEncoding.EncodeToString(encode(p)) }

// checkSelect refuses a property that none of the resources has.
func checkSelect(selected []string, of ...*resource) error {
	for _, name := range selected {
		if !slices.ContainsFunc(of, func(r *resource) bool { _, ok := r.property(name); return ok }) {
			return badQuery("Parsing OData Select and Expand failed: Could not find a property named '%.100s' on type 'microsoft.graph.%s'.", name, of[0].name)
		}
	}
	return nil
}

func contains(list []string, s string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, s) })
}
