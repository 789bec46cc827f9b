package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"midas/internal/control"
)

func newServicePrincipal(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "sp",
		Short: "Manage the identities of programs that run elsewhere",
		Args:  exactly(0),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newServicePrincipalCreate(stdout))
	return c
}

func newServicePrincipalCreate(stdout io.Writer) *cobra.Command {
	var data, certificate string
	var q control.ServicePrincipalRequest
	c := &cobra.Command{
		Use:     "create --name NAME",
		Short:   "Make a service principal with a password or a certificate",
		Long:    "Makes an application with a service principal and prints how it signs in, as JSON. The\npassword is shown this once.",
		Example: "  midas sp create --name ci --role Reader --scope /subscriptions/…",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := need(map[string]string{"name": q.Name}); err != nil {
				return err
			}
			if certificate != "" {
				pem, err := os.ReadFile(certificate)
				if err != nil {
					return fmt.Errorf("the certificate cannot be read: %w", err)
				}
				q.Certificate = string(pem)
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			p, err := client.CreateServicePrincipal(c.Context(), q)
			if err != nil {
				return err
			}
			return printJSON(stdout, p)
		},
	}
	dataFlag(c, &data)
	c.Flags().StringVar(&q.Name, "name", "", "display `name` of the application")
	c.Flags().StringVar(&certificate, "certificate", "", "`file` with a PEM certificate to sign in with, in place of a password")
	c.Flags().StringVar(&q.Role, "role", "", "`name` or id of a role to assign")
	c.Flags().StringVar(&q.Scope, "scope", "", "resource `ID` to assign the role at")
	c.Flags().StringArrayVar(&q.DirectoryRoles, "directory-role", nil, "`name` or id of a role in the directory, such as \"Global Administrator\"; may be repeated")
	c.Flags().StringArrayVar(&q.Permissions, "graph-permission", nil, "`name` of an application permission of Microsoft Graph, such as Directory.Read.All; may be repeated")
	return c
}
