package keyvault

import (
	"maps"
	"net/http"
	"time"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/resource"
	"midas/internal/vault"
)

// deletedVault is the answer's shape (az-cli.md 5.4).
type deletedVault struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Properties deletedProperties `json:"properties"`
}

type deletedProperties struct {
	VaultID        string            `json:"vaultId"`
	Location       string            `json:"location"`
	Tags           map[string]string `json:"tags"`
	DeletionDate   string            `json:"deletionDate"`
	PurgeDate      string            `json:"scheduledPurgeDate"`
	PurgeProtected bool              `json:"purgeProtectionEnabled,omitempty"`
}

func showDeleted(d *vault.DeletedVault) any {
	r := d.Resource
	id := azure.SubscriptionScope(r.ID.Subscription()).Join("providers", namespace, "locations", r.Location, "deletedVaults", r.ID.Name())
	tags := map[string]string{}
	maps.Copy(tags, r.Tags)
	return deletedVault{id.String(), r.ID.Name(), namespace + "/deletedVaults", deletedProperties{
		VaultID: r.ID.String(), Location: r.Location, Tags: tags, DeletionDate: seconds(d.DeletedAt), PurgeDate: seconds(d.PurgeAt), PurgeProtected: d.Properties.PurgeProtected()}}
}

func seconds(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// listDeleted lists the deleted vaults of a subscription.
func listDeleted(c *arm.Call) ([]any, error) {
	found, err := vault.DeletedIn(c.Tx, c.ID.Subscription())
	var all []any
	for _, d := range found {
		all = append(all, showDeleted(d))
	}
	return all, err
}

// deleted finds the deleted vault that a call is about, in its location.
func deleted(c *arm.Call) (*vault.DeletedVault, error) {
	d, err := vault.DeletedByName(c.Tx, c.ID.Subscription(), c.ID.Name())
	if err != nil {
		return nil, err
	}
	if l, ok := c.Cloud.Location(c.ID.Parent().Name()); !ok || l.Name != d.Resource.Location {
		return nil, vault.DeletedVaultNotFound(c.ID.Name())
	}
	return d, nil
}

func getDeleted(c *arm.Call) (*arm.Answer, error) {
	d, err := deleted(c)
	if err != nil {
		return nil, err
	}
	return &arm.Answer{Status: http.StatusOK, Body: showDeleted(d)}, nil
}

// purge removes a deleted vault for good. It is done when it is answered; the
// answer has the form of one that goes on, which every client can follow.
func purge(c *arm.Call) (*arm.Answer, error) {
	d, err := deleted(c)
	if err != nil {
		return nil, err
	}
	if err := d.Purge(c.Tx); err != nil {
		return nil, err
	}
	result := azure.SubscriptionScope(c.ID.Subscription()).Join("providers", namespace, "locations", d.Resource.Location, "operationResults", azure.NewGUID())
	return &arm.Answer{Status: http.StatusAccepted, Header: map[string]string{
		"Location": "https://" + c.Host + result.String() + "?api-version=" + c.Version, "Retry-After": "1"}}, nil
}

// operationResult says that an operation is over: each is when it is answered.
func operationResult(c *arm.Call) (*arm.Answer, error) {
	if _, ok := azure.ParseGUID(c.ID.Name()); !ok {
		return nil, resource.NotFound(c.ID)
	}
	return &arm.Answer{Status: http.StatusOK}, nil
}
