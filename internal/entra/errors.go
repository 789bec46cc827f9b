package entra

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/fault"
	"midas/internal/wire"
)

// aadsts is the number of an error, the one that clients match on as
// "AADSTSn: " (control-plane.md A7).
type aadsts int

// The numbers that this door uses. Each has a row in [rows].
const (
	manyResources          aadsts = 28000
	internalError          aadsts = 50000
	redirectNotRegistered  aadsts = 50011
	foreignUser            aadsts = 50020
	malformedToken         aadsts = 50027
	unknownInstance        aadsts = 50049
	tooManyGuesses         aadsts = 50053
	userDisabled           aadsts = 50057
	notSignedIn            aadsts = 50058
	wrongPassword          aadsts = 50126
	issuerUnreachable      aadsts = 50166
	signInRevoked          aadsts = 50173
	codeRedeemed           aadsts = 54005
	noConsent              aadsts = 65001
	consentDeclined        aadsts = 65004
	badGrant               aadsts = 70000
	unsupportedGrant       aadsts = 70003
	codeExpired            aadsts = 70008
	delegatedScope         aadsts = 70011
	authorizationPending   aadsts = 70016
	deviceDeclined         aadsts = 70018
	badUserCode            aadsts = 70019
	deviceExpired          aadsts = 70020
	notFederated           aadsts = 70021
	tokenReused            aadsts = 70043
	tenantNotFound         aadsts = 90002
	invalidInput           aadsts = 90013
	noTenant               aadsts = 90019
	noEndpoint             aadsts = 90023
	unavailable            aadsts = 90033
	resourceNotFound       aadsts = 500011
	resourceDisabled       aadsts = 500014
	otherRedirect          aadsts = 500112
	wrongVerifier          aadsts = 501481
	badChallenge           aadsts = 501491
	unknownPermission      aadsts = 650053
	applicationNotFound    aadsts = 700016
	assertionNotTheClients aadsts = 700021
	assertionAudience      aadsts = 700023
	assertionTime          aadsts = 700024
	publicClientProof      aadsts = 700025
	assertionKey           aadsts = 700027
	responseType           aadsts = 700054
	refreshExpired         aadsts = 700082
	otherIssuer            aadsts = 700211
	otherAudience          aadsts = 700212
	otherSubject           aadsts = 700213
	ownTokenFederated      aadsts = 700222
	missingParameter       aadsts = 900144
	wrongMethod            aadsts = 900561
	resourceParameter      aadsts = 901002
	invalidScope           aadsts = 1002012
	applicationDisabled    aadsts = 7000112
	wrongSecret            aadsts = 7000215
	noCredential           aadsts = 7000218
	expiredSecret          aadsts = 7000222
	issuerKeyUnknown       aadsts = 7000272
	otherSubjectCase       aadsts = 7002138
	duplicateParameter     aadsts = 9000411
	challengeNeeded        aadsts = 9002325
)

// checkFederated is where to look when no federated credential matches.
const checkFederated = "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"

// row is what a number means on the wire.
type row struct {
	status int
	oauth  string // the error of RFC 6749 section 5.2, or one of Entra's own
	text   string // what [aadsts.with] fills in
}

