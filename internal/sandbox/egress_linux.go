package sandbox

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	linkMTU    = 65520 // the link is memory: the larger, the fewer packets
	linkQueue  = 512   // packets on their way into the namespace
	maxFlows   = 2048  // connections and UDP flows at one time; more are refused
	maxOpening = 512   // connections that are being opened; more wait for their next try
	udpIdle    = time.Minute
)

// way is one way out at work: the far end of the command's link.
type way struct {
	*Egress
	names  names
	ctx    context.Context
	tun    *os.File
	link   *channel.Endpoint
	stack  *stack.Stack
	mu     sync.Mutex
	closed bool
	flows  sync.WaitGroup
	count  int
}

// open serves a namespace's link, which it takes over, until stop, which waits
// for the end of all that it started.
func (e *Egress) open(ctx context.Context, tun *os.File, hosts func(string) bool) (stop func(), err error) {
	w := &way{Egress: e, names: names{hosts, e}, tun: tun, link: channel.New(linkQueue, linkMTU, "")}
	if w.stack, err = newStack(w.link); err != nil {
		tun.Close()
		return nil, err
	}
	w.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(w.stack, 0, maxOpening, w.tcp).HandlePacket)
	w.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(w.stack, w.udp).HandlePacket)
	ctx, cancel := context.WithCancel(ctx)
	w.ctx = ctx
	var pumps sync.WaitGroup
	pumps.Go(w.fromCommand)
	pumps.Go(w.toCommand)
	return func() {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		cancel()
		tun.Close()
		w.flows.Wait()
		pumps.Wait()
		w.link.Close()
		w.stack.Destroy()
	}, nil
}

// newStack makes a stack that answers for every address on its one link.
func newStack(link stack.LinkEndpoint) (*stack.Stack, error) {
	const nic = 1
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	sack := tcpip.TCPSACKEnabled(true)
	for _, failed := range []tcpip.Error{
		s.CreateNIC(nic, link), s.SetPromiscuousMode(nic, true), s.SetSpoofing(nic, true),
		s.SetTransportProtocolOption(tcp.ProtocolNumber, &sack),
	} {
		if failed != nil {
			s.Destroy()
			return nil, &net.OpError{Op: "egress", Err: stackError{failed}}
		}
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	return s, nil
}

// stackError makes the stack's kind of error one of Go's.
type stackError struct{ of tcpip.Error }

func (e stackError) Error() string { return e.of.String() }

// fromCommand takes the command's packets to the stack until the link ends.
func (w *way) fromCommand() {
	buf := make([]byte, 1<<16)
	for {
		n, err := w.tun.Read(buf)
		if err != nil {
			return
		}
		protocol, ok := carried(buf[:n])
		if !ok {
			continue
		}
		packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(buf[:n])})
		w.link.InjectInbound(protocol, packet)
		packet.DecRef()
	}
}

// carried tells whether a packet holds TCP or UDP, and in which protocol. There
// is nothing else: the stack would answer an echo in the name of the whole world.
func carried(packet []byte) (protocol tcpip.NetworkProtocolNumber, ok bool) {
	var inner tcpip.TransportProtocolNumber
	switch header.IPVersion(packet) {
	case header.IPv4Version:
		if len(packet) < header.IPv4MinimumSize {
			return 0, false
		}
		protocol, inner = ipv4.ProtocolNumber, header.IPv4(packet).TransportProtocol()
	case header.IPv6Version:
		if len(packet) < header.IPv6MinimumSize {
			return 0, false
		}
		protocol, inner = ipv6.ProtocolNumber, tcpip.TransportProtocolNumber(header.IPv6(packet).NextHeader())
		if inner == header.IPv6FragmentHeader {
			return protocol, true
		}
	}
	return protocol, inner == tcp.ProtocolNumber || inner == udp.ProtocolNumber
}

