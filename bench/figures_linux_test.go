//go:build bench

package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

// rounds is how often each path and its limit take turns.
const rounds = 7

// TestFigures prints the table.
func TestFigures(t *testing.T) {
	c, err := findCores()
	if err != nil {
		t.Fatal(err)
	}
	binary := buildMidas(t)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)

	starts(t, w, c, binary)
	memory(t, w, c, binary)
	machines(t, w, c, binary)
	if err := keepTo(c.client); err != nil {
		t.Fatal(err)
	}
	server := startCloud(t, c.server, binary)
	fmt.Fprintf(w, "%s\tmidas µs\tlimit µs\tratio\tgoal ≤\tmidas/s\tlimit/s\tmidas p99 ms\tlimit p99 ms\t\n", named("server CPU per request"))
	for _, p := range paths(t, server) {
		p.turns(t, c, server).print(w, p.name, p.goal)
	}
	issuing(t).print(w, "sts.Issue, in process ÷ raw RSA sign", 1.06)
	fmt.Fprintf(w, "%s\t\t%.1f\t\n", named("4 KiB to the disk (fdatasync), wall"), µs(fsync(t)))
	w.Flush()
	if err := server.end(); err != nil {
		t.Error(err)
	}
	t.Logf("medians of %d rounds\n%s", rounds, &table)
	for line := range strings.Lines(server.stderr.String()) {
		if strings.Contains(line, "level=") {
			t.Errorf("the server says: %s", line)
		}
	}
}

// path is a hot path of design.md section 12 beside its limit: a bare handler
// with the same body over the same kind of connection.
type path struct {
	name            string
	goal            float64 // of the ratio
	lines, requests int     // connections, and requests in a round
	at              place
	next            func() []byte
	answered        func([]byte)         // nil where the answers are of no use
	besides         func() time.Duration // what the limit has besides a bare answer; nil for nothing
}

// paths is the list of them. They are measured in this order: the tokens that
// one has minted are the new bearers of a later one.
func paths(t *testing.T, s *cloud) []path {
	bearers := make(chan string, 4096)
	keep := func(answer []byte) { bearers <- tokenIn(answer) }
	fresh := func() []byte { return s.getSecret(<-bearers) }
	var sets atomic.Int64
	set := func() []byte { return s.setSecret("bench-" + strconv.FormatInt(sets.Add(1)%64, 10)) }
	return []path{
		{name: "IMDS token, cached", goal: 1.2, lines: 8, requests: 6000, at: s.machine, next: same(s.tokenRequest(""))},
		{name: "IMDS token, cached, 1 connection", goal: 1.2, lines: 1, requests: 4000, at: s.machine, next: same(s.tokenRequest(""))},
		{name: "IMDS token, cached, 16 connections", goal: 1.2, lines: 16, requests: 6000, at: s.machine, next: same(s.tokenRequest(""))},
		{name: "IMDS token, cached, 64 connections", goal: 1.2, lines: 64, requests: 6000, at: s.machine, next: same(s.tokenRequest(""))},
		{name: "IMDS instance", goal: 1.25, lines: 8, requests: 6000, at: s.machine, next: same(s.instanceRequest())},
		{name: "IMDS token, minted ÷ bare + raw RSA sign", goal: 1.06, lines: 2, requests: 400, at: s.machine,
			next: same(s.tokenRequest("&bypass_cache=true")), answered: keep, besides: rawSign(t)},
		{name: "Key Vault GET, bearer seen", goal: 1.5, lines: 8, requests: 4000, at: s.vaults, next: same(s.getSecret(s.readerToken))},
		{name: "Key Vault GET, bearer new", goal: 4, lines: 8, requests: 350, at: s.vaults, next: fresh},
		{name: "Key Vault SET, 1 client", goal: 4, lines: 1, requests: 300, at: s.vaults, next: set},
		{name: "Key Vault SET, 64 clients", goal: 4, lines: 64, requests: 1500, at: s.vaults, next: set},
		{name: "Resource Manager GET, bearer seen", goal: 1.5, lines: 8, requests: 4000, at: s.manager, next: same(s.getMachine())},
	}
}

// figures are what the rounds gave.
type figures struct {
	midas, limit []cost
	ratios       []float64
}

// turns lets the path and its limit take turns, each first in every other one.
func (p path) turns(t *testing.T, c cores, s *cloud) (f figures) {
	answer := s.once(t, p.at, 200, p.next())
	bare, at := startBare(t, c.server, p.at.socket != "", answer)
	defer bare.end()
	ours, limit := against(t, s.process, p.at, p.lines, p.next), against(t, bare, at, p.lines, same(p.next()))
	defer ours.close()
	defer limit.close()
	ours.answered = p.answered
	for round := range rounds {
		var costs [2]cost // ours, the limit's
		for turn := range 2 {
			who := (round + turn) % 2
			var err error
			if costs[who], err = []*load{ours, limit}[who].measure(p.requests); err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
		}
		if p.besides != nil {
			costs[1].cpu += p.besides()
		}
		f.add(costs[0], costs[1])
	}
	return f
}

func (f *figures) add(midas, limit cost) {
	f.midas, f.limit = append(f.midas, midas), append(f.limit, limit)
	f.ratios = append(f.ratios, float64(midas.cpu)/float64(limit.cpu))
}

func (f figures) print(w io.Writer, name string, goal float64) {
	cpu := func(c cost) time.Duration { return c.cpu }
	rate := func(c cost) float64 { return c.rate }
	p99 := func(c cost) time.Duration { return c.p99 }
	fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\t%.2f\t", named(name),
		µs(median(f.midas, cpu)), µs(median(f.limit, cpu)), median(f.ratios, func(r float64) float64 { return r }), goal)
	if median(f.midas, rate) > 0 { // it went over the wire
		fmt.Fprintf(w, "%.0f\t%.0f\t%.2f\t%.2f\t", median(f.midas, rate), median(f.limit, rate), µs(median(f.midas, p99))/1000, µs(median(f.limit, p99))/1000)
	}
	fmt.Fprintln(w)
}

func µs(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// named keeps names to the left of a table whose numbers are to the right.
func named(name string) string { return fmt.Sprintf("%-42s", name) }