// rows is the one table of this door's errors.
var rows = map[aadsts]row{
	manyResources:          {400, "invalid_scope", "Provided value for the input parameter scope is not valid because it contains more than one resource. Scope %s is not valid."},
	internalError:          {500, "server_error", "There was an error issuing a token."},
	redirectNotRegistered:  {400, "invalid_request", "The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'. Register it there, or send one that is registered."},
	foreignUser:            {400, "invalid_grant", "User account '%s' from identity provider '%s' does not exist in tenant '%s' and cannot access the application '%s'(%s) in that tenant. Sign in with an account of that tenant."},
	malformedToken:         {400, "invalid_request", "JWT token is invalid or malformed."},
	unknownInstance:        {400, "invalid_instance", "Unknown or invalid instance."},
	issuerUnreachable:      {400, "invalid_request", "Request to External OIDC endpoint failed."},
	notFederated:           {401, "invalid_client", "No matching federated identity record found for presented assertion. Assertion Issuer: '%s'. Assertion Subject: '%s'. Assertion Audience: '%s'. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"},
	tooManyGuesses:         {400, "invalid_grant", "You've tried to sign in too many times with an incorrect user ID or password. Wait a while, then try again."},
	userDisabled:           {400, "invalid_grant", "The user account is disabled."},
	notSignedIn:            {400, "login_required", "A silent sign-in request was sent but no user is signed in."},
	wrongPassword:          {400, "invalid_grant", "Error validating credentials due to invalid username or password."},
	signInRevoked:          {400, "invalid_grant", "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password."},
	codeRedeemed:           {400, "invalid_grant", "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."},
	noConsent:              {400, "invalid_grant", "The user or administrator has not consented to use the application with ID '%s' named '%s'. Send an interactive authorization request for this user and resource."},
	consentDeclined:        {400, "access_denied", "User declined to consent to access the app."},
	badGrant:               {400, "invalid_grant", "The provided value for the input parameter '%s' is not valid."},
	unsupportedGrant:       {400, "unsupported_grant_type", "The app requested an unsupported grant type '%s'."},
	codeExpired:            {400, "invalid_grant", "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource."},
	delegatedScope:         {400, "invalid_scope", "The provided value for the input parameter 'scope' is not valid. The scope %s is not valid."},
	authorizationPending:   {400, "authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."},
	deviceDeclined:         {400, "authorization_declined", "The user declined the sign-in on the device."},
	badUserCode:            {400, "bad_verification_code", "The code is not valid, has expired or was used already."},
	deviceExpired:          {400, "expired_token", "The provided value for the input parameter 'device_code' is not valid. This device code has expired."},
	tokenReused:            {400, "invalid_grant", "The refresh token has expired or is invalid: it was used before, or it came of something that was. Sign in again."},
	tenantNotFound:         {400, "invalid_request", "Tenant '%s' not found. Check the tenant ID or domain, and that you are signing in to the right cloud."},
	invalidInput:           {400, "invalid_request", "Invalid input: %s"},
	noTenant:               {400, "invalid_request", "No tenant-identifying information found in the request: an application signs in to one tenant, not to '%s'."},
	noEndpoint:             {404, "invalid_request", "There is no endpoint at this address."},
	unavailable:            {503, "temporarily_unavailable", "The service is temporarily unavailable. Please retry later."},
	resourceNotFound:       {400, "invalid_resource", "The resource principal named %s was not found in the tenant named %s. Check the resource and the tenant of the request."},
	resourceDisabled:       {400, "invalid_resource", "The service principal for resource '%s' is disabled."},
	otherRedirect:          {400, "invalid_grant", "The reply address '%s' does not match the reply address '%s' provided when requesting Authorization code."},
	wrongVerifier:          {400, "invalid_grant", "The Code_Verifier does not match the code_challenge supplied in the authorization request."},
	badChallenge:           {400, "invalid_request", "Invalid size of Code_Challenge parameter."},
	unknownPermission:      {400, "invalid_scope", "The application '%s' asked for scope '%s' that doesn't exist on the resource '%s'."},
	applicationNotFound:    {400, "unauthorized_client", "Application with identifier '%s' was not found in the directory '%s'. It may not be registered there, or the request went to the wrong tenant."},
	assertionNotTheClients: {401, "invalid_client", "Client assertion application identifier doesn't match 'client_id' parameter: issuer and subject must both be '%s'."},
	assertionAudience:      {401, "invalid_client", "Client assertion audience claim does not match Realm issuer. It must be the address of the tenant's token endpoint."},
	assertionTime:          {401, "invalid_client", "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s. It may live for %s."},
	publicClientProof:      {401, "invalid_client", "Client is public so neither 'client_assertion' nor 'client_secret' should be presented, for application '%s'."},
	assertionKey:           {401, "invalid_client", "The certificate used to sign the client assertion cannot be used for application '%s'. [Reason - %s, Thumbprint of key used by client: '%s']"},
	otherIssuer:            {401, "invalid_client", "No matching federated identity record found for presented assertion issuer '%s'. " + checkFederated},
	otherAudience:          {401, "invalid_client", "No matching federated identity record found for presented assertion audience '%s'. " + checkFederated},
	otherSubject:           {401, "invalid_client", "No matching federated identity record found for presented assertion subject '%s'. " + checkFederated},
	ownTokenFederated:      {401, "invalid_client", "AAD-issued tokens may not be used for federated identity flows."},
	responseType:           {400, "unsupported_response_type", "response_type '%s' is not enabled for the application."},
	refreshExpired:         {400, "invalid_grant", "The refresh token has expired due to inactivity. The token was issued on %s and was inactive for %s."},
	missingParameter:       {400, "invalid_request", "The request body must contain the following parameter: '%s'."},
	wrongMethod:            {400, "invalid_request", "The endpoint only accepts %s requests. Received a %s request."},
	resourceParameter:      {400, "invalid_request", "The 'resource' request parameter is not supported here: use 'scope'."},
	invalidScope:           {400, "invalid_scope", "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."},
	applicationDisabled:    {400, "unauthorized_client", "Application '%s'(%s) is disabled."},
	wrongSecret:            {401, "invalid_client", "Invalid client secret provided. Send the value of the client secret and not its ID, for a secret of app '%s'."},
	noCredential:           {401, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
	expiredSecret:          {401, "invalid_client", "The provided client secret keys for app '%s' are expired. Make a new secret for the app."},
	issuerKeyUnknown:       {401, "invalid_client", "The certificate with identifier '%s' used to sign the federated credential could not be found in the metadata of identity provider '%s'."},
	otherSubjectCase:       {401, "invalid_client", "No matching federated identity record found for presented assertion subject '%s'. It differs from a subject in case only. " + checkFederated},
	duplicateParameter:     {400, "invalid_request", "The request is not properly formatted. The parameter '%s' is duplicated."},
	challengeNeeded:        {400, "invalid_request", "Proof Key for Code Exchange is required: a public client sends a code_challenge with the code_challenge_method S256."},
}

// failure is an error as this door writes it.
type failure struct {
	number aadsts
	row    row
	text   string
	sub    string // suberror, where there is one
	cause  error  // for the log
}

// with makes the failure of a number; values from outside are made printable.
func (n aadsts) with(values ...any) *failure {
	for i, v := range values {
		if s, ok := v.(string); ok {
			values[i] = printable(s)
		}
	}
	r := rows[n]
	return &failure{number: n, row: r, text: fmt.Sprintf(r.text, values...)}
}

// as changes the OAuth error: discovery says invalid_tenant where a token
// request says invalid_request.
func (f *failure) as(oauth string) *failure { f.row.oauth = oauth; return f }

// suberror adds what MSAL decides by whether to ask the user.
func (f *failure) suberror(sub string) *failure { f.sub = sub; return f }

// status changes the HTTP status.
func (f *failure) status(code int) *failure { f.row.status = code; return f }

// because adds a cause for the log.
func (f *failure) because(err error) *failure { f.cause = err; return f }

func (f *failure) Error() string {
	s := f.code() + ": " + f.text
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

func (f *failure) Unwrap() error { return f.cause }

func (f *failure) code() string { return fmt.Sprintf("AADSTS%d", f.number) }

// plumbing gives the failures that package wire finds their status.
var plumbing = map[string]int{
	wire.CodeHeadersTooLarge: http.StatusRequestHeaderFieldsTooLarge,
	wire.CodeBodyTooLarge:    http.StatusRequestEntityTooLarge,
	wire.CodeInvalidContent:  http.StatusBadRequest,
}

// failureOf finds the wire error of any error. Rules below are asked where it
// is known what their answer means here; what is left of them is in this table
// or a bug.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		switch f.Kind {
		case fault.Invalid:
			failure := invalidInput.with(f.Message).because(err)
			if status, ok := plumbing[f.Code]; ok {
				failure.status(status)
			}
			return failure
		case fault.Unavailable, fault.Throttled:
			return unavailable.with().because(err)
		}
	}
	return internalError.with().because(err)
}

