package control

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/fault"
)

var left = int64(1)

var testFault = Fault{ID: "3", FaultRequest: FaultRequest{VM: "/vm", Identity: "i", Endpoint: "token", Status: 429, RetryAfter: 2, Delay: "1s", Truncate: true, After: 4, Count: 2},
	Passed: 4, Hits: 1, Left: &left, What: "status 429"}

func TestFaults(t *testing.T) {
	ctx, c := t.Context(), serve(t, testDoor())
	all, err := c.Faults(ctx)
	if diff := cmp.Diff(Faults{[]Fault{testFault}}, all); diff != "" || err != nil {
		t.Error(diff, err)
	}
	q := FaultRequest{VM: "ubuntu", Endpoint: "instance", Drop: true, Count: 0}
	f, err := c.AddFault(ctx, q)
	if diff := cmp.Diff(Fault{ID: "7", FaultRequest: q}, f); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := c.AddFault(ctx, FaultRequest{Status: 200}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "hint: say 500") {
		t.Error(err)
	}
	if all, err = c.ClearFaults(ctx, ""); err != nil || len(all.Faults) != 1 {
		t.Error(all, err)
	}
	if _, err = c.ClearFaults(ctx, "8"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// TestFaultsInTheirJSON pins the member names that scripts rely on.
func TestFaultsInTheirJSON(t *testing.T) {
	c := serve(t, testDoor())
	resp, err := c.http.Get("http://midas/faults")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `{"faults":[{"id":"3","vm":"/vm","identity":"i","endpoint":"token","status":429,"retryAfter":2,"delay":"1s","truncate":true,"after":4,"count":2,"passed":4,"hits":1,"left":1,"what":"status 429"}]}`
	if _, body, _ := strings.Cut(b.String(), "\r\n\r\n"); body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	bad, err := c.http.Post("http://midas/faults/add", "application/json", strings.NewReader(`{"stauts": 500}`))
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Body.Close()
	if bad.StatusCode != http.StatusBadRequest {
		t.Errorf("a member with a mistake in its name: %d", bad.StatusCode)
	}
}
