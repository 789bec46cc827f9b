package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"midas/internal/clock"
	"midas/internal/control"
)

func newClock(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "clock",
		Short: "Read and move the cloud's clock",
		Long:  "The cloud goes by a clock of its own, which is the machine's until it is moved. It only\nmoves forward, and a restart does not take it back.",
		Args:  exactly(0),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newClockShow(stdout), newClockAdvance(stdout))
	return c
}

func newClockShow(stdout io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Say what the clock shows and how far it is ahead",
		Args:  exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := dial(data)
			if err != nil {
				return err
			}
			t, err := client.Clock(c.Context())
			if err != nil {
				return err
			}
			return printClock(stdout, t, asJSON)
		},
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newClockAdvance(stdout io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	c := &cobra.Command{
		Use:     "advance DURATION",
		Short:   "Move the clock forward",
		Long:    "Moves the clock forward and then removes what has come to its end by that, so that all of\nit is done when the command returns. Clients that go by the machine's clock do not move:\nan assertion that they sign may be refused as old.",
		Example: "  midas clock advance 25h     # every token has expired\n  midas clock advance 8d      # a retention of seven days is over",
		Args:    exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			by, err := clock.ParseDuration(args[0])
			if err != nil {
				return usageError{err}
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			t, err := client.AdvanceClock(c.Context(), by.String())
			if err != nil {
				return err
			}
			return printClock(stdout, t, asJSON)
		},
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	// "-1h" looks like flags.
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if _, arg, ok := strings.Cut(err.Error(), " in -"); ok && strings.ContainsAny(arg[:1], ".0123456789") {
			err = errors.New("the clock moves forward only: what it has made expire stays expired")
		}
		return usageError{err}
	})
	return c
}

func printClock(w io.Writer, t control.Clock, asJSON bool) error {
	if asJSON {
		return printJSON(w, t)
	}
	_, err := fmt.Fprintf(w, "%-18s%s\n%-18s%s\n", "Now", t.Now.Format(time.RFC3339), "Ahead by", t.Offset)
	return err
}
