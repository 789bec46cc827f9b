// Command twice reads the secret SECRET of the vault VAULT_URL, runs the command
// BETWEEN, and reads it again with the same client and credential.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func main() {
	log.SetFlags(0)
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := azsecrets.NewClient(os.Getenv("VAULT_URL"), credential, nil)
	if err != nil {
		log.Fatal(err)
	}
	read(client, "before")
	between := exec.Command("sh", "-c", os.Getenv("BETWEEN"))
	between.Stderr = os.Stderr
	if err := between.Run(); err != nil {
		log.Fatal(err)
	}
	read(client, "after")
}

func read(client *azsecrets.Client, when string) {
	secret, err := client.GetSecret(context.Background(), os.Getenv("SECRET"), "", nil)
	if err != nil {
		log.Fatalf("%s: %v", when, err)
	}
	fmt.Printf("%s: %s\n", when, *secret.Value)
}
