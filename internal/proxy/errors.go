package proxy

import (
	"errors"
	"net/http"
	"strings"

	"midas/internal/fault"
	"midas/internal/wire"
)

// Codes of failures. The wire is our own: clients of a proxy look at the
// status only, people at the message.
const (
	codeNoProxyRequest = "NotAProxyRequest"
	codeTarget         = "InvalidTarget"
	codeNotTunnelled   = "NotTunnelled"
	codeCredential     = "ProxyAuthenticationRequired"
	codeName           = "NotOfferedHere"
	codeClosed         = "NotOfThisCloud"
	codeAddress        = "AddressRefused"
	codeUnreachable    = "Unreachable"
	codeTunnels        = "TooManyTunnels"
	codeInternal       = "InternalError"
)

// hintMark parts what went wrong from what to do about it in a fault's message.
const hintMark = "\nhint: "

var (
	errNoProxyRequest = fault.New(fault.Invalid, "This is the front port of midas: the cloud's services over TLS by their own names, and a proxy to them. There is no page here."+
		hintMark+"`midas run -- COMMAND` runs a command that reaches them, and `midas env` prints the variables for a shell.").Named(codeNoProxyRequest)
	errTarget       = fault.New(fault.Invalid, "The request does not say which host and port it is for.").Named(codeTarget)
	errNotTunnelled = fault.New(fault.Invalid, "A proxy is asked for an https address by CONNECT.").Named(codeNotTunnelled)
	errCredential   = fault.New(fault.Unauthorized, "The proxy's address needs the credential of a run, and there is none, or it has ended."+
		hintMark+"`midas run --via proxy` and `midas env` give a new one.").Named(codeCredential)
	errTunnels = fault.New(fault.Throttled, "This run has too many connections open.").Named(codeTunnels)
	errAddress = fault.New(fault.Forbidden, "No way leads from here to this address: it is this proxy's own, or another cloud's metadata service.").Named(codeAddress)
)

func errName(t target) error {
	return fault.New(fault.Forbidden, "The cloud answers for %s, but not at this port and in this way."+hintMark+"use https, at port 443.", t.host).Named(codeName)
}

func errClosed(t target) error {
	return fault.New(fault.Forbidden, "%s is no address of this cloud, or not one of this machine."+hintMark+
		"`midas run --via proxy --vm NAME` has a machine's addresses; with --egress other hosts are reached, too; NO_PROXY keeps your own hosts away from the proxy.", t).Named(codeClosed)
}

func errUnreachable(t target, cause error) error {
	if errors.Is(cause, errAddress) {
		return errAddress
	}
	return fault.Wrap(cause, fault.Unavailable, "%s cannot be reached.", t).Named(codeUnreachable)
}

// statuses is the one table of failures.
var statuses = map[fault.Kind]int{
	fault.Invalid:      http.StatusBadRequest,
	fault.Unauthorized: http.StatusProxyAuthRequired,
	fault.Forbidden:    http.StatusForbidden,
	fault.Throttled:    http.StatusServiceUnavailable,
	fault.Unavailable:  http.StatusBadGateway,
}

// fail is the door's one writer of errors.
func fail(w http.ResponseWriter, r *http.Request, err error) string {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Hint    string `json:"hint,omitempty"`
		} `json:"error"`
	}
	status := http.StatusInternalServerError
	e := &body.Error
	e.Code, e.Message = codeInternal, "Something failed inside; the log says what, under request "+wire.EventOf(r.Context()).RequestID+"."
	if f, ok := errors.AsType[*fault.Error](err); ok && statuses[f.Kind] != 0 {
		status, e.Code = statuses[f.Kind], f.Code
		e.Message, e.Hint, _ = strings.Cut(f.Message, hintMark)
	}
	if e.Code == wire.CodeHeadersTooLarge {
		status = http.StatusRequestHeaderFieldsTooLarge
	}
	if status == http.StatusProxyAuthRequired {
		w.Header().Set("Proxy-Authenticate", `Basic realm="midas"`)
	}
	if r.Method == http.MethodConnect {
		// The Azure SDK for Java goes on after a refusal as if it had its
		// tunnel; on a new connection it sends its credential.
		w.Header().Set("Connection", "close")
	}
	wire.WriteJSON(w, status, body) // strings always encode
	return e.Code
}
