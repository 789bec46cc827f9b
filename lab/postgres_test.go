package lab

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"midas/internal/store/storetest"
)

// cmdPostgres starts a PostgreSQL server on the loopback of this machine, with one
// database, and leaves its port in PGPORT, its user in PGUSER and the database in
// PGDATABASE. It ends with the script.
//
//	postgres
func cmdPostgres(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: postgres")
	}
	t := ts.Value(labT{}).(testing.TB)
	server, port := storetest.StartPostgresTCP(t)
	for setting := range strings.FieldsSeq(server.NewDatabase(t)) {
		switch name, value, _ := strings.Cut(setting, "="); name {
		case "user":
			ts.Setenv("PGUSER", value)
		case "dbname":
			ts.Setenv("PGDATABASE", value)
		}
	}
	ts.Setenv("PGPORT", port)
}
