// Package injection owns fault injection: the rules by which chosen requests
// to a machine's local endpoints fail, how often, and how often they have. The
// rules are exact: each request is counted once, and nothing in them is left
// to chance or to the time. It answers no request: a door asks what a request
// is to suffer, and acts it out. It keeps its rules in memory only. It may
// import azure and fault.
package injection

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
)

// Endpoint is what of a machine's metadata service is asked.
type Endpoint string

// The endpoints. Any stands for all of them in a rule.
const (
	Any             Endpoint = "any"
	Token           Endpoint = "token"
	Info            Endpoint = "info"
	Instance        Endpoint = "instance"
	Versions        Endpoint = "versions"
	Attested        Endpoint = "attested"
	ScheduledEvents Endpoint = "scheduledevents"
	LoadBalancer    Endpoint = "loadbalancer"
)

var endpoints = []Endpoint{Any, Token, Info, Instance, Versions, Attested, ScheduledEvents, LoadBalancer}

// Limits of a rule, and of how many there are.
const (
	MaxRules      = 1000
	MaxDelay      = 5 * time.Minute
	MaxRetryAfter = time.Hour
	MaxRequests   = 1_000_000_000 // in After and in Count
)

// Effect is what a request suffers. A delay comes before everything else. With
// a delay alone, or cut short, the answer is the one that it would have been.
type Effect struct {
	Status     int           // of the answer, 0 for the true one
	RetryAfter time.Duration // whole seconds, 0 for no such header
	Delay      time.Duration
	Drop       bool // the connection is closed without an answer
	Truncate   bool // the body is shorter than its length says
}

// Rule says which requests suffer what. Of the requests that match, it lets
// After through and then hits Count, or all until it is cleared where Count is 0.
type Rule struct {
	ID       string
	Machine  azure.ResourceID // the zero value is every machine
	Identity string           // client id, object id or resource id; "" is every request
	Endpoint Endpoint
	Effect
	After, Count int64

	// What has been so far: how many were let through, and how many hit.
	Passed, Hits int64
}

// Left is how many requests the rule will still hit; it has no end where Count is 0.
func (r Rule) Left() (n int64, ends bool) { return r.Count - r.Hits, r.Count != 0 }

// live tells whether the rule still decides about requests.
func (r Rule) live() bool { return r.Count == 0 || r.Hits < r.Count }

// Request is what is known of a request.
type Request struct {
	Machine  azure.ResourceID
	Endpoint Endpoint

	// The identity whose token it would get; zero where it would get none.
	Client   azure.AppID
	Object   azure.ObjectID
	Resource azure.ResourceID
}

func (r Rule) matches(q Request) bool {
	return (r.Endpoint == Any || r.Endpoint == q.Endpoint) &&
		(r.Machine == azure.ResourceID{} || r.Machine.Equal(q.Machine)) &&
		(r.Identity == "" || r.means(q))
}

// means tells whether the rule's identity is that of a request.
func (r Rule) means(q Request) bool {
	if q.Object == "" {
		return false
	}
	if strings.EqualFold(r.Identity, string(q.Client)) || strings.EqualFold(r.Identity, string(q.Object)) {
		return true
	}
	id, err := azure.ParseResourceID(r.Identity)
	return err == nil && id.Equal(q.Resource)
}

// Rules are those of one server, in the order in which they were made. The
// zero value has none. Its methods may be called at the same time.
type Rules struct {
	mu    sync.Mutex
	rules []*Rule
	last  int // the last id given
	some  atomic.Bool
}

// Add makes a rule, and returns it with its id. Whether its machine and
// identity exist is for the caller to see to.
func (s *Rules) Add(r Rule) (Rule, error) {
	if r.Endpoint == "" {
		r.Endpoint = Any
	}
	if err := r.check(); err != nil {
		return Rule{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rules) == MaxRules {
		return Rule{}, fault.New(fault.Conflict, "there are %d faults, and no more are possible\nhint: `midas fault clear` removes all of them", MaxRules)
	}
	s.last++
	r.ID, r.Passed, r.Hits = strconv.Itoa(s.last), 0, 0
	s.rules = append(s.rules, &r)
	s.some.Store(true)
	return r, nil
}

// List returns every rule, used up or not, in the order of their making.
func (s *Rules) List() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Rule, 0, len(s.rules))
	for _, r := range s.rules {
		all = append(all, *r)
	}
	return all
}

// Clear removes a rule, or all with "".
func (s *Rules) Clear(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.rules)
	s.rules = slices.DeleteFunc(s.rules, func(r *Rule) bool { return id == "" || r.ID == id })
	if id != "" && len(s.rules) == before {
		return fault.New(fault.NotFound, "there is no fault %q\nhint: `midas fault list` shows those there are", id)
	}
	s.some.Store(len(s.rules) > 0)
	return nil
}

// Some reports whether there is any rule at all. It costs nearly nothing.
func (s *Rules) Some() bool { return s.some.Load() }

// Take counts a request and returns the rule that hits it, if one does. The
// first rule that matches and is not used up decides, be it to let the request
// through: rules for the same requests are a sequence.
func (s *Rules) Take(q Request) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if !r.live() || !r.matches(q) {
			continue
		}
		if r.Passed < r.After {
			r.Passed++
			return Rule{}, false
		}
		r.Hits++
		return *r, true
	}
	return Rule{}, false
}

// String says what is done, in words for people.
func (e Effect) String() string {
	var parts []string
	if e.Delay > 0 {
		parts = append(parts, "delay "+e.Delay.String())
	}
	if e.Drop {
		parts = append(parts, "drop")
	}
	if e.Status != 0 {
		parts = append(parts, "status "+strconv.Itoa(e.Status))
	}
	if e.RetryAfter > 0 {
		parts = append(parts, fmt.Sprintf("Retry-After %d", e.RetryAfter/time.Second))
	}
	if e.Truncate {
		parts = append(parts, "truncate")
	}
	return strings.Join(parts, ", ")
}
