package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"midas/internal/azure"
	"midas/internal/control"
)

func newEvent(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "event",
		Short: "Announce maintenance to virtual machines",
		Long: "Announces maintenance to virtual machines, which find it at /metadata/scheduledevents. An\n" +
			"event starts once its time has come by the cloud's clock, or sooner when its machine\n" +
			"agrees, and is gone when it is over.",
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newEventAdd(stdout), newEventList(stdout), newEventClear(stdout))
	return c
}

func newEventAdd(stdout io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	var q control.EventRequest
	c := &cobra.Command{
		Use:     "add",
		Short:   "Announce an event to a machine",
		Example: "  midas event add --vm ubuntu --type Reboot\n  midas event add --vm ubuntu --type Freeze --in 1m --duration 9s --description 'Host update'",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := need(map[string]string{"vm": q.VM, "type": q.Type}); err != nil {
				return err
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			e, err := client.AddEvent(c.Context(), q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, e)
			}
			_, err = fmt.Fprintln(stdout, e.ID)
			return err
		},
	}
	dataFlag(c, &data)
	c.Flags().StringVar(&q.VM, "vm", "", "`name` or resource id of the machine")
	c.Flags().StringVar(&q.Type, "type", "", "`what` happens: Reboot, Redeploy, Freeze, Preempt or Terminate")
	c.Flags().StringVar(&q.In, "in", "", "`how long` from now it starts at the soonest (default: the least notice of its type)")
	c.Flags().StringVar(&q.Duration, "duration", "", "`how long` it takes (default: not known, and 9s for a freeze)")
	c.Flags().StringVar(&q.Description, "description", "", "a `line` for people on the machine")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newEventList(stdout io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	var q control.EventQuery
	c := &cobra.Command{
		Use:   "list",
		Short: "Show the events that are announced or under way",
		Args:  exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := dial(data)
			if err != nil {
				return err
			}
			all, err := client.ListEvents(c.Context(), q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, control.Events{Events: all})
			}
			return printEvents(stdout, all)
		},
	}
	dataFlag(c, &data)
	c.Flags().StringVar(&q.VM, "vm", "", "`name` or resource id of one machine (default: all)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newEventClear(stdout io.Writer) *cobra.Command {
	var data string
	var q control.EventQuery
	c := &cobra.Command{
		Use:   "clear [ID]",
		Short: "Call off one event, or all",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("accepts at most 1 ID, received %d", len(args))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				q.ID = args[0]
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			n, err := client.ClearEvents(c.Context(), q)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(stdout, n)
			return err
		},
	}
	dataFlag(c, &data)
	c.Flags().StringVar(&q.VM, "vm", "", "`name` or resource id of one machine (default: all)")
	return c
}

// printEvents writes a table; nothing where there is no event.
func printEvents(w io.Writer, all []control.Event) error {
	if len(all) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tVM\tTYPE\tSTATUS\tNOT BEFORE\tTAKES")
	for _, e := range all {
		name := e.VM
		if id, err := azure.ParseResourceID(e.VM); err == nil {
			name = id.Name()
		}
		takes := "unknown"
		if e.DurationSeconds >= 0 {
			takes = strconv.FormatInt(e.DurationSeconds, 10) + "s"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, name, e.Type, e.Status, e.NotBefore.Format(time.RFC3339), takes)
	}
	return t.Flush()
}
