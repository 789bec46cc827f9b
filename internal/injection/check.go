package injection

import (
	"slices"
	"time"

	"midas/internal/azure"
	"midas/internal/fault"
)

// check says what is wrong with a rule.
func (r Rule) check() error {
	switch {
	case !slices.Contains(endpoints, r.Endpoint):
		return fault.New(fault.Invalid, "there is no endpoint %.64q\nhint: the endpoints are %v", string(r.Endpoint), endpoints).At("endpoint")
	case r.Identity != "" && r.Endpoint != Any && r.Endpoint != Token:
		return fault.New(fault.Invalid, "a request to %s has no identity\nhint: only requests for a token have; leave the endpoint out", r.Endpoint).At("identity")
	case r.Identity != "" && !isIdentity(r.Identity):
		return fault.New(fault.Invalid, "%.64q is no client id, object id or resource id", r.Identity).At("identity")
	case r.After < 0 || r.After > MaxRequests:
		return fault.New(fault.Invalid, "after %d requests is not between 0 and %d", r.After, MaxRequests).At("after")
	case r.Count < 0 || r.Count > MaxRequests:
		return fault.New(fault.Invalid, "a count of %d is not between 0 and %d\nhint: 0 goes on until the fault is cleared", r.Count, MaxRequests).At("count")
	}
	return r.Effect.check()
}

func isIdentity(s string) bool {
	if _, ok := azure.ParseGUID(s); ok {
		return true
	}
	_, err := azure.ParseResourceID(s)
	return err == nil
}

func (e Effect) check() error {
	switch {
	case e == Effect{}:
		return fault.New(fault.Invalid, "the fault does nothing\nhint: say what is to happen: a status, a delay, drop or truncate")
	case e.Status != 0 && (e.Status < 400 || e.Status > 599):
		return fault.New(fault.Invalid, "%d is not the status of a failure\nhint: those are 400 to 599, such as 404, 410, 429, 500 and 503", e.Status).At("status")
	case e.RetryAfter < 0 || e.RetryAfter > MaxRetryAfter || e.RetryAfter%time.Second != 0:
		return fault.New(fault.Invalid, "to retry after %v is not a whole number of seconds up to %d", e.RetryAfter, MaxRetryAfter/time.Second).At("retryAfter")
	case e.RetryAfter != 0 && e.Status == 0:
		return fault.New(fault.Invalid, "when to retry is said with a status only\nhint: such as 429 or 503").At("retryAfter")
	case e.Delay < 0 || e.Delay > MaxDelay:
		return fault.New(fault.Invalid, "a delay of %v is not between 0s and %v", e.Delay, MaxDelay).At("delay")
	case e.Drop && (e.Status != 0 || e.Truncate):
		return fault.New(fault.Invalid, "a connection that is dropped has no answer\nhint: choose between drop and the others").At("drop")
	}
	return nil
}
