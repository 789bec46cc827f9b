package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func newToken(stdout io.Writer) *cobra.Command {
	var data, resource string
	var decode bool
	c := &cobra.Command{
		Use:     "token --resource URI",
		Short:   "Print an access token for the operator",
		Long:    "Prints an access token for the operator, who is Owner of everything, and nothing else.",
		Example: "  midas token --resource https://management.azure.com/\n  midas token --resource https://vault.azure.net --decode",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := need(map[string]string{"resource": resource}); err != nil {
				return err
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			t, err := client.Token(c.Context(), resource)
			if err != nil {
				return err
			}
			if decode {
				return printClaims(stdout, t.AccessToken)
			}
			_, err = fmt.Fprintln(stdout, t.AccessToken)
			return err
		},
	}
	dataFlag(c, &data)
	c.Flags().StringVar(&resource, "resource", "", "`URI` of what the token is for")
	c.Flags().BoolVar(&decode, "decode", false, "print the claims in place of the token")
	return c
}

// printClaims shows what a token says, in the token's own order.
func printClaims(w io.Writer, token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("the token has %d parts, not 3", len(parts))
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, claims, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, b.String())
	return err
}
