package insights

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/fault"
)

// text is a name with what it is called in the reader's language.
type text struct {
	Value     string `json:"value"`
	Localized string `json:"localizedValue"`
}

func named(s string) text { return text{s, s} }

const category = "Administrative"

func status(e *activity.Entry) string {
	if e.Status >= http.StatusBadRequest {
		return "Failed"
	}
	return "Succeeded"
}

func level(e *activity.Entry) string {
	if e.Status >= http.StatusBadRequest {
		return "Error"
	}
	return "Informational"
}

// event is the shape of one event, by the names of its members.
type event map[string]any

func show(c *arm.Call, e *activity.Entry, names callers) event {
	target, _ := azure.ParseResourceID(e.Target) // it was read before
	namespace, _, _ := strings.Cut(e.Operation, "/")
	code := strings.ReplaceAll(http.StatusText(e.Status), " ", "")
	properties := map[string]string{"statusCode": code, "serviceRequestId": e.RequestID, "eventCategory": category, "entity": target.String(), "message": e.Operation}
	if e.Code != "" {
		properties["statusMessage"] = fmt.Sprintf(`{"error":{"code":%q}}`, e.Code)
	}
	ticks := e.Time.Unix()*1e7 + int64(e.Time.Nanosecond()/100) + 621355968000000000
	return event{
		"id":                   fmt.Sprintf("%s/events/%s/ticks/%d", target, e.RequestID, ticks),
		"authorization":        map[string]string{"action": e.Operation, "scope": target.String()},
		"caller":               names[azure.ObjectID(e.Caller)],
		"claims":               map[string]string{"http://schemas.microsoft.com/identity/claims/objectidentifier": e.Caller},
		"channels":             "Operation",
		"category":             named(category),
		"correlationId":        e.CorrelationID,
		"description":          "",
		"eventDataId":          e.RequestID,
		"eventName":            text{"EndRequest", "End request"},
		"eventTimestamp":       arm.Timestamp(e.Time),
		"httpRequest":          map[string]string{"clientRequestId": e.CorrelationID, "clientIpAddress": address(e.ClientAddress), "method": e.Method},
		"level":                level(e),
		"operationId":          e.CorrelationID,
		"operationName":        named(e.Operation),
		"properties":           properties,
		"resourceGroupName":    target.ResourceGroup(),
		"resourceId":           target.String(),
		"resourceProviderName": named(namespace),
		"resourceType":         named(target.Type()),
		"status":               named(status(e)),
		"subStatus":            text{code, fmt.Sprintf("%s (HTTP Status Code: %d)", http.StatusText(e.Status), e.Status)},
		"submissionTimestamp":  arm.Timestamp(e.Time.Truncate(time.Second)),
		"subscriptionId":       string(c.ID.Subscription()),
		"tenantId":             string(c.Caller.Tenant),
	}
}

// address is that of the peer, without its port.
func address(peer string) string {
	if i := strings.LastIndexByte(peer, ':'); i > 0 {
		peer = peer[:i]
	}
	return strings.Trim(peer, "[]")
}

// selection is a parsed $select: the members to be told, nil for all.
type selection []string

// parseSelect reads names with commas between them.
func parseSelect(s string) (selection, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var names selection
	for name := range strings.SplitSeq(s, ",") {
		if name = azure.Fold(strings.Trim(name, " +")); name == "" || len(names) == 64 {
			return nil, fault.New(fault.Invalid, "The value '%.256s' of the query parameter '$select' is not a list of names.", s).Named("InvalidSelectInQueryString")
		}
		names = append(names, name)
	}
	return names, nil
}

// of leaves out what is not asked for.
func (s selection) of(e event) event {
	for name := range e {
		if s != nil && !slices.Contains(s, azure.Fold(name)) {
			delete(e, name)
		}
	}
	return e
}
