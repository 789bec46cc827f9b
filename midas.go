// Package midas joins all rooms to one server: a token service, Resource
// Manager, Key Vault and the machines' local endpoints, on one data directory.
// [New] is the one list where everything is wired; reading it is reading the
// product. It may import every package below it.
package midas

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/cloud"
	"midas/internal/control"
	"midas/internal/entra"
	"midas/internal/graph"
	"midas/internal/imds"
	"midas/internal/injection"
	"midas/internal/keyvault"
	"midas/internal/pki"
	"midas/internal/provider/authorization"
	"midas/internal/provider/compute"
	"midas/internal/provider/insights"
	keyvaultprovider "midas/internal/provider/keyvault"
	"midas/internal/provider/managedidentity"
	"midas/internal/provider/network"
	"midas/internal/provider/resources"
	"midas/internal/proxy"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/sts"
	"midas/internal/wire"
)

// Version is the version of the program; the release build sets it.
var Version = "0.1.0-dev"

// Config says what to run. The zero value of a field is a default where there can be one.
type Config struct {
	DataDir      string // made where it is missing, 0700
	Listen       string // address of the front port; port 0 takes a free one
	Cloud        string // name of a profile; "" is AzureCloud, or what the data directory has
	Tenant       string // GUID; "" is what the data directory has, or a new one
	Subscription string // likewise
	Sample       bool   // make a machine, a vault and a secret to play with
	Development  bool   // let the operator move the clock and inject faults
	RootKey      string // the seal's root key, in place of the one in DataDir
	Log          *slog.Logger
	Now          func() time.Time // nil is the machine's clock
}

// Server is a whole cloud, ready to run.
type Server struct {
	config   Config
	clock    *clock.Clock
	now      func() time.Time // of the clock
	log      *slog.Logger
	lock     *flock.Flock
	profile  cloud.Profile
	ids      identity
	db       *store.DB
	root     *seal.Root
	ca       *pki.Authority
	sts      *sts.Service
	acts     *activity.Log
	imds     *imds.Door
	faults   *injection.Rules // nil but in development
	front    net.Listener
	parted   *proxy.Front // front, by the first byte of each connection
	proxy    *proxy.Door
	standing standing // leases without a connection
	socket   net.Listener
	sockets  string // private directory of the machines' sockets
	sample   *control.Sample
	first    firstPassword     // of the operator, where this start made the installation
	sweeps   chan chan<- error // asks for a sweep; the answer comes when it is done
	rotating sync.Mutex        // held while the root key is rotated
	files    tokenFiles        // of leases with --source workload
	ready    chan struct{}
	machines sync.WaitGroup // the machines' endpoints that are served
}

// New opens the data directory and the listeners. It fails where another
// process holds either. Nothing is served before [Server.Run].
func New(ctx context.Context, c Config) (_ *Server, err error) {
	s := &Server{config: c, clock: clock.New(machineClock(c), 0), log: c.Log, sweeps: make(chan chan<- error), ready: make(chan struct{})}
	s.now = s.clock.Now
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err = s.openData(ctx); err != nil {
		return nil, err
	}
	if err = s.bootstrap(ctx); err != nil {
		return nil, err
	}
	// Real clients check certificates against their own clocks, so the CA
	// keeps the machine's time.
	if s.ca, err = pki.Open(filepath.Join(c.DataDir, "ca"), pki.Names{Exact: s.profile.ExactHosts(), Wildcards: s.profile.WildcardHosts(), Attest: s.profile.MetadataHost}, time.Now); err != nil {
		return nil, err
	}
	if err = os.WriteFile(s.bundleFile(), s.ca.Bundle(), 0o644); err != nil {
		return nil, err
	}
	s.sts = sts.New(sts.Config{DB: s.db, Root: s.root, Cloud: s.profile, Now: s.now, Log: s.log})
	s.acts = activity.New(s.db, s.log)
	if c.Development {
		s.faults = &injection.Rules{}
	}
	s.imds = &imds.Door{DB: s.db, Sts: s.sts, Attest: s.ca.Attest, Cloud: s.profile, Now: s.now, Log: s.log, Record: s.record, Faults: s.faults}
	if s.sockets, err = os.MkdirTemp("", "midas-"); err != nil {
		return nil, err
	}
	if s.front, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("the front port %s cannot be opened: %w\nhint: choose another with --listen, or port 0 for a free one", c.Listen, err)
	}
	s.parted = proxy.NewFront(s.front)
	s.proxy = &proxy.Door{Now: s.now, Log: s.log, Serves: s.profile.Serves, Front: s.parted}
	s.socket, err = control.Listen(s.controlSocket())
	return s, err
}

