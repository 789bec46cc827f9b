package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"midas/internal/control"
)

func newUser(stdout, stderr io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "user",
		Short: "Manage the people who sign in",
		Args:  exactly(0),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newUserList(stdout), newUserCreate(stdout, stderr), newUserSetPassword(stdout, stderr))
	return c
}

func newUserList(stdout io.Writer) *cobra.Command {
	var data string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List who can sign in",
		Args:  exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := dial(data)
			if err != nil {
				return err
			}
			all, err := client.Users(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, all.Users)
			}
			table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
			for _, u := range all.Users {
				state := "can sign in"
				switch {
				case !u.Enabled:
					state = "disabled"
				case !u.HasPassword:
					state = "has no password"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", u.UPN, u.DisplayName, u.ObjectID, state)
			}
			return table.Flush()
		},
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newUserCreate(stdout, stderr io.Writer) *cobra.Command {
	var data string
	var q control.UserRequest
	var generate bool
	c := &cobra.Command{
		Use:     "create UPN --name NAME",
		Short:   "Make a user with a password",
		Long:    "Makes a user and prints it as JSON. The password is read from the terminal without echo,\nor is the first line of standard input; with --generate one is made and shown this once.",
		Example: "  midas user create ada@midas.onmicrosoft.com --name 'Ada Lovelace' --generate --role Reader --scope /subscriptions/…",
		Args:    exactly(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if q.UPN = args[0]; q.Name == "" {
				return need(map[string]string{"name": q.Name})
			}
			client, err := dial(data)
			if err != nil {
				return err
			}
			if q.Password, err = readPassword(c.InOrStdin(), stderr, q.UPN, generate); err != nil {
				return err
			}
			made, err := client.CreateUser(c.Context(), q)
			if err != nil {
				return err
			}
			return printJSON(stdout, made)
		},
	}
	dataFlag(c, &data)
	c.Flags().StringVar(&q.Name, "name", "", "`name` that is shown")
	c.Flags().BoolVar(&generate, "generate", false, "make a password and print it")
	c.Flags().StringVar(&q.Role, "role", "", "`name` or id of a role to assign")
	c.Flags().StringVar(&q.Scope, "scope", "", "resource `ID` to assign the role at")
	return c
}

func newUserSetPassword(stdout, stderr io.Writer) *cobra.Command {
	var data string
	var generate bool
	c := &cobra.Command{
		Use:     "set-password UPN",
		Short:   "Give a user a password",
		Long:    "Gives a user a password: read from the terminal without echo, or the first line of standard\ninput; with --generate one is made and printed. What the user was signed in with before has\nto be signed in anew.",
		Example: "  midas user set-password operator@midas.onmicrosoft.com --generate",
		Args:    exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := dial(data)
			if err != nil {
				return err
			}
			password, err := readPassword(c.InOrStdin(), stderr, args[0], generate)
			if err != nil {
				return err
			}
			set, err := client.SetPassword(c.Context(), control.PasswordRequest{UPN: args[0], Password: password})
			if err != nil {
				return err
			}
			if generate {
				_, err = fmt.Fprintln(stdout, set.Password)
			}
			return err
		},
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&generate, "generate", false, "make a password and print it, and nothing else")
	return c
}

// readPassword asks for a password where there is somebody to ask, and reads a
// line where there is not. One that is to be made is "".
func readPassword(in io.Reader, stderr io.Writer, upn string, generate bool) (string, error) {
	if generate {
		return "", nil
	}
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return askPassword(f, stderr, upn)
	}
	// The door refuses what is too long; this much is enough to see it.
	line, err := bufio.NewReader(io.LimitReader(in, 4<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the password cannot be read: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("there is no password on standard input\nhint: give one there, or have one made with --generate")
	}
	return line, nil
}

// askPassword reads a password twice, without echo.
func askPassword(f *os.File, stderr io.Writer, upn string) (string, error) {
	var typed [2]string
	for i, again := range []string{"", " again"} {
		fmt.Fprintf(stderr, "Password for %s%s: ", upn, again)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(stderr)
		if err != nil {
			return "", fmt.Errorf("the password cannot be read: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ")
	}
	if typed[0] == "" {
		return "", errors.New("the password is empty\nhint: have one made with --generate")
	}
	return typed[0], nil
}
