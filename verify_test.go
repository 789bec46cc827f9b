package midas_test

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
	"midas/internal/control"
	"midas/internal/seal"
)

// populate makes some of everything that refers to something, and a deleted
// secret and a deleted vault.
func populate(o *operator) (vaultURI string) {
	o.t.Helper()
	vaultURI = o.makeVault("kv-verify", 7)
	for _, name := range []string{"one", "two", "gone"} {
		o.must(http.MethodPut, vaultURI+"secrets/"+name+"?api-version=7.4", object{"value": "value of " + name}, nil)
	}
	o.must(http.MethodDelete, vaultURI+"secrets/gone?api-version=7.4", nil, nil)
	o.makeVault("kv-deleted", 7)
	o.must(http.MethodDelete, o.group()+"/providers/Microsoft.KeyVault/vaults/kv-deleted?api-version=2023-07-01", nil, nil)
	identity := o.group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai"
	o.must(http.MethodPut, identity+"?api-version=2023-01-31", object{"location": "westeurope"}, nil)
	o.trust(identity, "job", o.s.Status().Endpoints.WorkloadIssuer, "system:serviceaccount:ci:job")
	return vaultURI
}

func TestVerifyOfWhatIsInOrder(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	o := operate(t, s)
	populate(o)
	running, err := o.control.Verify(t.Context())
	if err != nil || !running.OK() {
		t.Fatalf("a running server: %+v, %v", running, err)
	}
	if _, err := midas.Verify(t.Context(), c); err == nil || !strings.Contains(err.Error(), "is held by process") {
		t.Errorf("beside a running server it says %v", err)
	}
	stop()
	stopped, err := midas.Verify(t.Context(), c)
	if err != nil || !stopped.OK() {
		t.Fatalf("a stopped server: %+v, %v", stopped, err)
	}
	for _, c := range stopped.Checks {
		if c.Count == 0 || c.Faults != 0 {
			t.Errorf("%d %s: %d faults", c.Count, c.What, c.Faults)
		}
	}
	start(t, c) // nothing of it keeps the next server from starting
}

// TestVerifyFinds damages the data in every way that it looks for.
func TestVerifyFinds(t *testing.T) {
	c := config(dataDir(t))
	c.Sample = true
	s, stop := start(t, c)
	o := operate(t, s)
	populate(o)
	// The second signing key is made beside the start.
	for keys := 0; keys < 2; {
		query(t, c.DataDir, `SELECT COUNT(*) FROM signing_keys`, &keys)
	}
	stop()
	whole, err := os.ReadFile(filepath.Join(c.DataDir, "midas.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]struct{ statement, says string }{
		"a changed value":           {`UPDATE secret_versions SET value = x'00' WHERE name_key = 'one'`, "secret_versions.value of "},
		"a value moved to another":  {`UPDATE secret_versions SET value = (SELECT value FROM secret_versions WHERE name_key = 'two') WHERE name_key = 'one'`, "/one/"},
		"a deleted secret's value":  {`UPDATE secret_versions SET value = x'00' WHERE name_key = 'gone'`, "/gone/"},
		"a changed data key":        {`UPDATE vaults SET data_key = x'00' WHERE name_key = 'kv-verify'`, "data key does not open"},
		"a deleted vault's key":     {`UPDATE vaults SET data_key = x'00' WHERE name_key = 'kv-deleted'`, "vaults.data_key"},
		"signing keys that swapped": {`UPDATE signing_keys SET private_key = (SELECT private_key FROM signing_keys o WHERE o.kid <> signing_keys.kid)`, "signing_keys.private_key of "},
		"a machine's principal":     {`DELETE FROM principals WHERE resource_key LIKE '%/ubuntu'`, "virtualMachines/ubuntu has an identity without a principal"},
		"another principal": {`UPDATE resources SET body = replace(body, (SELECT object_id FROM principals WHERE resource_key LIKE '%/ubuntu'), (SELECT object_id FROM principals WHERE resource_key LIKE '%/uai')) WHERE key LIKE '%/ubuntu'`,
			"is the principal that has the resource"},
		"an identity's principal":    {`DELETE FROM principals WHERE resource_key LIKE '%/uai'`, "userAssignedIdentities/uai has an identity without a principal"},
		"a machine":                  {`DELETE FROM resources WHERE key LIKE '%/ubuntu'`, "virtualMachines/ubuntu, which is not there"},
		"a machine without identity": {`UPDATE resources SET body = '{"properties":{}}' WHERE key LIKE '%/ubuntu'`, "virtualMachines/ubuntu, which has none"},
		"a vault's resource":         {`DELETE FROM resources WHERE key LIKE '%/kv-verify'`, "the vault kv-verify is the resource "},
		"a vault":                    {`DELETE FROM vaults WHERE name_key = 'kv-verify'`, "is a vault without a name and a key"},
		"a role":                     {`UPDATE role_assignments SET role_id = 'nothing' WHERE scope_key = '/'`, "1 role assignments are of the role nothing, which is not there"},
		"who has a trust":            {`UPDATE federated_credentials SET app_id = 'nobody'`, "federated credentials are those of nobody"},
		"a reference to nothing":     {`INSERT INTO application_uris (tenant_id, uri, app_id) VALUES ('nobody', 'u', 'nothing')`, "application_uris refer to rows of tenants"},
		"what cannot be read":        {`UPDATE resources SET body = '{' WHERE key LIKE '%/ubuntu'`, "the check ended early"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(c.DataDir, "midas.db"), whole, 0o600); err != nil {
				t.Fatal(err)
			}
			query(t, c.DataDir, damage.statement)
			report, err := midas.Verify(t.Context(), c)
			if err != nil || report.OK() {
				t.Fatalf("%+v, %v", report, err)
			}
			if all := strings.Join(report.Faults, "\n"); !strings.Contains(all, damage.says) {
				t.Errorf("%q is not in\n%s", damage.says, all)
			}
			counted(t, report)
		})
	}
}

// counted wants each fault to be told once and counted once.
func counted(t *testing.T, r control.Report) {
	t.Helper()
	n := int64(0)
	for _, c := range r.Checks {
		n += c.Faults
	}
	if n != int64(len(r.Faults)) {
		t.Errorf("%d faults are counted, %d told: %q", n, len(r.Faults), r.Faults)
	}
}

func TestVerifyRefuses(t *testing.T) {
	made := config(dataDir(t))
	_, stop := start(t, made)
	stop()
	empty := config(t.TempDir())
	otherKey := made
	otherKey.RootKey = seal.Generate()
	noKey := config(dataDir(t))
	_, stop = start(t, noKey)
	stop()
	if err := os.Remove(filepath.Join(noKey.DataDir, "root.key")); err != nil {
		t.Fatal(err)
	}
	for says, c := range map[string]midas.Config{"there is no midas.db": empty, "there is no root.key": noKey, "the root key does not open this data": otherKey} {
		if _, err := midas.Verify(t.Context(), c); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	if left, _ := os.ReadDir(empty.DataDir); len(left) != 0 {
		t.Errorf("it made %v", left)
	}
	if _, err := os.Stat(filepath.Join(noKey.DataDir, "root.key")); err == nil {
		t.Error("it made a root key")
	}
}

// query runs a statement past the server, and reads one row where into is given.
func query(t *testing.T, dir, statement string, into ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "midas.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if len(into) > 0 {
		err = db.QueryRow(statement).Scan(into...)
	} else {
		var r sql.Result
		if r, err = db.Exec(statement); err == nil {
			if n, _ := r.RowsAffected(); n == 0 {
				t.Fatalf("%s changed nothing", statement)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
