package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"

	"midas/internal/fault"
)

// Client speaks to the door on a socket. Every error is a *[fault.Error]
// whose message is fit to print, with a hint where there is something to do.
type Client struct {
	path string
	http *http.Client
}

// Dial returns a client of the socket at path. Nothing is opened until it is asked.
func Dial(path string) *Client {
	var d net.Dialer
	return &Client{path: path, http: &http.Client{
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
			DisableKeepAlives: true, // one command, one question
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Status asks what runs here.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, "/status", nil)
}

// Token asks for an operator's token for a resource.
func (c *Client) Token(ctx context.Context, resource string) (Token, error) {
	return ask[Token](ctx, c, http.MethodPost, "/token", TokenRequest{resource})
}

// Why asks whether a principal may do something.
func (c *Client) Why(ctx context.Context, q WhyRequest) (WhyAnswer, error) {
	return ask[WhyAnswer](ctx, c, http.MethodPost, "/why", q)
}

// CreateServicePrincipal makes an application with a service principal.
func (c *Client) CreateServicePrincipal(ctx context.Context, q ServicePrincipalRequest) (ServicePrincipal, error) {
	return ask[ServicePrincipal](ctx, c, http.MethodPost, "/service-principals", q)
}

// Attached is a machine's endpoints, held open. They go with [Attached.Close],
// with the context that they were asked in, and with the process.
type Attached struct {
	Attachment
	body  io.Closer
	leave context.CancelFunc
}

// Close releases the endpoints.
func (a *Attached) Close() error {
	a.leave()
	a.body.Close()
	return nil
}

// Attach asks for the endpoints of a machine.
func (c *Client) Attach(ctx context.Context, q AttachRequest) (*Attached, error) {
	ctx, leave := context.WithCancel(ctx)
	resp, err := c.send(ctx, http.MethodPost, "/attach", q)
	if err != nil {
		leave()
		return nil, err
	}
	a := &Attached{body: resp.Body, leave: leave}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&a.Attachment); err != nil {
		a.Close()
		return nil, c.lost(err)
	}
	return a, nil
}

// maxAnswer bounds what a client reads, in bytes.
const maxAnswer = 1 << 20

// ask sends a request and decodes its whole answer.
func ask[T any](ctx context.Context, c *Client, method, path string, body any) (v T, err error) {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&v); err != nil {
		return v, c.lost(err)
	}
	return v, nil
}

// send returns a response with status 200, whose body the caller closes.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the request cannot be written as JSON")
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://midas"+path, content)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the request is not valid")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return nil, c.lost(err)
		}
		return nil, faultOf(resp.StatusCode, b)
	}
	return resp, nil
}

// lost says in whose words a connection failed.
func (c *Client) lost(err error) *fault.Error {
	op, dialled := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Unavailable, "interrupted while waiting for midas")
	case errors.Is(err, os.ErrPermission):
		return fault.Wrap(err, fault.Forbidden, "%s belongs to another user%srun this as the user who runs midas", c.path, hintMark)
	case dialled && op.Op == "dial":
		return fault.Wrap(err, fault.Unavailable, "no midas is running here (%s)%sstart one with `midas up`, or name its data directory with --data", c.path, hintMark)
	}
	return fault.Wrap(err, fault.Unavailable, "midas went away before it answered%sits own output says why", hintMark)
}
