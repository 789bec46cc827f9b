package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"midas/internal/control"
)

func newFault(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "fault",
		Short: "Let requests to a machine's endpoints fail, on demand",
		Long: `Injects faults into the metadata service of machines, to see how a program takes them. A
fault is exact: of the requests that it means, it lets --after through and then hits
--count. The first fault that means a request and is not used up decides about it, so
faults for the same requests come one after the other. Requests that the service refuses
for their form, such as the probe without the Metadata header, are refused as ever and
not counted. Faults are kept in memory: they end with the server.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newFaultAdd(stdout), newFaultList(stdout), newFaultClear(stdout))
	return c
}

func newFaultAdd(stdout io.Writer) *cobra.Command {
	var data string
	var delay time.Duration
	var asJSON bool
	var q control.FaultRequest
	c := &cobra.Command{
		Use:   "add",
		Short: "Add a fault, and print its id",
		Example: `  midas fault add --endpoint token --status 429 --retry-after 2 --count 3
  midas fault add --vm ubuntu --endpoint instance --delay 2s --count 0
  midas fault add --identity 0b1f6471-1bf0-4dda-aec3-cb9272f09590 --drop --after 5`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if delay != 0 {
				q.Delay = delay.String()
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			f, err := client.AddFault(c.Context(), q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, f)
			}
			_, err = fmt.Fprintln(stdout, f.ID)
			return err
		},
	}
	dataFlag(c, &data)
	flags := c.Flags()
	flags.StringVar(&q.VM, "vm", "", "`name` or resource id of the machine that asks (default every machine)")
	flags.StringVar(&q.Identity, "identity", "", "client id, object id or resource id of the `identity` whose token is asked for (default every request)")
	flags.StringVar(&q.Endpoint, "endpoint", "any", "what is asked: token, info, instance, versions, attested, scheduledevents, loadbalancer or any")
	flags.IntVar(&q.Status, "status", 0, "answer with this `status`: 400 to 599, such as 404, 410, 429, 500 or 503")
	flags.Int64Var(&q.RetryAfter, "retry-after", 0, "`seconds` in the answer's Retry-After header")
	flags.DurationVar(&delay, "delay", 0, "answer this much later, such as 2s; without a status, with the true answer")
	flags.BoolVar(&q.Drop, "drop", false, "close the connection without an answer")
	flags.BoolVar(&q.Truncate, "truncate", false, "cut the answer's body short of its length")
	flags.Int64Var(&q.After, "after", 0, "let this `many` requests through first")
	flags.Int64Var(&q.Count, "count", 1, "hit this `many` requests; 0 is all until it is cleared")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newFaultList(stdout io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "Say which faults there are, and how many requests they have hit",
		Args:  exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := dial(data)
			if err != nil {
				return err
			}
			all, err := client.Faults(c.Context())
			if err != nil {
				return err
			}
			return printFaults(stdout, all, asJSON)
		},
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newFaultClear(stdout io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	c := &cobra.Command{
		Use:   "clear [ID]",
		Short: "End a fault, or all of them, and say which are left",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] == "" {
				return usageError{errors.New("clear takes the id of one fault, or nothing for all of them")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			client, err := dial(data)
			if err != nil {
				return err
			}
			all, err := client.ClearFaults(c.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			return printFaults(stdout, all, asJSON)
		},
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printFaults(w io.Writer, all control.Faults, asJSON bool) error {
	if asJSON {
		return printJSON(w, all)
	}
	if len(all.Faults) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tMACHINE\tENDPOINT\tIDENTITY\tFAULT\tAFTER\tHITS\tLEFT")
	for _, f := range all.Faults {
		machine, left := "any", "no end"
		if f.VM != "" {
			machine = path.Base(f.VM)
		}
		if f.Left != nil {
			left = strconv.FormatInt(*f.Left, 10)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", f.ID, machine, f.Endpoint, cmp.Or(f.Identity, "any"), f.What, f.After, f.Hits, left)
	}
	return table.Flush()
}