// openData takes the data directory for this process and opens what is stored in it.
func (s *Server) openData(ctx context.Context) (err error) {
	if s.lock, err = lock(s.config.DataDir); err != nil {
		return err
	}
	if err = removeLeftovers(s.config.DataDir); err != nil {
		return err
	}
	if s.root, err = openRoot(s.config); err != nil {
		return err
	}
	if s.db, err = store.Open(ctx, store.Config{Path: filepath.Join(s.config.DataDir, databaseFile), Now: s.now, Log: s.log}); err != nil {
		return err
	}
	return s.restoreClock(ctx)
}

// providers is the list of resource providers. To add one: one folder, one line.
func (s *Server) providers() []arm.Provider {
	return []arm.Provider{
		authorization.Provider(),
		compute.Provider(),
		keyvaultprovider.Provider(s.root),
		managedidentity.Provider(),
		network.Provider(),
		resources.Provider(),
		insights.Provider(),
	}
}

// doors is the front port: the door is chosen by the host that was asked for.
func (s *Server) doors() http.Handler {
	login := (&entra.Door{DB: s.db, Sts: s.sts, Cloud: s.profile, Now: s.now, Log: s.log, Record: s.record, Issuers: s.issuers()}).Routes()
	manager := (&arm.Door{DB: s.db, Sts: s.sts, Cloud: s.profile, Tenant: s.ids.tenant, Providers: s.providers(), Now: s.now, Log: s.log, Record: s.record}).Routes()
	vaults := (&keyvault.Door{DB: s.db, Sts: s.sts, Root: s.root, Cloud: s.profile, Now: s.now, Log: s.log, Record: s.record}).Routes()
	nobody := wire.Door{Name: "front", Now: s.now, Log: s.log, Fail: misdirected}.Handle(func(http.ResponseWriter, *http.Request) error { return errNobody })
	byHost := map[string]http.Handler{s.profile.STSHost: login, s.profile.IssuerHost: login}
	byHost[s.profile.GraphHost] = (&graph.Door{DB: s.db, Sts: s.sts, Cloud: s.profile, Tenant: s.ids.tenant, Now: s.now, Log: s.log, Record: s.record}).Routes()
	for _, host := range s.profile.LoginHosts {
		byHost[host] = login
	}
	for _, host := range s.profile.ResourceManagerHosts() {
		byHost[host] = manager
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := wire.Host(r)
		door, ok := byHost[host]
		if _, isVault := s.profile.VaultName(host); isVault {
			door = vaults
		} else if !ok {
			door = nobody
		}
		door.ServeHTTP(w, r)
	})
}

var errNobody = errors.New("no door has this host name")

// misdirected answers a host name that no door has.
func misdirected(w http.ResponseWriter, r *http.Request, err error) string {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message = "MisdirectedRequest", "No service of this cloud answers for this host name here."
	wire.WriteJSON(w, http.StatusMisdirectedRequest, body)
	return body.Error.Code
}

// record keeps what was done, as Azure's own logs do: sign-ins, changes and
// denials at Resource Manager and Graph, and everything in a vault. Requests that asked
// for nothing, such as discovery, are not.
func (s *Server) record(e wire.Event) {
	read := e.Method == http.MethodGet || e.Method == http.MethodHead
	if e.Operation == "" || (e.Door == "arm" || e.Door == "graph") && read && e.Status < http.StatusBadRequest {
		return
	}
	s.acts.Record(activity.Entry{Time: e.Time, Plane: e.Door, Caller: e.Caller, Operation: e.Operation, Target: e.Target, Status: e.Status, Code: e.Code,
		RequestID: e.RequestID, CorrelationID: e.CorrelationID, ClientAddress: e.Client, Method: e.Method})
}

// Run serves until ctx ends, and then lets requests finish for a moment.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	admin := control.Door{
		Now: s.now, Log: s.log, Status: s.Status, Attach: s.attach, Token: s.operatorToken, Why: s.why, CreateServicePrincipal: s.createServicePrincipal,
		Clock: s.showClock, AdvanceClock: s.advanceClock, Faults: s.listFaults, AddFault: s.addFault, ClearFaults: s.clearFaults, AddEvent: s.addEvent, ListEvents: s.listEvents, ClearEvents: s.clearEvents,
		Users: s.users(), Verify: s.verify, Backup: s.backup, Reseal: s.reseal,
		Lease: func(_ context.Context, q control.AttachRequest) (control.Attachment, error) { return s.stand(ctx, q) }, EndLease: s.endStanding,
		WorkloadToken: s.workloadToken,
	}
	administration := wire.Server(admin.Routes(), s.log)
	administration.BaseContext = func(net.Listener) context.Context { return ctx } // leases end with the server
	// What was done is written until the last request is answered.
	recording, stop := context.WithCancel(context.WithoutCancel(ctx))
	recorded := make(chan error, 1)
	go func() { recorded <- s.acts.Run(recording) }()
	err := together(ctx,
		s.db.Follow,
		s.sts.Run,
		s.sweep,
		s.keepTokens,
		s.parted.Run,
		serve(wire.Server(s.doors(), s.log), tls.NewListener(s.parted.TLS, s.tls())),
		serve(s.proxy.Server(), s.parted.Plain),
		serve(administration, s.socket),
		s.start,
	)
	s.machines.Wait()
	stop()
	return errors.Join(err, <-recorded)
}

