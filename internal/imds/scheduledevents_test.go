package imds

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"midas/internal/scheduledevents"
)

// seen is the document as its clients read it.
type seen struct {
	DocumentIncarnation int
	Events              []struct {
		EventID           string `json:"EventId"`
		EventStatus       string
		EventType         string
		ResourceType      string
		Resources         []string
		NotBefore         string
		Description       string
		EventSource       string
		DurationInSeconds int
	}
}

func (m *machineUnder) events(version string) (s seen) {
	m.w.t.Helper()
	rec := m.get("scheduledevents?api-version=" + version)
	d := json.NewDecoder(rec.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil || rec.Code != http.StatusOK {
		m.w.t.Fatalf("%d %v", rec.Code, err)
	}
	return s
}

func (m *machineUnder) post(body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://169.254.169.254/metadata/scheduledevents?api-version=2020-07-01", strings.NewReader(body))
	r.Header.Set("Metadata", "true")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // curl's own
	rec := httptest.NewRecorder()
	m.h.ServeHTTP(rec, r)
	return rec
}

// TestScheduledEvents lives through events by the clock and by agreement.
func TestScheduledEvents(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", false, nil)
	w.putVM("other", false, nil)
	m := w.vm("m")
	const newest = "2020-07-01"
	if s := m.events(newest); s.DocumentIncarnation != 1 || len(s.Events) != 0 {
		t.Fatalf("%+v", s)
	}
	freeze := w.event("m", scheduledevents.Freeze, 15*time.Minute, 9*time.Second)
	reboot := w.event("m", scheduledevents.Reboot, time.Hour, scheduledevents.Unknown)
	s := m.events(newest)
	if s.DocumentIncarnation != 3 || len(s.Events) != 2 {
		t.Fatalf("%+v", s)
	}
	if e := s.Events[0]; e.EventID != freeze.ID || e.EventStatus != "Scheduled" || e.EventType != "Freeze" || e.ResourceType != "VirtualMachine" || fmt.Sprint(e.Resources) != "[m]" ||
		e.NotBefore != "Wed, 04 Mar 2026 05:21:07 GMT" || e.Description != "Host maintenance" || e.EventSource != "Platform" || e.DurationInSeconds != 9 {
		t.Errorf("%+v", e)
	}
	if e := s.Events[1]; e.DurationInSeconds != -1 {
		t.Errorf("%+v", e)
	}
	if s := w.vm("other").events(newest); len(s.Events) != 0 || s.DocumentIncarnation != 1 {
		t.Errorf("another machine sees %+v", s)
	}
	if again := m.events(newest); again.DocumentIncarnation != 3 {
		t.Errorf("reading changes it to %d", again.DocumentIncarnation)
	}
	// Agreement.
	if rec := m.post(`{"StartRequests":[{"EventId":"` + strings.ToLower(reboot.ID) + `"}]}`); rec.Code != http.StatusOK || rec.Body.Len() != 0 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	s = m.events(newest)
	if s.DocumentIncarnation != 4 || s.Events[1].EventStatus != "Started" || s.Events[1].NotBefore != "" || s.Events[0].EventStatus != "Scheduled" {
		t.Errorf("%+v", s)
	}
	if rec := m.post(`{"StartRequests":[{"EventId":"` + reboot.ID + `"}]}`); rec.Code != http.StatusOK || m.events(newest).DocumentIncarnation != 4 {
		t.Errorf("agreed again: %d", rec.Code)
	}
	// The clock.
	w.advance(5 * time.Minute)
	if s := m.events(newest); len(s.Events) != 1 || s.DocumentIncarnation != 5 {
		t.Errorf("after the reboot: %+v", s)
	}
	w.advance(10 * time.Minute)
	if s := m.events(newest); len(s.Events) != 1 || s.Events[0].EventStatus != "Started" || s.DocumentIncarnation != 6 {
		t.Errorf("the time has come: %+v", s)
	}
	w.advance(9 * time.Second)
	if s := m.events(newest); len(s.Events) != 0 || s.DocumentIncarnation != 7 {
		t.Errorf("it is over: %+v", s)
	}
	w.event("m", scheduledevents.Preempt, 30*time.Second, scheduledevents.Unknown)
	w.advance(24 * time.Hour)
	if s := m.events(newest); len(s.Events) != 0 || s.DocumentIncarnation != 10 {
		t.Errorf("nobody looked meanwhile: %+v", s)
	}
}

// TestEventVersions: what clients of each version know.
func TestEventVersions(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", false, nil)
	for _, typ := range []scheduledevents.Type{scheduledevents.Freeze, scheduledevents.Preempt, scheduledevents.Terminate} {
		w.event("m", typ, time.Hour, scheduledevents.Unknown)
	}
	m := w.vm("m")
	for version, want := range map[string]string{
		"2017-08-01": `[EventId EventStatus EventType NotBefore ResourceType Resources] 1`, "2017-11-01": `[EventId EventStatus EventType NotBefore ResourceType Resources] 2`,
		"2019-01-01": `[EventId EventStatus EventType NotBefore ResourceType Resources] 3`, "2019-04-01": `[Description EventId EventStatus EventType NotBefore ResourceType Resources] 3`,
		"2019-08-01": `[Description EventId EventSource EventStatus EventType NotBefore ResourceType Resources] 3`,
		"2020-07-01": `[Description DurationInSeconds EventId EventSource EventStatus EventType NotBefore ResourceType Resources] 3`,
	} {
		var d struct{ Events []map[string]any }
		if err := json.Unmarshal(m.get("scheduledevents?api-version="+version).Body.Bytes(), &d); err != nil || len(d.Events) == 0 {
			t.Fatal(version, err)
		}
		if got := fmt.Sprint(slices.Sorted(maps.Keys(d.Events[0])), " ", len(d.Events)); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
	for _, version := range []string{"", "2017-03-01", "2020-07-15", "2025-04-07", "2017-08-02"} {
		if rec := m.get("scheduledevents?api-version=" + version); rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), `"newest-versions":["2020-07-01","2019-08-01","2019-04-01"]`) {
			t.Errorf("%q: %d %s", version, rec.Code, rec.Body)
		}
	}
}

