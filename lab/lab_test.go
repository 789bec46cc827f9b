// Package lab holds the labs: the users' own commands, the tutorials among them,
// against the real binary. It owns the scripts (*.txtar), the commands they add to
// testscript (lab_test.go, cloud_test.go, az_test.go, postgres_test.go) and the real clients (clients/).
// It knows the product only as its users do and imports none of it, but for the tests'
// own PostgreSQL.
package lab

import (
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// atOnce is how many labs run side by side: each has a cloud of its own, and more
// of them than cores only makes every one slower.
const atOnce = "2"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		log.Fatal(err)
	}
	os.Exit(run(m))
}

// run builds the binary that the labs drive, once, and puts it first on PATH.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "midas-lab")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := touchSources(); err != nil {
		log.Print(err)
		return 1
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "midas"), "midas/cmd/midas")
	if out, err := build.CombinedOutput(); err != nil {
		log.Printf("lab: the binary under test does not build: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
		log.Print(err)
		return 1
	}
	return m.Run()
}

// touchSources looks at every file of the module: `go test` reuses a result only
// while what the test has looked at is unchanged, and the build is out of its sight.
func touchSources() error {
	return filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == ".git":
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		_, err = os.Stat(path)
		return err
	})
}

// TestAzureCloud runs every lab under the names of the public cloud.
func TestAzureCloud(t *testing.T) {
	labs, err := filepath.Glob("*.txtar")
	if err != nil || len(labs) == 0 {
		t.Fatalf("no labs here: %v", err)
	}
	runLabs(t, "AzureCloud", "az", labs...)
}

// TestAzureChinaCloud walks the tutorials again where the first of them is set:
// the same text under other names.
func TestAzureChinaCloud(t *testing.T) {
	runLabs(t, "AzureChinaCloud", "az", "002-resource-manager.txtar", "003-vm-extension.txtar", "004-key-vault.txtar")
}

// TestOlderAzureCLI runs what the Azure CLI has changed most over two years by the
// older one: how it registers a cloud and signs in, and roles.
func TestOlderAzureCLI(t *testing.T) {
	runLabs(t, "AzureCloud", "az-old", "az-cloud.txtar", "az-role.txtar")
}

// azureCLIs are conditions of a lab: which Azure CLI it is run by.
var azureCLIs = []string{"az", "az-old"}

func runLabs(t *testing.T, cloud, az string, labs ...string) {
	clients, err := clientsDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Files:              labs,
		RequireUniqueNames: true,
		Condition: func(name string) (bool, error) {
			if !slices.Contains(azureCLIs, name) {
				return false, fmt.Errorf("there is no Azure CLI %q", name)
			}
			return name == az, nil
		},
		Setup: func(env *testscript.Env) error {
			return setup(env, cloud, az, clients)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cloud":    cmdCloud,
			"shutdown": cmdShutdown,
			"arm":      cmdARM,
			"az":       cmdAZ,
			"vault":    cmdVault,
			"matrix":   cmdMatrix,
			"capture":  cmdCapture,
			"clients":  cmdClients,
			"postgres": cmdPostgres,
		},
	})
}

// setup gives a script a home, a short temporary directory (the path of a unix
// socket has 107 octets at most) and the name of its cloud.
func setup(env *testscript.Env, cloud, az, clients string) error {
	tmp, err := os.MkdirTemp("", "lab")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(tmp) })
	env.Setenv("TMPDIR", tmp)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("CLOUD", cloud)
	env.Setenv("AZ", az)
	env.Setenv("CLIENTS", clients)
	env.Values[labT{}] = env.T()
	env.Values[runningKey{}] = new(labSlot)
	return nil
}

// labT is the key under which a script's test is kept.
type labT struct{}

// clientsDir is where clients/install.sh has put the real clients.
func clientsDir() (string, error) {
	cache := os.Getenv("MIDAS_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("lab: set MIDAS_CACHE or HOME: %w", err)
		}
		cache = filepath.Join(home, ".cache", "midas")
	}
	return filepath.Join(cache, "clients"), nil
}

// cmdClients fails unless every real client is installed from the sources beside it.
//
//	clients
func cmdClients(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: clients")
	}
	check := exec.Command("clients/install.sh", "--check")
	if out, err := check.CombinedOutput(); err != nil {
		ts.Fatalf("%v\n%s", err, out)
	}
}
