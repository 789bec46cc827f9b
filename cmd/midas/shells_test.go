package main

import (
	"strings"
	"testing"
)

func TestShellLines(t *testing.T) {
	for _, c := range []struct{ shell, value, want string }{
		{"sh", "a b", "export N='a b'\n"},
		{"sh", "it's $(x) `y`", `export N='it'\''s $(x) ` + "`y`'\n"},
		{"sh", "", "unset N\n"},
		{"fish", `a\'b$c`, `set -gx N 'a\\\'b$c'` + "\n"},
		{"fish", "", "set -e N\n"},
		{"powershell", "it's ’quoted‘ $x", "$env:N = 'it''s ’’quoted‘‘ $x'\n"},
		{"powershell", "", "Remove-Item -ErrorAction SilentlyContinue Env:N\n"},
		{"dotenv", "a\"b\\c$d`e", "N=\"a\\\"b\\\\c\\$d\\`e\"\n"},
		{"dotenv", "", ""},
		{"docker", `a "b" $c`, `N=a "b" $c` + "\n"},
		{"docker", "", ""},
		{"github", "a b", "N=a b\n"},
		{"github", "", "N=\n"},
	} {
		if got, err := shells[c.shell].line("N", c.value); err != nil || got != c.want {
			t.Errorf("%s %q: %q, %v, want %q", c.shell, c.value, got, err, c.want)
		}
	}
	for _, name := range []string{"docker", "github"} {
		for _, value := range []string{"a\nB=c", "a\rb"} {
			if got, err := shells[name].line("N", value); err == nil || got != "" || !strings.Contains(err.Error(), "hint:") {
				t.Errorf("%s takes %q for %q, %v", name, value, got, err)
			}
		}
	}
}

func TestShellOf(t *testing.T) {
	for _, c := range []struct{ given, user, goos, want string }{
		{"", "/bin/bash", "linux", "sh"}, {"", "/usr/bin/fish", "linux", "fish"}, {"", "/usr/bin/pwsh", "darwin", "powershell"}, {"", "", "windows", "powershell"},
		{"", "", "linux", "sh"}, {"", "/usr/bin/bash", "windows", "sh"}, {"dotenv", "/bin/fish", "linux", "dotenv"}, {"csh", "", "linux", ""},
	} {
		got, err := shellOf(c.given, c.user, c.goos)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v gives %q, %v", c, got, err)
		}
	}
}
