package entra

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"crypto/x509"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/coreos/go-oidc/v3/oidc"
)

// TestIndependentVerifier lets go-oidc verify our tokens with nothing but what
// we publish, as relying parties do (clients.md 4), and shows what it refuses.
func TestIndependentVerifier(t *testing.T) {
	w := newWorld(t, "AzureCloud", time.Now())
	ctx := oidc.ClientContext(t.Context(), w.serve(t))
	v1 := body(t, w.post(1, w.form(1)))["access_token"].(string)
	v2 := body(t, w.post(2, w.form(2, "scope", "api://v2/.default")))["access_token"].(string)
	foreign := newWorld(t, "AzureCloud", time.Now())
	forged := body(t, foreign.post(1, foreign.form(1)))["access_token"].(string)

	for _, c := range []struct {
		name, issuer, document string // document where it is not the issuer's own
		token, aud             string
		other                  string // a token of the other version
	}{
		{"v1 issuer", "https://sts.windows.net/" + tenantID + "/", "", v1, "https://management.azure.com/", v2},
		{"v1 document on the login host", "https://sts.windows.net/" + tenantID + "/", "https://login.microsoftonline.com/" + tenantID, v1, "https://management.azure.com/", v2},
		{"v2 document", "https://login.microsoftonline.com/" + tenantID + "/v2.0", "", v2, v2API, v1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, document := ctx, c.issuer
			if c.document != "" {
				ctx, document = oidc.InsecureIssuerURLContext(ctx, c.issuer), c.document
			}
			provider, err := oidc.NewProvider(ctx, document)
			if err != nil {
				t.Fatal(err)
			}
			config := oidc.Config{ClientID: c.aud, SupportedSigningAlgs: []string{oidc.RS256}}
			token, err := provider.Verifier(&config).Verify(ctx, c.token)
			if err != nil {
				t.Fatal(err)
			}
			var rest struct{ Tid, Oid string }
			if err := token.Claims(&rest); err != nil || rest.Tid != tenantID || rest.Oid != token.Subject || token.Issuer != c.issuer {
				t.Errorf("%+v, %+v, %v", token, rest, err)
			}
			refuses := func(why string, config oidc.Config, raw string) {
				t.Helper()
				if _, err := provider.Verifier(&config).Verify(ctx, raw); err == nil {
					t.Errorf("accepted in spite of its %s", why)
				}
			}
			signature := strings.LastIndexByte(c.token, '.') + 1
			b, _ := base64.RawURLEncoding.DecodeString(c.token[signature:])
			b[100] ^= 1
			refuses("signature", config, c.token[:signature]+base64.RawURLEncoding.EncodeToString(b))
			refuses("key", oidc.Config{ClientID: "https://management.azure.com/"}, forged)
			refuses("audience", oidc.Config{ClientID: c.aud + "x"}, c.token)
			refuses("issuer", oidc.Config{SkipClientIDCheck: true}, c.other)
			refuses("end", oidc.Config{ClientID: c.aud, Now: func() time.Time { return time.Now().Add(61 * time.Minute) }}, c.token)
			refuses("beginning", oidc.Config{ClientID: c.aud, Now: func() time.Time { return time.Now().Add(-61 * time.Minute) }}, c.token)
		})
	}
	// The documents for every tenant have the template in the place of the issuer.
	for document, issuer := range map[string]string{
		"https://login.microsoftonline.com/common":             "https://sts.windows.net/{tenantid}/",
		"https://login.microsoftonline.com/organizations/v2.0": "https://login.microsoftonline.com/{tenantid}/v2.0",
	} {
		if _, err := oidc.NewProvider(oidc.InsecureIssuerURLContext(ctx, issuer), document); err != nil {
			t.Error(err)
		}
	}
}

// TestAzureIdentity signs in with Microsoft's own Go credentials, unmodified:
// instance discovery, discovery, token.
func TestAzureIdentity(t *testing.T) {
	for profile, c := range map[string]cloud.Configuration{"AzureCloud": cloud.AzurePublic, "AzureChinaCloud": cloud.AzureChina, "AzureUSGovernment": cloud.AzureGovernment} {
		t.Run(profile, func(t *testing.T) {
			w := newWorld(t, profile, time.Now())
			options := azcore.ClientOptions{Cloud: c, Transport: w.serve(t), Retry: policy.RetryOptions{MaxRetries: -1}}
			scope := c.Services[cloud.ResourceManager].Audience + "/.default"
			cert, err := x509.ParseCertificate(w.cert)
			if err != nil {
				t.Fatal(err)
			}
			secret, err := azidentity.NewClientSecretCredential(tenantID, appID, w.secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: options})
			if err != nil {
				t.Fatal(err)
			}
			certificate, err := azidentity.NewClientCertificateCredential(tenantID, appID, []*x509.Certificate{cert}, w.key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: options})
			if err != nil {
				t.Fatal(err)
			}
			chain, err := azidentity.NewClientCertificateCredential("contoso.example", appID, []*x509.Certificate{cert}, w.key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: options, SendCertificateChain: true})
			if err != nil {
				t.Fatal(err)
			}
			for name, credential := range map[string]azcore.TokenCredential{"secret": secret, "certificate": certificate, "certificate with its chain": chain} {
				for _, cae := range []bool{false, true} {
					token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}, EnableCAE: cae})
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					got := claims(t, token.Token)
					if got["aud"] != strings.TrimSuffix(scope, "/.default") || got["appid"] != appID || (got["xms_cc"] != nil) != cae {
						t.Errorf("%s: %v", name, got)
					}
					if left := time.Until(token.ExpiresOn); left < 59*time.Minute || left > time.Hour {
						t.Errorf("%s: expires in %v", name, left)
					}
				}
			}
			wrong, err := azidentity.NewClientSecretCredential(tenantID, appID, "wrong", &azidentity.ClientSecretCredentialOptions{ClientOptions: options})
			if err != nil {
				t.Fatal(err)
			}
			_, err = wrong.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope}})
			failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
			if !ok || failed.RawResponse == nil || failed.RawResponse.StatusCode != http.StatusUnauthorized || !strings.Contains(err.Error(), "AADSTS7000215: ") {
				t.Errorf("a wrong secret gives %v", err)
			}
		})
	}
}
