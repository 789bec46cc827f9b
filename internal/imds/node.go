package imds

import (
	"strconv"
	"strings"
)

// node is an element of the instance document: a leaf, a list or an object.
type node interface{ isNode() }

// leaf is a value: on this wire every one is a string (local-endpoints.md A.2).
type leaf string

// number is a value of the one category whose numbers are numbers
// (local-endpoints.md A.11).
type number int64

// list is an array.
type list []node

// object is an object with its members in alphabetical order.
type object []member

// member is there for requests of its first version and later ones only.
type member struct {
	name  string
	since string // api-version
	node  node
}

func (leaf) isNode()   {}
func (number) isNode() {}
func (list) isNode()   {}
func (object) isNode() {}

// find walks from n along the segments of a path: names of members, indexes of lists.
func find(n node, path []string, version string) (node, bool) {
	for _, seg := range path {
		next, ok := child(n, seg, version)
		if !ok {
			return nil, false
		}
		n = next
	}
	return n, true
}

func child(n node, seg, version string) (node, bool) {
	switch n := n.(type) {
	case object:
		for _, m := range n {
			if m.name == seg && m.since <= version {
				return m.node, true
			}
		}
	case list:
		i, err := strconv.Atoi(seg)
		if err == nil && 0 <= i && i < len(n) && strconv.Itoa(i) == seg {
			return n[i], true
		}
	}
	return nil, false
}

// appendJSON writes n as compact JSON.
func appendJSON(b []byte, n node, version string) []byte {
	switch n := n.(type) {
	case leaf:
		return appendString(b, string(n))
	case number:
		return strconv.AppendInt(b, int64(n), 10)
	case list:
		b = append(b, '[')
		for i, e := range n {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e, version)
		}
		return append(b, ']')
	case object:
		b = append(b, '{')
		first := true
		for _, m := range n {
			if m.since > version {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(append(append(b, '"'), m.name...), `":`...) // our own names need no escape
			b = appendJSON(b, m.node, version)
		}
		return append(b, '}')
	}
	return b
}

// appendString writes s as a JSON string. Nearly all of them are plain.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return append(b, quote(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// single reports whether n is a value and has no children.
func single(n node) bool {
	switch n.(type) {
	case leaf, number:
		return true
	}
	return false
}

// text is n in text format: a leaf's value as it is, else the names of the
// children, one per line, with a slash behind those that have children.
func text(n node, version string) string {
	var lines []string
	line := func(name string, n node) {
		if !single(n) {
			name += "/"
		}
		lines = append(lines, name)
	}
	switch n := n.(type) {
	case leaf:
		return string(n)
	case number:
		return strconv.FormatInt(int64(n), 10)
	case list:
		for i, e := range n {
			line(strconv.Itoa(i), e)
		}
	case object:
		for _, m := range n {
			if m.since <= version {
				line(m.name, m.node)
			}
		}
	}
	return strings.Join(lines, "\n")
}
