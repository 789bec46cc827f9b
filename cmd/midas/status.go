package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"midas/internal/control"
)

func newStatus(stdout io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say what runs here and how to reach it",
		Args:  exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := dial(data)
			if err != nil {
				return err
			}
			s, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, s)
			}
			printStatus(stdout, s)
			return nil
		},
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printStatus(w io.Writer, s control.Status) {
	row := func(name, value string) { fmt.Fprintf(w, "%-18s%s\n", name, value) }
	row("Cloud", s.Cloud)
	row("Front port", s.Endpoint)
	row("Tenant", s.TenantID)
	row("Subscription", s.SubscriptionID)
	row("Sign-in", s.Endpoints.Login)
	row("Resource Manager", s.Endpoints.ResourceManager)
	row("Vaults", "https://NAME."+s.Endpoints.VaultSuffix)
	row("Workload issuer", s.Endpoints.WorkloadIssuer)
	row("CA", s.CAFile)
	row("Data", s.DataDir)
	row("Process", fmt.Sprint(s.PID))
	row("Version", s.Version)
	if s.Sample != nil {
		row("Sample", fmt.Sprintf("VM %s in %s, secret %s in %s", s.Sample.VM, s.Sample.ResourceGroup, s.Sample.Secret, s.Sample.VaultURI))
	}
}
