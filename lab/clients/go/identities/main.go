// Command identities reads the secret SECRET of the vault VAULT_URL with each way
// that the SDK has to name a managed identity, and by the default chain. For each it
// prints whose token it was (the object id) and what the secret is, or what failed.
// The identity is named by CLIENT_ID, OBJECT_ID and RESOURCE_ID.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func main() {
	fmt.Println("version: azidentity", version("github.com/Azure/azure-sdk-for-go/sdk/azidentity"))
	// One that has nowhere to ask tries again for minutes otherwise.
	once := azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}}
	managed := func(id azidentity.ManagedIDKind) func() (azcore.TokenCredential, error) {
		return func() (azcore.TokenCredential, error) {
			return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: once, ID: id})
		}
	}
	for _, c := range []struct {
		name string
		make func() (azcore.TokenCredential, error)
	}{
		{"system-assigned", managed(nil)},
		{"client id", managed(azidentity.ClientID(os.Getenv("CLIENT_ID")))},
		{"object id", managed(azidentity.ObjectID(os.Getenv("OBJECT_ID")))},
		{"resource id", managed(azidentity.ResourceID(os.Getenv("RESOURCE_ID")))},
		{"default", func() (azcore.TokenCredential, error) { return azidentity.NewDefaultAzureCredential(nil) }},
	} {
		result, err := read(c.make)
		if err != nil {
			result = "failed: " + strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Printf("%s: %s\n", c.name, result)
	}
}

// read is the object id in the token and the secret.
func read(make func() (azcore.TokenCredential, error)) (string, error) {
	credential, err := make()
	if err != nil {
		return "", err
	}
	token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{os.Getenv("VAULT_SCOPE")}})
	if err != nil {
		return "", err
	}
	client, err := azsecrets.NewClient(os.Getenv("VAULT_URL"), credential, nil)
	if err != nil {
		return "", err
	}
	secret, err := client.GetSecret(context.Background(), os.Getenv("SECRET"), "", nil)
	if err != nil {
		return "", err
	}
	return objectID(token.Token) + " " + *secret.Value, nil
}

// objectID is the oid of a token.
func objectID(token string) string {
	var claims struct{ OID string }
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	json.Unmarshal(payload, &claims) // what cannot be read has no oid
	return claims.OID
}

// version is that of a module in this program.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == module {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return "unknown"
}
