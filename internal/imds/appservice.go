package imds

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/wire"
)

// appService is one of App Service's endpoints. They differ in how a secret is
// sent, an identity picked and a time written (local-endpoints.md D.2).
type appService struct {
	*Machine
	version string // api-version
	header  string // that carries the secret
	secret  string
	client  bool // the answer tells the client id
	expires func(s *state, t time.Time) string
}

// AppService returns the handler of App Service's endpoint, /msi/token.
func (m *Machine) AppService(secret string) http.Handler {
	return appService{m, "2019-08-01", "X-Identity-Header", secret, true, epoch}.handler()
}

// AppService2017 returns the handler of App Service's endpoint as it was
// before, with a time for people to read.
func (m *Machine) AppService2017(secret string) http.Handler {
	return appService{m, "2017-09-01", "Secret", secret, false, calendar}.handler()
}

// MachineLearning returns the handler of Azure ML's endpoint, which is App
// Service's older one but for the time.
func (m *Machine) MachineLearning(secret string) http.Handler {
	return appService{m, "2017-09-01", "Secret", secret, false, epoch}.handler()
}

func epoch(_ *state, t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// calendar writes a time as the machine's system does.
func calendar(s *state, t time.Time) string {
	layout := "01/02/2006 15:04:05 -07:00"
	if os, ok := find(s.document, []string{"compute", "osType"}, sinceInstance); ok && os == leaf("Windows") {
		layout = "1/2/2006 3:04:05 PM -07:00"
	}
	return t.UTC().Format(layout)
}

func (a appService) handler() http.Handler { return a.Machine.handler(failAppService, a.serve) }

func (a appService) serve(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("X-Correlation-Id", wire.EventOf(r.Context()).RequestID)
	segs, err := wire.Segments(r)
	if err != nil {
		return err
	}
	switch {
	case !loopbackHost(r.Host):
		return errHost
	case !isPath(segs, "msi", "token"):
		return errNotFound
	case !knows(r, a.header, a.secret):
		return errSecret
	}
	if err := refuseForwarded(r); err != nil {
		return err
	}
	if err := allow(w, r, http.MethodGet); err != nil {
		return err
	}
	p, err := parseParams(nil, r.URL.RawQuery)
	if err != nil {
		return err
	}
	if v := p.get("api-version"); v != a.version {
		return errVersion
	}
	q, err := readAsk(p, allSelectors)
	if err != nil {
		return err
	}
	s, err := a.present(r.Context())
	if err != nil {
		return err
	}
	if q.selector.name == "" && !s.hasSystem() {
		return errProper // here an identity that is the only one is not picked by itself
	}
	t, err := a.obtain(r.Context(), q)
	if err != nil {
		return err
	}
	answer := appServiceAnswer{AccessToken: t.Raw, ExpiresOn: a.expires(s, t.ExpiresAt), Resource: q.resource, TokenType: "Bearer"}
	if a.client {
		answer.ClientID = t.client
	}
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteJSON(w, http.StatusOK, answer)
}

type appServiceAnswer struct {
	AccessToken string      `json:"access_token"`
	ClientID    azure.AppID `json:"client_id,omitempty"`
	ExpiresOn   string      `json:"expires_on"`
	Resource    string      `json:"resource"`
	TokenType   string      `json:"token_type"`
}

// appServiceError is the shape of App Service's errors.
type appServiceError struct {
	StatusCode    int    `json:"statusCode"`
	Message       string `json:"message"`
	CorrelationID string `json:"correlationId,omitempty"`
}

// What App Service says in its own words.
var (
	errSecret = &refusal{http.StatusUnauthorized, "Unauthorized", oauthError{Error: codeAccessDenied, Description: "The secret of the endpoint is missing or wrong"}, ""}
	errProper = badRequest("Unable to load the proper Managed Identity.")
)

func failAppService(w http.ResponseWriter, r *http.Request, err error) string {
	e := refusalOf(err)
	body := appServiceError{e.status, e.Error(), wire.EventOf(r.Context()).RequestID}
	switch {
	case e == errNoIdentity:
		body.Message = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
	case e == errVersion:
		body.Message = "The api-version is not supported or was not specified."
	case e.identity.Error == codeInvalidResource:
		body.StatusCode, body.Message = http.StatusInternalServerError, "An unexpected error occured while fetching the AAD Token."
	}
	wire.WriteJSON(w, body.StatusCode, body)
	return strings.ReplaceAll(e.identity.Error, " ", "")
}
