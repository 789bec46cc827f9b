package injection

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
	"midas/internal/fault"
)

const (
	client = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	object = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	group  = "/subscriptions/" + client + "/resourceGroups/g/providers/"
)

func id(s string) azure.ResourceID {
	r, err := azure.ParseResourceID(group + s)
	if err != nil {
		panic(err)
	}
	return r
}

var (
	one  = id("Microsoft.Compute/virtualMachines/one")
	two  = id("Microsoft.Compute/virtualMachines/two")
	user = id("Microsoft.ManagedIdentity/userAssignedIdentities/user")

	token    = Request{Machine: one, Endpoint: Token, Client: client, Object: object, Resource: user}
	refused  = Request{Machine: one, Endpoint: Token} // a token that nobody would get
	instance = Request{Machine: one, Endpoint: Instance}
)

func add(t *testing.T, s *Rules, r Rule) Rule {
	t.Helper()
	r, err := s.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// always is an effect where the effect is not what a test is about.
var always = Effect{Status: 500}

func TestMatch(t *testing.T) {
	elsewhere := token
	elsewhere.Machine = two
	for _, c := range []struct {
		name string
		rule Rule
		want map[string]bool // of token, elsewhere, refused, instance
	}{
		{"everything", Rule{}, map[string]bool{"token": true, "elsewhere": true, "refused": true, "instance": true}},
		{"a machine", Rule{Machine: one}, map[string]bool{"token": true, "refused": true, "instance": true}},
		{"a machine in another case", Rule{Machine: id("microsoft.compute/VIRTUALMACHINES/ONE")}, map[string]bool{"token": true, "refused": true, "instance": true}},
		{"an endpoint", Rule{Endpoint: Token}, map[string]bool{"token": true, "elsewhere": true, "refused": true}},
		{"another endpoint", Rule{Endpoint: Instance}, map[string]bool{"instance": true}},
		{"an endpoint that nobody asked", Rule{Endpoint: LoadBalancer}, nil},
		{"a client id", Rule{Identity: strings.ToUpper(client)}, map[string]bool{"token": true, "elsewhere": true}},
		{"an object id", Rule{Identity: object, Endpoint: Token}, map[string]bool{"token": true, "elsewhere": true}},
		{"a resource id", Rule{Identity: strings.ToUpper(user.String())}, map[string]bool{"token": true, "elsewhere": true}},
		{"another identity", Rule{Identity: azure.NewGUID()}, nil},
		{"another identity's resource", Rule{Identity: one.String()}, nil},
		{"an identity on a machine", Rule{Identity: client, Machine: two}, map[string]bool{"elsewhere": true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, q := range map[string]Request{"token": token, "elsewhere": elsewhere, "refused": refused, "instance": instance} {
				var s Rules
				c.rule.Effect = always
				add(t, &s, c.rule)
				if _, hit := s.Take(q); hit != c.want[name] {
					t.Errorf("%s: hit %v", name, hit)
				}
			}
		})
	}
}

// TestSequence pins what becomes of each request in turn, by the id of the
// rule that hit it, or "-".
func TestSequence(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"none", nil, "- - -"},
		{"once", []Rule{{Count: 1}}, "1 - -"},
		{"after two", []Rule{{After: 2, Count: 2}}, "- - 1 1 - -"},
		{"until cleared", []Rule{{After: 1}}, "- 1 1 1 1"},
		{"one after the other", []Rule{{Count: 2}, {Count: 1}}, "1 1 2 -"},
		{"what the first lets through, no other takes", []Rule{{After: 2, Count: 1}, {After: 1, Count: 1}}, "- - 1 - 2 -"},
		{"what the first does not mean, the second takes", []Rule{{Endpoint: Instance, Count: 1}, {Count: 2}}, "2 2 -"},
		{"another machine's", []Rule{{Machine: two}, {Machine: one, Count: 1}}, "2 -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Rules
			for _, r := range c.rules {
				r.Effect = always
				add(t, &s, r)
			}
			var got []string
			for range strings.Fields(c.want) {
				r, hit := s.Take(token)
				if !hit {
					r.ID = "-"
				}
				got = append(got, r.ID)
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestExact lets 64 callers ask at once, again and again: each request counts
// for one rule, once.
func TestExact(t *testing.T) {
	const callers, each, after, count = 64, 100, 517, 1289
	var s Rules
	add(t, &s, Rule{Effect: always, After: after, Count: count})
	add(t, &s, Rule{Effect: Effect{Drop: true}, Count: count})
	add(t, &s, Rule{Effect: always, Endpoint: Instance})
	var hits [3]atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				switch r, hit := s.Take(token); {
				case !hit:
					hits[0].Add(1)
				case r.Drop:
					hits[2].Add(1)
				default:
					hits[1].Add(1)
				}
			}
		})
	}
	wg.Wait()
	got := fmt.Sprint(hits[0].Load(), hits[1].Load(), hits[2].Load())
	if want := fmt.Sprint(callers*each-2*count, count, count); got != want {
		t.Errorf("let through and hit %s, want %s", got, want)
	}
	all := s.List()
	if all[0].Passed != after || all[0].Hits != count || all[1].Hits != count || all[2].Hits != 0 {
		t.Errorf("%+v", all)
	}
	if left, ends := all[0].Left(); left != 0 || !ends {
		t.Error(left, ends)
	}
	if _, ends := all[2].Left(); ends {
		t.Error("a rule without a count ends")
	}
}