func TestStartRequestsRefused(t *testing.T) {
	w := newWorld(t)
	w.putVM("m", false, nil)
	w.putVM("other", false, nil)
	e := w.event("other", scheduledevents.Reboot, time.Hour, scheduledevents.Unknown)
	m := w.vm("m")
	for body, want := range map[string]int{
		"": 400, "{}": 400, "[]": 400, `{"StartRequests":{}}`: 400, `{"StartRequests":[]}`: 400, `{"StartRequests":[{}]}`: 400, `{"StartRequests":[{"EventId":""}]}`: 400, `{"StartRequests":[{"EventId":7}]}`: 400,
		`{"StartRequests":[{"EventId":"none"}]}`:                                                          400,
		`{"StartRequests":[{"EventId":"` + e.ID + `"}]}`:                                                  400, // another machine's
		`{"StartRequests":[` + strings.Repeat(`{"EventId":"x"},`, maxStartRequests) + `{"EventId":"x"}]}`: 400,
		`{"StartRequests":[{"EventId":"x"}],"Padding":"` + strings.Repeat("x", maxEventBody) + `"}`:       400,
	} {
		if rec := m.post(body); rec.Code != want || !strings.HasPrefix(rec.Body.String(), `{ "error": "Bad request. `) {
			t.Errorf("%.80s: %d %s", body, rec.Code, rec.Body)
		}
	}
	if s := w.vm("other").events("2020-07-01"); s.Events[0].EventStatus != "Scheduled" {
		t.Error("one machine agreed for another")
	}
}

func FuzzStartRequests(f *testing.F) {
	for _, s := range []string{"", "{}", `{"StartRequests":[{"EventId":"A"}]}`, `{"startrequests":[{"eventid":"A"},{"EventId":null}]}`, `{"StartRequests":null}`, "[", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ids, err := parseStartRequests(body)
		if err != nil {
			return
		}
		if len(ids) == 0 || len(ids) > maxStartRequests || !json.Valid(body) {
			t.Errorf("%q: %q", body, ids)
		}
		if slices.Contains(ids, "") {
			t.Errorf("%q: %q", body, ids)
		}
	})
}
