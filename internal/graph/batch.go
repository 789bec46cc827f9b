package graph

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"midas/internal/wire"
)

// maxBatch is how many requests one batch has at most.
const maxBatch = 20

// batchRequest is one request of a batch.
type batchRequest struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"` // from after the version
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

type batchResponse struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// batch runs each request of a batch like one that comes alone, with the token
// of the batch: each is authorized and recorded for itself.
func (c *call) batch(w http.ResponseWriter) error {
	b, err := wire.JSONBody(c.request, maxBody)
	if err != nil {
		return err
	}
	requests, err := parseBatch(b)
	if err != nil {
		return err
	}
	done := map[string]batchResponse{}
	answer := struct {
		Responses []batchResponse `json:"responses"`
	}{[]batchResponse{}}
	for len(done) < len(requests) {
		before := len(done)
		for _, q := range requests {
			if _, ok := done[q.ID]; ok || !q.ready(done) {
				continue
			}
			resp := c.one(q, done)
			done[q.ID] = resp
			answer.Responses = append(answer.Responses, resp)
		}
		if len(done) == before {
			return badQuery("Invalid batch payload format: requests depend on each other in a circle.")
		}
	}
	return wire.WriteJSON(w, http.StatusOK, answer)
}

// parseBatch reads a batch.
func parseBatch(b []byte) ([]batchRequest, error) {
	var body struct {
		Requests []batchRequest `json:"requests"`
	}
	if err := json.Unmarshal(b, &body); err != nil || len(body.Requests) == 0 {
		return nil, badQuery("Invalid batch payload format.")
	}
	if len(body.Requests) > maxBatch {
		return nil, badQuery("Number of batch request steps exceeds the maximum value of %d.", maxBatch)
	}
	ids := map[string]bool{}
	for _, q := range body.Requests {
		if q.ID == "" || ids[q.ID] || q.Method == "" || !strings.HasPrefix(q.URL, "/") || strings.HasPrefix(strings.ToLower(q.URL), "/$batch") {
			return nil, badQuery("Invalid batch payload format: each request has an id of its own, a method and a relative url.")
		}
		ids[q.ID] = true
	}
	for _, q := range body.Requests {
		for _, id := range q.DependsOn {
			if !ids[id] {
				return nil, badQuery("Invalid batch payload format: '%.40s' depends on a request that is not there.", q.ID)
			}
		}
	}
	return body.Requests, nil
}

// ready reports whether all that a request depends on is done.
func (q batchRequest) ready(done map[string]batchResponse) bool {
	for _, id := range q.DependsOn {
		if _, ok := done[id]; !ok {
			return false
		}
	}
	return true
}

// one runs a request. Where what it depends on has failed it does not.
func (c *call) one(q batchRequest, done map[string]batchResponse) batchResponse {
	for _, id := range q.DependsOn {
		if done[id].Status >= http.StatusBadRequest {
			return batchResponse{ID: q.ID, Status: http.StatusFailedDependency, Body: encode(map[string]any{"error": map[string]string{"code": codeDependency, "message": "A request that this one depends on has failed."}})}
		}
	}
	r, err := http.NewRequestWithContext(c.request.Context(), q.Method, "https://"+c.request.Host+"/"+version+q.URL, bytes.NewReader(q.Body))
	if err != nil {
		return batchResponse{ID: q.ID, Status: http.StatusBadRequest, Body: encode(map[string]any{"error": map[string]string{"code": codeBadRequest, "message": "The request is not valid."}})}
	}
	r.RemoteAddr = c.request.RemoteAddr
	for name, value := range q.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", c.request.Header.Get("Authorization"))
	into := &collected{header: http.Header{}}
	c.whole.ServeHTTP(into, r)
	resp := batchResponse{ID: q.ID, Status: into.status, Body: bytes.TrimSpace(into.body.Bytes()), Headers: map[string]string{}}
	for _, name := range []string{"Location", "Content-Type"} {
		if v := into.header.Get(name); v != "" {
			resp.Headers[name] = v
		}
	}
	return resp
}

// collected is an answer that is kept in place of being sent.
type collected struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (c *collected) Header() http.Header { return c.header }

func (c *collected) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *collected) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(b)
}
