package imds

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"midas/internal/fault"
	"midas/internal/scheduledevents"
	"midas/internal/store"
	"midas/internal/wire"
)

// eventVersions are the versions of /metadata/scheduledevents, which has a list
// of its own (local-endpoints.md A.12). The preview's names were others.
var eventVersions = []string{"2017-08-01", "2017-11-01", "2019-01-01", "2019-04-01", "2019-08-01", "2020-07-01"}

// sinceEvents is the first of them.
const sinceEvents = "2017-08-01"

// eventsSince are the versions that show a type first.
var eventsSince = map[scheduledevents.Type]string{scheduledevents.Preempt: "2017-11-01", scheduledevents.Terminate: "2019-01-01"}

// Bounds of what a machine sends.
const (
	maxEventBody     = 16 << 10 // bytes
	maxStartRequests = 100
)

var (
	errEventVersion = &refusal{http.StatusBadRequest, "", oauthError{Error: codeInvalidRequest}, versionBody(eventVersions)}
	errEventBody    = badRequest("The body is not a list of StartRequests, each with an EventId")
	errEventUnknown = badRequest("An EventId of the StartRequests is not that of an event of this machine")
)

// scheduledEvents serves /metadata/scheduledevents, the one category that takes
// a POST, too: by that a machine agrees to events.
func (m *Machine) scheduledEvents(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return errMethod
	}
	read := r.WithContext(r.Context())
	read.Method = http.MethodGet // everything else is checked as for that
	p, err := admit(w, read)
	if err != nil {
		return err
	}
	version := p.get("api-version")
	if !slices.Contains(eventVersions, version) {
		return errEventVersion
	}
	s, err := m.present(r.Context())
	if err != nil {
		return err
	}
	wire.EventOf(r.Context()).Target = m.vm.String()
	if s.document == nil {
		return errNotFound
	}
	if r.Method == http.MethodPost {
		return m.startEvents(w, r)
	}
	d, err := scheduledevents.Read(r.Context(), m.DB, m.vm)
	if err != nil {
		return err
	}
	wire.WriteRaw(w, http.StatusOK, appendJSON(nil, describeEvents(d, version), version))
	return nil
}

// describeEvents makes the document: the table of local-endpoints.md A.12.
func describeEvents(d scheduledevents.Document, version string) object {
	all := list{}
	for _, e := range d.Events {
		if eventsSince[e.Type] > version {
			continue // clients of that time do not know the type
		}
		status, notBefore := "Scheduled", e.NotBefore.UTC().Format(http.TimeFormat)
		if e.Started() {
			status, notBefore = "Started", ""
		}
		all = append(all, object{
			{"EventId", sinceEvents, leaf(e.ID)},
			{"EventStatus", sinceEvents, leaf(status)},
			{"EventType", sinceEvents, leaf(e.Type)},
			{"ResourceType", sinceEvents, leaf("VirtualMachine")},
			{"Resources", sinceEvents, list{leaf(e.Resource.Name())}},
			{"NotBefore", sinceEvents, leaf(notBefore)},
			{"Description", "2019-04-01", leaf(e.Description)},
			{"EventSource", "2019-08-01", leaf("Platform")},
			{"DurationInSeconds", "2020-07-01", number(e.Duration / time.Second)},
		})
	}
	return object{{"DocumentIncarnation", sinceEvents, number(d.Incarnation)}, {"Events", sinceEvents, all}}
}

// startEvents takes a machine's agreement.
func (m *Machine) startEvents(w http.ResponseWriter, r *http.Request) error {
	body, err := wire.Body(r, maxEventBody)
	if err != nil {
		return err
	}
	ids, err := parseStartRequests(body)
	if err != nil {
		return err
	}
	err = m.DB.Update(r.Context(), func(tx *store.Tx) error { return scheduledevents.Start(tx, m.vm, ids) })
	if fault.Is(err, fault.NotFound) {
		return errEventUnknown
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// parseStartRequests reads the ids of a body. Clients say form for its content
// type, which is curl's own, so that is not looked at.
func parseStartRequests(body []byte) ([]string, error) {
	var q struct {
		StartRequests []struct {
			EventID *string `json:"EventId"`
		}
	}
	if json.Unmarshal(body, &q) != nil || len(q.StartRequests) == 0 || len(q.StartRequests) > maxStartRequests {
		return nil, errEventBody
	}
	var ids []string
	for _, s := range q.StartRequests {
		if s.EventID == nil || *s.EventID == "" {
			return nil, errEventBody
		}
		ids = append(ids, *s.EventID)
	}
	return ids, nil
}