// start makes the sample, if asked, and then says that every door answers.
func (s *Server) start(ctx context.Context) error {
	if err := s.answers(ctx); err != nil {
		return err
	}
	if s.config.Sample {
		if err := s.makeSample(ctx); err != nil {
			return fmt.Errorf("the sample could not be made: %w", err)
		}
	}
	close(s.ready)
	return nil
}

// Ready is closed once every door answers.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// serve runs one HTTP server until ctx ends, and then lets its requests finish.
func serve(server *http.Server, l net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			<-ctx.Done()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if server.Shutdown(last) != nil {
				server.Close()
			}
		}()
		err := server.Serve(l)
		if !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		<-stopped
		return nil
	}
}

// together runs tasks side by side. The first that fails ends the others; one
// that succeeds leaves them running.
func together(ctx context.Context, tasks ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, len(tasks))
	for _, task := range tasks {
		go func() {
			err := task(ctx)
			if err != nil {
				cancel(err)
			}
			done <- err
		}()
	}
	var first error
	for range tasks {
		if err := <-done; first == nil && err != nil && !errors.Is(err, context.Canceled) {
			first = err
		}
	}
	return first
}

// Close releases everything that New opened. Run does it too.
func (s *Server) Close() error {
	var errs []error
	for _, l := range []net.Listener{s.front, s.socket} {
		if l != nil {
			l.Close()
		}
	}
	if s.sockets != "" {
		errs = append(errs, os.RemoveAll(s.sockets))
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Unlock())
	}
	return errors.Join(errs...)
}

// Status says what runs and how to reach it.
func (s *Server) Status() control.Status {
	return control.Status{
		Endpoint: s.front.Addr().String(), PID: os.Getpid(), Version: Version, Cloud: s.profile.Name,
		TenantID: string(s.ids.tenant), SubscriptionID: string(s.ids.subscription), DataDir: s.config.DataDir,
		CAFile: s.ca.CAPath(), BundleFile: s.bundleFile(), ControlSocket: s.controlSocket(),
		Endpoints: control.Endpoints{Login: "https://" + s.profile.LoginHost(), ResourceManager: s.profile.ResourceManager(), Graph: "https://" + s.profile.GraphHost, VaultSuffix: s.profile.VaultSuffix, WorkloadIssuer: s.profile.WorkloadIssuer(s.ids.tenant)},
		Sample:    s.sample,
	}
}

// Names in the data directory (docs/architecture.md).
const (
	databaseFile = "midas.db"
	rootKeyFile  = "root.key"
)

func (s *Server) bundleFile() string    { return filepath.Join(s.config.DataDir, "bundle.pem") }
func (s *Server) controlSocket() string { return ControlSocket(s.config.DataDir) }

// ControlSocket is where a server on a data directory listens for commands.
func ControlSocket(dataDir string) string { return filepath.Join(dataDir, "control.sock") }

// lock takes the data directory for this process, and says who has it otherwise.
func lock(dir string) (*flock.Flock, error) {
	if err := privateDir(dir); err != nil {
		return nil, err
	}
	l := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	held, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be locked: %w", err)
	}
	pid := filepath.Join(dir, "pid")
	if !held {
		who := "another process"
		if b, err := os.ReadFile(pid); err == nil {
			who = "process " + strings.TrimSpace(string(b))
		}
		return nil, fmt.Errorf("the data directory %s is held by %s\nhint: `midas status` shows what runs there; stop it first, or choose another directory with --data", dir, who)
	}
	return l, os.WriteFile(pid, fmt.Appendln(nil, os.Getpid()), 0o600)
}

// privateDir makes a directory for this user alone, and refuses one that others can enter.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the data directory cannot be made: %w", err)
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("the data directory %s is open to other users (mode %04o)\nhint: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return err
}

func openRoot(c Config) (*seal.Root, error) {
	if c.RootKey != "" {
		return seal.RootFromEnv(c.RootKey)
	}
	return seal.OpenRoot(filepath.Join(c.DataDir, rootKeyFile))
}
