package lab

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the matrix of identities into docs/parity.md")

// parityFile has the matrix between two marks.
const (
	parityFile  = "../docs/parity.md"
	matrixStart = "<!-- matrix: written by `go test ./lab -run TestAzureCloud/matrix -update` -->\n"
	matrixEnd   = "<!-- end of matrix -->\n"
)

// identityClients are the programs that read a secret with each credential, by language.
var identityClients = []struct {
	language string
	command  func(clients string) []string
}{
	{"Go", func(c string) []string { return []string{c + "/go/identities"} }},
	{"JavaScript", func(c string) []string { return []string{c + "/js/node", c + "/js/identities.js"} }},
	{"Python", func(c string) []string { return []string{c + "/python/bin/python", c + "/python/identities.py"} }},
	{"Java", func(c string) []string {
		return []string{"java", "-cp", c + "/java/classes:" + c + "/java/lib/*", "Identities"}
	}},
}

// credentials are the lines that each program prints, in their order.
var credentials = []string{"system-assigned", "client id", "object id", "resource id", "default"}

// vias and sources are the columns of the matrix.
var (
	vias    = []string{"namespace", "proxy"}
	sources = []string{"imds", "appservice", "workload"}
)

// cell is one run of one credential.
type cell struct{ language, credential, via, source string }

func (c cell) String() string {
	return strings.Join([]string{c.language, c.credential, c.via, c.source}, ", ")
}

// impossibles are what clients cannot do, whatever answers: the cells, why, and what
// the client says then.
var impossibles = []struct {
	cells *regexp.Regexp
	why   string
	says  *regexp.Regexp
}{
	{regexp.MustCompile(`^Go, (system-assigned|\w+ id), \w+, workload$`),
		"The managed identity credential for Go does not read a pod's variables, and finds no metadata service beside them. `WorkloadIdentityCredential` and the default chain do.",
		regexp.MustCompile(`^failed: ManagedIdentityCredential.*(network is unreachable|NotOfThisCloud)`)},
	{regexp.MustCompile(`^Java, (system-assigned|\w+ id), proxy, workload$`),
		"The managed identity credential for Java exchanges a pod's token by the JDK's own client, which has no credential for a proxy (divergences.md). The default chain does it by the SDK's.",
		regexp.MustCompile(`^failed: Managed Identity authentication is not available\.$`)},
}

// cmdMatrix reads a secret as the machine VM in every way there is, and holds the
// result against the table in docs/parity.md. SYSTEM and OBJECT_ID are the object ids
// of the machine's own identity and of the attached one. A cell that a client cannot
// fill has a reason, and its client must really fail.
//
//	matrix
func cmdMatrix(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: matrix")
	}
	versions, results := map[string]string{}, map[cell]string{}
	for _, client := range identityClients {
		for _, via := range vias {
			for _, source := range sources {
				ts.Check(ts.Exec("midas", append([]string{"run", "--vm", ts.Getenv("VM"), "--via", via, "--source", source, "--"}, client.command(ts.Getenv("CLIENTS"))...)...))
				lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
				if len(lines) != len(credentials)+1 {
					ts.Fatalf("%s printed %d lines, want %d", client.language, len(lines), len(credentials)+1)
				}
				versions[client.language] = strings.TrimPrefix(lines[0], "version: ")
				for i, name := range credentials {
					got, ok := strings.CutPrefix(lines[i+1], name+": ")
					if !ok {
						ts.Fatalf("%s printed %q where %q belongs", client.language, lines[i+1], name)
					}
					results[cell{client.language, name, via, source}] = got
				}
			}
		}
	}
	holdMatrix(ts, drawMatrix(ts, versions, results))
}

// drawMatrix checks each result and writes the table.
func drawMatrix(ts *testscript.TestScript, versions map[string]string, results map[cell]string) string {
	var b, notes strings.Builder
	b.WriteString("| client | credential |")
	for _, via := range vias {
		for _, source := range sources {
			fmt.Fprintf(&b, " %s, %s |", via, source)
		}
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(vias)*len(sources)) + "\n")
	numbers := map[string]int{}
	for _, client := range identityClients {
		for _, name := range credentials {
			fmt.Fprintf(&b, "| %s (%s) | %s |", client.language, versions[client.language], name)
			for _, via := range vias {
				for _, source := range sources {
					c := cell{client.language, name, via, source}
					why := judge(ts, c, results[c])
					if why == "" {
						b.WriteString(" yes |")
						continue
					}
					if numbers[why] == 0 {
						numbers[why] = len(numbers) + 1
						fmt.Fprintf(&notes, "%d. %s\n", numbers[why], why)
					}
					fmt.Fprintf(&b, " no (%d) |", numbers[why])
				}
			}
			b.WriteString("\n")
		}
	}
	return b.String() + "\n" + notes.String()
}

// judge is "" where the cell holds the right identity's token and the secret, or else
// why the client cannot have it.
func judge(ts *testscript.TestScript, c cell, got string) (why string) {
	for _, i := range impossibles {
		if i.cells.MatchString(c.String()) {
			if !i.says.MatchString(got) {
				ts.Fatalf("%v: got %q where the client should fail as %s", c, got, i.says)
			}
			return i.why
		}
	}
	want := ts.Getenv("OBJECT_ID")
	if c.source != "workload" && (c.credential == "system-assigned" || c.credential == "default") {
		want = ts.Getenv("SYSTEM")
	}
	if want += " " + ts.Getenv("PHRASE"); got != want {
		ts.Fatalf("%v: got %q, want %q", c, got, want)
	}
	return ""
}

// holdMatrix compares the table with the one in the document, or writes it there.
func holdMatrix(ts *testscript.TestScript, table string) {
	text, err := os.ReadFile(filepath.FromSlash(parityFile))
	ts.Check(err)
	before, rest, found := strings.Cut(string(text), matrixStart)
	old, after, ended := strings.Cut(rest, matrixEnd)
	if !found || !ended {
		ts.Fatalf("%s has no place for the matrix", parityFile)
	}
	table = "\n" + table + "\n"
	switch {
	case *update:
		ts.Check(os.WriteFile(filepath.FromSlash(parityFile), []byte(before+matrixStart+table+matrixEnd+after), 0o644))
	case old != table:
		ts.Fatalf("the matrix in %s is not what happened (-update writes it):\n%s", parityFile, table)
	}
}
