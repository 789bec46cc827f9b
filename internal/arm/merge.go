package arm

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"midas/internal/fault"
)

// maxDepth bounds the nesting of a merge patch: deeper bodies are nobody's resource.
const maxDepth = 64

// mergePatch applies an RFC 7396 merge patch to a JSON document: objects
// merge, null removes, everything else replaces. Member names compare without
// case, as Resource Manager's do, and the target keeps its spelling.
func mergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	return merge(target, patch, 0)
}

func merge(target, patch json.RawMessage, depth int) (json.RawMessage, error) {
	if depth > maxDepth {
		return nil, fault.New(fault.Invalid, "The request content is nested too deeply.").Named(CodeInvalidContent)
	}
	var changes map[string]json.RawMessage
	if !isObject(patch) {
		return patch, nil
	}
	if err := json.Unmarshal(patch, &changes); err != nil {
		return nil, err
	}
	members := map[string]json.RawMessage{}
	if isObject(target) {
		if err := json.Unmarshal(target, &members); err != nil {
			return nil, err
		}
	}
	for _, given := range slices.Sorted(maps.Keys(changes)) { // in an order, so that a name in two spellings has one outcome
		name, change := spelling(members, given), changes[given]
		if string(change) == "null" {
			delete(members, name)
			continue
		}
		merged, err := merge(members[name], change, depth+1)
		if err != nil {
			return nil, err
		}
		members[name] = merged
	}
	return json.Marshal(members)
}

func isObject(raw json.RawMessage) bool {
	return strings.HasPrefix(strings.TrimLeft(string(raw[:min(len(raw), 64)]), " \t\r\n"), "{")
}

// spelling returns the member's name as the object already has it.
func spelling(members map[string]json.RawMessage, name string) string {
	if _, ok := members[name]; ok {
		return name
	}
	for have := range members {
		if strings.EqualFold(have, name) {
			return have
		}
	}
	return name
}

// invalidJSON turns a decoding error into a fault that names the place.
func invalidJSON(err error, at string) error {
	f := fault.Wrap(err, fault.Invalid, "The request content was invalid and could not be deserialized: the JSON of '%s' is not well-formed.", at).Named(CodeInvalidContent).At(at)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := at
		if t.Field != "" {
			where = strings.TrimPrefix(at+"."+t.Field, ".")
		}
		f.Message = "The request content was invalid and could not be deserialized: the value of '" + where + "' has the wrong type (" + t.Value + ")."
		f.Target = where
	}
	return f
}