// toCommand takes the stack's packets to the command until the way is closed.
func (w *way) toCommand() {
	for packet := w.link.ReadContext(w.ctx); packet != nil; packet = w.link.ReadContext(w.ctx) {
		view := packet.ToView()
		w.tun.Write(view.AsSlice()) // what is lost is sent again; a closed link ends the context
		view.Release()
		packet.DecRef()
	}
}

// enter counts a flow in, unless there are too many or the way is closed.
func (w *way) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.count == maxFlows {
		return false
	}
	w.count++
	w.flows.Add(1)
	return true
}

func (w *way) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count--
	w.flows.Done()
}

// destination is where a flow wants to go.
func destination(id stack.TransportEndpointID) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(id.LocalAddress.AsSlice()) // of 4 or 16 octets
	return netip.AddrPortFrom(addr, id.LocalPort)
}

// tcp opens the other end first: a connection that cannot be made outside is
// refused inside.
func (w *way) tcp(r *tcp.ForwarderRequest) {
	if !w.enter() {
		r.Complete(true)
		return
	}
	defer w.leave()
	to := destination(r.ID())
	if to.Port() == portDNS {
		if inside, ok := accepted(r); ok {
			serveTCP(w.ctx, inside, w.names)
		}
		return
	}
	outside, err := w.dial(w.ctx, "tcp", to)
	if err != nil {
		r.Complete(true)
		return
	}
	inside, ok := accepted(r)
	if !ok {
		outside.Close()
		return
	}
	Join(w.ctx, inside, outside)
}

// accepted completes the handshake with the command.
func accepted(r *tcp.ForwarderRequest) (net.Conn, bool) {
	var queue waiter.Queue
	endpoint, err := r.CreateEndpoint(&queue)
	r.Complete(err != nil)
	if err != nil {
		return nil, false
	}
	return gonet.NewTCPConn(&queue, endpoint), true
}

// udp takes the first packet of a flow. It must not wait. Where it returns
// false the command is told that the port is unreachable.
func (w *way) udp(r *udp.ForwarderRequest) bool {
	to := destination(r.ID())
	if to.Port() != portDNS && outside(to) == nil || !w.enter() {
		return false
	}
	var queue waiter.Queue
	endpoint, err := r.CreateEndpoint(&queue)
	if err != nil {
		w.leave()
		return true // its own end has gone, or another packet was first
	}
	inside := gonet.NewUDPConn(&queue, endpoint)
	go func() {
		defer w.leave()
		defer inside.Close()
		defer context.AfterFunc(w.ctx, func() { inside.Close() })()
		if to.Port() == portDNS {
			w.askedElsewhere(inside)
			return
		}
		outside, err := w.dial(w.ctx, "udp", to)
		if err != nil {
			return
		}
		exchangePackets(w.ctx, inside, outside)
	}()
	return true
}

// askedElsewhere answers questions that the command sent to another name server.
func (w *way) askedElsewhere(inside net.Conn) {
	idle := time.AfterFunc(udpIdle, func() { inside.Close() })
	defer idle.Stop()
	buf := make([]byte, maxQuery)
	for {
		n, err := inside.Read(buf)
		if err != nil {
			return
		}
		idle.Reset(udpIdle)
		if reply := w.names.answer(w.ctx, buf[:n], maxUDPAnswer); reply != nil {
			inside.Write(reply)
		}
	}
}

// exchangePackets copies packets both ways until none has come for a while, and
// closes both ends.
func exchangePackets(ctx context.Context, inside, outside net.Conn) {
	end := func() {
		inside.Close()
		outside.Close()
	}
	defer end()
	defer context.AfterFunc(ctx, end)()
	idle := time.AfterFunc(udpIdle, end)
	defer idle.Stop()
	forward := func(to, from net.Conn) {
		defer end() // as when the port outside turns out to be unreachable
		buf := make([]byte, 1<<16)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			idle.Reset(udpIdle)
			to.Write(buf[:n]) // packets may be lost
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { forward(outside, inside) })
	wg.Go(func() { forward(inside, outside) })
	wg.Wait()
}
