package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"midas/internal/control"
)

func newWorkload(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "workload",
		Short: "Identities of pods and jobs, by federation",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newWorkloadToken(stdout))
	return c
}

func newWorkloadToken(stdout io.Writer) *cobra.Command {
	var data string
	var q control.WorkloadTokenRequest
	var asJSON bool
	c := &cobra.Command{
		Use:   "token --subject SUBJECT [--audience AUDIENCE]",
		Short: "Print a token of the cloud's own issuer",
		Long: `Prints a token that says who a pod or job is, and nothing else. An application or a
user-assigned identity with a federated credential for the issuer that ` + "`midas status`" + ` shows,
this subject and this audience signs in with it, for an hour.`,
		Example: `  az login --service-principal --username CLIENT_ID --tenant TENANT \
    --federated-token "$(midas workload token --subject system:serviceaccount:ci:deploy)"`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := need(map[string]string{"subject": q.Subject}); err != nil {
				return err
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			t, err := client.WorkloadToken(c.Context(), q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, t)
			}
			_, err = fmt.Fprintln(stdout, t.Token)
			return err
		},
	}
	dataFlag(c, &data)
	c.Flags().StringVar(&q.Subject, "subject", "", "`who` it is: system:serviceaccount:NAMESPACE:NAME for a pod")
	c.Flags().StringVar(&q.Audience, "audience", "", "`whom` it is for (default: the one that federated credentials have)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
