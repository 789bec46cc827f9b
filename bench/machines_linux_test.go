//go:build bench

package bench

import (
	"fmt"
	"io"
	"testing"

	"midas/internal/control"
)

// machines prints what a server's memory grows by for each machine that is attached
// and has fetched a token: its socket, its listener, its document and its token.
func machines(t *testing.T, w io.Writer, c cores, binary string) {
	const count = 1000
	s := startCloud(t, c.server, binary)
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("machine-%04d", i)
		path := s.resource("Microsoft.Compute/virtualMachines/"+names[i]) + "?api-version=2024-11-01"
		body := fmt.Sprintf(`{"location":"eastus","identity":{"type":"SystemAssigned"},"properties":{"hardwareProfile":{"vmSize":"Standard_B1s"},"osProfile":{"computerName":%q}}}`, names[i])
		s.once(t, s.manager, 201, request("PUT", s.manager.host, path, s.managerToken, body))
	}
	before, _, err := s.memory()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		attached, err := control.Dial(s.status.ControlSocket).Attach(t.Context(), control.AttachRequest{VM: name})
		if err != nil {
			t.Fatal(err)
		}
		defer attached.Close()
		s.once(t, place{socket: attached.Socket("169.254.169.254:80")}, 200, s.tokenRequest(""))
	}
	after, _, err := s.memory()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(w, "%s\t%.1f KB each\t%.1f MB before\t%.1f MB after\t\n\n", named(fmt.Sprintf("memory per attached machine, of %d", count)),
		float64(after-before)/count/1000, float64(before)/1e6, float64(after)/1e6)
	if err := s.end(); err != nil {
		t.Error(err)
	}
}
