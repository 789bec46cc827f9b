package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"midas/internal/control"
)

func newSeal(stdout, stderr io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "seal",
		Short: "Manage the root key that everything is sealed with",
		Args:  exactly(0),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSealRotate(stdout, stderr))
	return c
}

func newSealRotate(stdout, stderr io.Writer) *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Add a root key and seal everything anew, while the server runs",
		Long: "Adds a root key and seals everything anew with it. A run that was cut short is continued\n" +
			"by the next. The older keys stay in root.key: backups of single secrets may need them.\n" +
			"Backups that were made before hold the older keys only.",
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := dial(data)
			if err != nil {
				return err
			}
			r, err := client.RotateSeal(c.Context(), func(p control.Resealed) {
				fmt.Fprintf(stderr, "%d of %d\n", p.Resealed, p.Total)
			})
			if err != nil {
				return err
			}
			key := "a new one"
			if !r.NewKey {
				key = "that of the run before, which was cut short"
			}
			_, err = fmt.Fprintf(stdout, "%-18s%s\n%-18s%d of %d values\n", "Root key", key, "Sealed anew", r.Resealed, r.Total)
			return err
		},
	}
	dataFlag(c, &data)
	return c
}
