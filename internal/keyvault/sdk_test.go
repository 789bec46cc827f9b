package keyvault

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// credential gives out a caller's token for the one scope that is right.
type credential struct {
	t   testing.TB
	raw string
}

func (c credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.Scopes[0] != "https://vault.azure.net/.default" || o.TenantID != string(tenant) {
		c.t.Errorf("the client asks for a token of %v in tenant %q", o.Scopes, o.TenantID)
	}
	return azcore.AccessToken{Token: c.raw, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// sdkClient is the Azure SDK's own client, which finds the door under every name.
func (w *world) sdkClient(caller, url string) *azsecrets.Client {
	w.Helper()
	server := httptest.NewTLSServer(w.handler)
	w.Cleanup(server.Close)
	client := server.Client()
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig.ServerName = "example.com" // the name in the test server's certificate
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		w.Errorf("redirected to %s", r.URL)
		return http.ErrUseLastResponse
	}
	o := &azsecrets.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: client, Retry: policy.RetryOptions{MaxRetries: -1}}}
	c, err := azsecrets.NewClient(url, credential{w, w.token(caller)}, o)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func ptr[T any](v T) *T { return &v }

// errorCode is what the SDK makes of a failure.
func errorCode(err error) string {
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return e.ErrorCode
	}
	return ""
}

func TestSDK(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.sdkClient("admin", "https://"+policyHost), t.Context()
	expires := time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC)
	set, err := c.SetSecret(ctx, "Phrase", azsecrets.SetSecretParameters{Value: ptr("TheCakeIsALie"), ContentType: ptr("text"), Tags: map[string]*string{"a": ptr("b")},
		SecretAttributes: &azsecrets.SecretAttributes{Expires: &expires}}, nil)
	if err != nil || set.ID.Name() != "Phrase" || len(set.ID.Version()) != 32 || !set.Attributes.Expires.Equal(expires) || *set.Attributes.RecoverableDays != 7 {
		t.Fatalf("set: %+v, %v", set, err)
	}
	for _, version := range []string{"", set.ID.Version()} {
		got, err := c.GetSecret(ctx, "Phrase", version, nil)
		if err != nil || *got.Value != "TheCakeIsALie" || *got.ID != *set.ID || *got.Tags["a"] != "b" {
			t.Errorf("get %q: %+v, %v", version, got, err)
		}
	}
	updated, err := c.UpdateSecretProperties(ctx, "Phrase", "", azsecrets.UpdateSecretPropertiesParameters{ContentType: ptr("other")}, nil)
	if err != nil || *updated.ContentType != "other" || updated.Value != nil || !updated.Attributes.Expires.Equal(expires) {
		t.Errorf("update: %+v, %v", updated, err)
	}
	for i := range 29 {
		if _, err := c.SetSecret(ctx, "s"+strings.Repeat("x", i), azsecrets.SetSecretParameters{Value: ptr("")}, nil); err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]bool{}
	for pager := c.NewListSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Value {
			names[s.ID.Name()] = true
		}
	}
	if len(names) != 30 {
		t.Errorf("listed %v", names)
	}
	w.sdkDeletes(c)
	if _, err := w.sdkClient("reader", "https://"+roleHost).SetSecret(ctx, "s", azsecrets.SetSecretParameters{Value: ptr("v")}, nil); errorCode(err) != "Forbidden" {
		t.Errorf("a reader who sets: %v", err)
	}
}

func (w *world) sdkDeletes(c *azsecrets.Client) {
	ctx := w.Context()
	deleted, err := c.DeleteSecret(ctx, "Phrase", nil)
	if err != nil || deleted.RecoveryID == nil || deleted.ScheduledPurgeDate.Sub(*deleted.DeletedDate) != 7*24*time.Hour {
		w.Errorf("delete: %+v, %v", deleted, err)
	}
	if _, err := c.GetSecret(ctx, "Phrase", "", nil); errorCode(err) != "SecretNotFound" {
		w.Errorf("get what is deleted: %v", err)
	}
	if _, err := c.SetSecret(ctx, "Phrase", azsecrets.SetSecretParameters{Value: ptr("x")}, nil); errorCode(err) != "Conflict" {
		w.Errorf("set what is deleted: %v", err)
	}
	if got, err := c.GetDeletedSecret(ctx, "Phrase", nil); err != nil || *got.RecoveryID != *deleted.RecoveryID {
		w.Errorf("get deleted: %+v, %v", got, err)
	}
	if _, err := c.RecoverDeletedSecret(ctx, "Phrase", nil); err != nil {
		w.Errorf("recover: %v", err)
	}
	if got, err := c.GetSecret(ctx, "Phrase", "", nil); err != nil || *got.Value != "TheCakeIsALie" {
		w.Errorf("get what was recovered: %v", err)
	}
	if _, err := c.DeleteSecret(ctx, "Phrase", nil); err != nil {
		w.Error(err)
	}
	if _, err := c.PurgeDeletedSecret(ctx, "Phrase", nil); err != nil {
		w.Errorf("purge: %v", err)
	}
	if _, err := c.GetDeletedSecret(ctx, "Phrase", nil); errorCode(err) != "SecretNotFound" {
		w.Errorf("get what is purged: %v", err)
	}
}
