package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"midas/internal/control"
)

func newWhy(stdout io.Writer) *cobra.Command {
	var data string
	var q control.WhyRequest
	var asJSON bool
	c := &cobra.Command{
		Use:   "why --principal ID --action ACTION --scope SCOPE",
		Short: "Explain why something is allowed or denied",
		Long:  "Says whether a principal may do something and by which role assignment or access policy,\nor for lack of which. The exit code is 0 in both cases.",
		Example: `  midas why --principal operator@midas.onmicrosoft.com --action Microsoft.KeyVault/vaults/secrets/getSecret/action \
    --scope /subscriptions/…/resourceGroups/midas-sample/providers/Microsoft.KeyVault/vaults/kv-sample-…`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := need(map[string]string{"principal": q.Principal, "action": q.Action, "scope": q.Scope}); err != nil {
				return err
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			a, err := client.Why(c.Context(), q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, a)
			}
			_, err = fmt.Fprintln(stdout, a.Reason)
			return err
		},
	}
	dataFlag(c, &data)
	c.Flags().StringVar(&q.Principal, "principal", "", "`ID` of who asks: object id, app id, user principal name, or the id of the resource whose identity it is")
	c.Flags().StringVar(&q.Action, "action", "", "what for: `Namespace/type/verb`, of Resource Manager or of a vault's data")
	c.Flags().StringVar(&q.Scope, "scope", "", "`ID` of the resource, group or subscription")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
