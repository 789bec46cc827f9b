package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// shell is a form in which variables are written, such that nothing in a value
// is evaluated. Where lines are not run, unset is nil.
type shell struct {
	set   func(name, value string) string
	unset func(name string) string
	undo  string // how to undo it, for %s as the command; "" where no comment may be written
	file  bool   // a list for another program: a value is one line, and what is not in it is not there
}

var shells = map[string]shell{
	"sh": {
		set:   func(name, value string) string { return "export " + name + "=" + quoteSh(value) },
		unset: func(name string) string { return "unset " + name },
		undo:  `eval "$(%s)"`,
	},
	"fish": {
		set: func(name, value string) string {
			return "set -gx " + name + " '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
		},
		unset: func(name string) string { return "set -e " + name },
		undo:  "%s --shell fish | source",
	},
	"powershell": {
		// PowerShell takes typographic quotes for quotes, too.
		set: func(name, value string) string {
			return "$env:" + name + " = '" + strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛").Replace(value) + "'"
		},
		unset: func(name string) string { return "Remove-Item -ErrorAction SilentlyContinue Env:" + name },
		undo:  "%s --shell powershell | Out-String | Invoke-Expression",
	},
	"dotenv": {
		set: func(name, value string) string {
			return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`
		},
		undo: "%s --shell dotenv, and remove these lines",
	},
	"docker": {set: plain, undo: "%s --shell docker, and remove this file", file: true},
	"github": {set: plain, unset: func(name string) string { return name + "=" }, file: true},
}

func plain(name, value string) string { return name + "=" + value }

// quoteSh is value as one word of a POSIX shell.
func quoteSh(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

// shellNames are those of shells, for people.
const shellNames = "sh, fish, powershell, dotenv, docker or github"

// shellOf finds a form by its name, or that of the shell that was named to us.
func shellOf(name, userShell, goos string) (string, error) {
	if name != "" {
		if _, ok := shells[name]; !ok {
			return "", usageError{fmt.Errorf("--shell %q is none of %s", name, shellNames)}
		}
		return name, nil
	}
	switch base := strings.TrimSuffix(filepath.Base(userShell), ".exe"); {
	case base == "fish":
		return "fish", nil
	case base == "pwsh" || userShell == "" && goos == "windows":
		return "powershell", nil
	}
	return "sh", nil
}

// line writes one variable; an empty value unsets it.
func (s shell) line(name, value string) (string, error) {
	switch {
	case value == "" && s.unset == nil:
		return "", nil
	case value == "":
		return s.unset(name) + "\n", nil
	case s.file && strings.ContainsAny(value, "\r\n"):
		return "", errors.New("the value of " + name + " has a line end, which this form cannot express\nhint: choose a data directory without one")
	}
	return s.set(name, value) + "\n", nil
}