// envelope is the body of an error (control-plane.md A7).
type envelope struct {
	Error         string   `json:"error"`
	Description   string   `json:"error_description"`
	Codes         []aadsts `json:"error_codes"`
	Timestamp     string   `json:"timestamp"`
	TraceID       string   `json:"trace_id"`
	CorrelationID string   `json:"correlation_id"`
	URI           string   `json:"error_uri"`
	Sub           string   `json:"suberror,omitempty"`
}

// fail writes err and returns its code for the log.
func (d *Door) fail(w http.ResponseWriter, r *http.Request, err error) string {
	f := failureOf(err)
	d.commonHeaders(w, r) // an error found before the routing has none yet
	noStore(w.Header())
	if err := wire.WriteJSON(w, f.row.status, d.envelope(r, f)); err != nil {
		d.Log.ErrorContext(r.Context(), "an error could not be written", "err", err)
	}
	return f.code()
}

// envelope is what is said of a failure, wherever it is said.
func (d *Door) envelope(r *http.Request, f *failure) envelope {
	event := wire.EventOf(r.Context())
	e := envelope{
		Error: f.row.oauth, Codes: []aadsts{f.number}, Timestamp: d.Now().UTC().Format("2006-01-02 15:04:05Z"),
		TraceID: event.RequestID, CorrelationID: event.CorrelationID,
		URI: fmt.Sprintf("https://%s/error?code=%d", d.Cloud.LoginHost(), f.number), Sub: f.sub,
	}
	e.Description = fmt.Sprintf("%s: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s", f.code(), f.text, e.TraceID, e.CorrelationID, e.Timestamp)
	return e
}

// noStore are the headers of token answers, good and bad (control-plane.md A5).
func noStore(h http.Header) {
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
}

// printable keeps what a caller sent fit for a message: one short line.
func printable(s string) string {
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
