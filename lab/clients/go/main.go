// Command secret reads the secret SECRET of the vault VAULT_URL as the machine's
// own identity: first with the default chain, then with the managed identity asked
// for by name and, when CLIENT_ID is set, with that user-assigned identity. In a pod,
// which has a token file, it is the default chain alone.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func main() {
	log.SetFlags(0)
	fromDefault, err := azidentity.NewDefaultAzureCredential(nil)
	read("default", fromDefault, err)
	if os.Getenv("AZURE_FEDERATED_TOKEN_FILE") != "" {
		return
	}
	managed, err := azidentity.NewManagedIdentityCredential(nil)
	read("managed", managed, err)
	if id := os.Getenv("CLIENT_ID"); id != "" {
		user, err := azidentity.NewManagedIdentityCredential(
			&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(id)})
		read("user", user, err)
	}
}

// read prints the secret as name's credential sees it, or ends the program.
func read(name string, credential azcore.TokenCredential, err error) {
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	client, err := azsecrets.NewClient(os.Getenv("VAULT_URL"), credential, nil)
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	secret, err := client.GetSecret(context.Background(), os.Getenv("SECRET"), "", nil)
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	fmt.Printf("%s: %s\n", name, *secret.Value)
}