func TestListAndClear(t *testing.T) {
	var s Rules
	if s.Some() || len(s.List()) != 0 {
		t.Error("there are rules before any was made")
	}
	first := add(t, &s, Rule{Effect: always, Count: 3, Hits: 2, ID: "mine"})
	second := add(t, &s, Rule{Effect: Effect{Delay: time.Second}})
	if diff := cmp.Diff([]string{"1", "2"}, []string{first.ID, second.ID}); diff != "" || first.Hits != 0 || first.Endpoint != Any || !s.Some() {
		t.Error(diff, first)
	}
	if err := s.Clear("3"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if err := s.Clear("1"); err != nil || len(s.List()) != 1 || s.List()[0].ID != "2" || !s.Some() {
		t.Error(err, s.List())
	}
	if third := add(t, &s, Rule{Effect: always}); third.ID != "3" {
		t.Errorf("an id came again: %s", third.ID)
	}
	if err := s.Clear(""); err != nil || len(s.List()) != 0 || s.Some() {
		t.Error(err, s.List())
	}
	if err := s.Clear(""); err != nil {
		t.Error("nothing to clear is a failure:", err)
	}
	if _, hit := s.Take(token); hit {
		t.Error("a cleared rule hits")
	}
	for range MaxRules {
		add(t, &s, Rule{Effect: always})
	}
	if _, err := s.Add(Rule{Effect: always}); !fault.Is(err, fault.Conflict) {
		t.Error("no end of rules:", err)
	}
}

func TestRefused(t *testing.T) {
	for name, r := range map[string]Rule{
		"nothing":                        {},
		"an unknown endpoint":            {Effect: always, Endpoint: "tokens"},
		"an identity where none is":      {Effect: always, Endpoint: Instance, Identity: client},
		"no identity":                    {Effect: always, Identity: "user"},
		"success":                        {Effect: Effect{Status: 200}},
		"a redirect":                     {Effect: Effect{Status: 302}},
		"no status":                      {Effect: Effect{Status: 600}},
		"a negative status":              {Effect: Effect{Status: -1}},
		"half a second to retry":         {Effect: Effect{Status: 429, RetryAfter: time.Second / 2}},
		"to retry before":                {Effect: Effect{Status: 429, RetryAfter: -time.Second}},
		"to retry next week":             {Effect: Effect{Status: 429, RetryAfter: 168 * time.Hour}},
		"to retry without a status":      {Effect: Effect{Delay: time.Second, RetryAfter: time.Second}},
		"a delay back":                   {Effect: Effect{Delay: -time.Second}},
		"a delay without end":            {Effect: Effect{Delay: time.Hour}},
		"a status on what is dropped":    {Effect: Effect{Drop: true, Status: 500}},
		"a dropped answer cut short":     {Effect: Effect{Drop: true, Truncate: true}},
		"after less than nothing":        {Effect: always, After: -1},
		"after more than there ever are": {Effect: always, After: MaxRequests + 1},
		"a negative count":               {Effect: always, Count: -1},
		"a count too large":              {Effect: always, Count: MaxRequests + 1},
	} {
		var s Rules
		if _, err := s.Add(r); !fault.Is(err, fault.Invalid) || s.Some() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEffectInWords(t *testing.T) {
	for want, e := range map[string]Effect{
		"status 429, Retry-After 2": {Status: 429, RetryAfter: 2 * time.Second},
		"delay 1.5s":                {Delay: 1500 * time.Millisecond},
		"delay 2s, drop":            {Delay: 2 * time.Second, Drop: true},
		"delay 2s, status 503, Retry-After 1, truncate": {Delay: 2 * time.Second, Status: 503, RetryAfter: time.Second, Truncate: true},
	} {
		if got := e.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// FuzzAdd holds that a rule that is taken can be matched and told, and that
// none is taken beyond the limits.
func FuzzAdd(f *testing.F) {
	f.Add("token", client, 429, int64(2), int64(0), false, false, int64(0), int64(1))
	f.Add("any", user.String(), 0, int64(0), int64(5), false, true, int64(3), int64(0))
	f.Add("", "", 0, int64(0), int64(0), true, false, int64(-1), int64(1))
	f.Fuzz(func(t *testing.T, endpoint, identity string, status int, retry, delay int64, drop, truncate bool, after, count int64) {
		var s Rules
		r, err := s.Add(Rule{Endpoint: Endpoint(endpoint), Identity: identity, After: after, Count: count,
			Effect: Effect{Status: status, RetryAfter: time.Duration(retry) * time.Second, Delay: time.Duration(delay) * time.Second, Drop: drop, Truncate: truncate}})
		if err != nil {
			return
		}
		if r.Effect.String() == "" || r.Delay > MaxDelay || r.Delay < 0 || r.After < 0 || r.Count < 0 || r.Status != 0 && (r.Status < 400 || r.Status > 599) {
			t.Errorf("taken: %+v", r)
		}
		for range 4 {
			s.Take(token)
		}
		if all := s.List(); len(all) != 1 || all[0].Passed > r.After || r.Count != 0 && all[0].Hits > r.Count {
			t.Errorf("%+v", all)
		}
	})
}
