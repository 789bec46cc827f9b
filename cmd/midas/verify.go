package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"midas"
	"midas/internal/control"
	"midas/internal/fault"
)

func newVerify(stdout, stderr io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check every seal and reference of what is stored",
		Long: "Looks through all that is stored, beside a running server or where none runs: the\n" +
			"database's own checks, that every sealed value opens in its place, and that what\n" +
			"refers to something finds it. The exit code is 1 where there is a fault.",
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := verify(c.Context(), data, stderr)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(stdout, report)
			} else {
				printReport(stdout, report)
			}
			if err == nil && !report.OK() {
				err = faulty(report)
			}
			return err
		},
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// verify asks the server that runs on the data, or looks itself where there is none.
func verify(ctx context.Context, data string, stderr io.Writer) (control.Report, error) {
	dir, err := dataDir(data)
	if err != nil {
		return control.Report{}, err
	}
	client := control.Dial(midas.ControlSocket(dir))
	if _, err := client.Status(ctx); err == nil {
		return client.Verify(ctx)
	} else if !fault.Is(err, fault.Unavailable) {
		return control.Report{}, err
	}
	return midas.Verify(ctx, stopped(dir, stderr))
}

// stopped is the configuration of what works on data that no server runs on.
func stopped(dir string, stderr io.Writer) midas.Config {
	return midas.Config{DataDir: dir, RootKey: os.Getenv("MIDAS_ROOT_KEY"), Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
}

func printReport(w io.Writer, r control.Report) {
	for _, c := range r.Checks {
		verdict := "ok"
		if c.Faults > 0 {
			verdict = faults(c.Faults)
		}
		fmt.Fprintf(w, "%10d  %-50s%s\n", c.Count, c.What, verdict)
	}
	for _, f := range r.Faults {
		fmt.Fprintln(w, "fault:", f)
	}
}

func faulty(r control.Report) error {
	var n int64
	for _, c := range r.Checks {
		n += c.Faults
	}
	return fmt.Errorf("the data has %s\nhint: `midas restore` brings a backup into another directory", faults(n))
}

func faults(n int64) string {
	if n == 1 {
		return "1 fault"
	}
	return fmt.Sprint(n, " faults")
}
