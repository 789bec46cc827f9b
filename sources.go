package midas

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/fault"
	"midas/internal/pki"
	"midas/internal/wire"
)

// Where a machine has its endpoints, as a command in its namespace sees them.
const (
	addrIMDS            = "169.254.169.254:80"
	addrAppService      = "127.0.0.1:41741"
	addrMachineLearning = "127.0.0.1:46808"
	addrCloudShell      = "127.0.0.1:50342"
	addrServiceFabric   = "127.0.0.1:2377"
)

// openIMDS opens the metadata service, and beside it the retired extension
// where the machine has one. A proxy reaches the first alone: the second is at
// a port of the machine's own loopback, which a command on the host has not.
func (l *lease) openIMDS() error {
	if err := l.listenPrivately(addrIMDS, l.machine.VM(), nil); err != nil {
		return err
	}
	port, err := l.machine.ExtensionPort(l.ctx)
	if err != nil || port == 0 || l.grant != nil {
		return err
	}
	_, err = l.listenExtension(port, "")
	return err
}

// openExtension opens the retired extension, for clients that are told of it.
func (l *lease) openExtension() error {
	port, err := l.machine.ExtensionPort(l.ctx)
	if err != nil {
		return err
	}
	if port == 0 {
		return fault.New(fault.NotFound, "the machine %s has no identity extension\nhint: install ManagedIdentityExtensionForLinux of Microsoft.ManagedIdentity on it, or leave --source out", l.vm.Name()).At("source")
	}
	segment := l.segment()
	at, err := l.listenExtension(port, segment)
	l.Env["MSI_ENDPOINT"] = "http://" + at + below(segment) + "/oauth2/token"
	return err
}

func (l *lease) listenExtension(port int, segment string) (string, error) {
	if port == 443 || port == 53 {
		return "", fault.New(fault.Conflict, "the port %d of the machine's identity extension is taken in a namespace\nhint: give the extension another port in its settings", port)
	}
	return l.listen("127.0.0.1:"+strconv.Itoa(port), l.machine.Extension(port, segment), nil)
}

func (l *lease) openAppService() error {
	secret := newSecret()
	at, err := l.listen(addrAppService, l.machine.AppService(secret), nil)
	l.Env["IDENTITY_ENDPOINT"], l.Env["IDENTITY_HEADER"] = "http://"+at+"/msi/token", secret
	return err
}

// openAppService2017 sets the name of a site as well: old clients take its
// variable for App Service, and the others for Azure ML.
func (l *lease) openAppService2017() error {
	secret := newSecret()
	at, err := l.listen(addrAppService, l.machine.AppService2017(secret), nil)
	l.Env["MSI_ENDPOINT"], l.Env["MSI_SECRET"] = "http://"+at+"/msi/token", secret
	l.Env["APPSETTING_WEBSITE_SITE_NAME"] = l.vm.Name()
	return err
}

func (l *lease) openMachineLearning() error {
	secret := newSecret()
	at, err := l.listen(addrMachineLearning, l.machine.MachineLearning(secret), nil)
	l.Env["MSI_ENDPOINT"], l.Env["MSI_SECRET"] = "http://"+at+"/msi/token", secret
	return err
}

func (l *lease) openCloudShell() error {
	segment := l.segment()
	at, err := l.listen(addrCloudShell, l.machine.CloudShell(segment), nil)
	l.Env["MSI_ENDPOINT"] = "http://" + at + below(segment) + "/oauth2/token"
	return err
}

// openServiceFabric has a certificate that nobody vouches for: its clients know
// it by its thumbprint.
func (l *lease) openServiceFabric() error {
	certificate, err := pki.SelfSigned("localhost", net.IPv4(127, 0, 0, 1), time.Now()) // real clients may look at its dates
	if err != nil {
		return err
	}
	secret := newSecret()
	at, err := l.listen(addrServiceFabric, l.machine.ServiceFabric(secret), &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}})
	thumbprint := sha1.Sum(certificate.Certificate[0]) // that hash and no other is the wire's
	l.Env["IDENTITY_ENDPOINT"], l.Env["IDENTITY_HEADER"] = "https://"+at+"/metadata/identity/oauth2/token", secret
	l.Env["IDENTITY_SERVER_THUMBPRINT"] = strings.ToUpper(hex.EncodeToString(thumbprint[:]))
	l.Env["IDENTITY_API_VERSION"] = "2019-07-01-preview"
	return err
}

// newSecret is a credential of 256 bits.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// segment is the credential in the path of an endpoint that has none on its
// wire. In a namespace it needs none, and is where old programs look for it.
func (l *lease) segment() string {
	if l.grant != nil {
		return newSecret()
	}
	return ""
}

// below is a path segment, or nothing.
func below(segment string) string {
	if segment == "" {
		return ""
	}
	return "/" + segment
}

// listen serves an endpoint, and returns the address at which the command finds
// it: that of the machine, in a namespace. Otherwise the command has the host's
// network, and the endpoint a port of its loopback that is free; whoever is on
// the host can reach that, so there the endpoint asks for a credential.
func (l *lease) listen(addr string, h http.Handler, secured *tls.Config) (string, error) {
	if l.grant == nil {
		return addr, l.listenPrivately(addr, h, secured)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "no port of the loopback can be opened")
	}
	addr = listener.Addr().String()
	l.serve(listener, addr, h, secured)
	l.grant.Own = append(l.grant.Own, addr) // some clients ask a proxy even for their own machine
	return addr, nil
}

// listenPrivately serves an address on the machine by a unix socket of its own.
// Whoever connects to it is that machine: the listener is the identity. By the
// proxy, its credential takes that place.
func (l *lease) listenPrivately(addr string, h http.Handler, secured *tls.Config) error {
	if l.grant != nil {
		l.grant.Endpoints[addr] = h
		l.Endpoints = append(l.Endpoints, control.LocalEndpoint{Addr: addr})
		return nil
	}
	path := filepath.Join(l.sockets, azure.NewGUID()+".sock")
	listener, err := control.Listen(path)
	if err != nil {
		return err
	}
	l.serve(listener, addr, h, secured)
	l.Endpoints = append(l.Endpoints, control.LocalEndpoint{Addr: addr, Socket: path})
	return nil
}

// serve answers on a listener until the lease ends.
func (l *lease) serve(listener net.Listener, addr string, h http.Handler, secured *tls.Config) {
	if secured != nil {
		listener = tls.NewListener(listener, secured)
	}
	endpoint := serve(wire.Server(h, l.log), listener)
	l.machines.Go(func() {
		if err := endpoint(l.ctx); err != nil {
			l.log.Error("a machine's endpoint ended", "machine", l.vm.String(), "address", addr, "err", err)
		}
	})
}
