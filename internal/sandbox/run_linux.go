package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Run runs the command in a world of its own and returns its exit code: the
// command's, 128+n when signal n ended it, 127 when it was not found, 126 when it
// could not be executed, 1 when the world could not be built. The last three come
// with an error; one that matches [errors.ErrUnsupported] says that namespaces do
// not work here and what to do.
//
// SIGTERM, SIGHUP and SIGQUIT that this process gets during the run go to the
// command. So does SIGINT, unless a terminal has already sent it to both. When
// ctx is cancelled the command gets SIGTERM and Run goes on waiting; when ctx's
// deadline passes, or Config.Kill is closed, every process in the namespace is
// killed. When this process dies, the command is killed.
func Run(ctx context.Context, c Config) (exitCode int, err error) {
	if err := cmp.Or(c.check(), ctx.Err()); err != nil {
		return codeFailed, err
	}
	if c.Dir != "" {
		if err := unix.Access(c.Dir, unix.X_OK); err != nil {
			return codeFailed, fmt.Errorf("sandbox: enter %s: %w", c.Dir, err)
		}
	}
	p, err := prepare("/", c)
	if err != nil {
		return codeFailed, fmt.Errorf("sandbox: %w", err)
	}
	if p.Scratch, err = os.MkdirTemp("", "midas-run-"); err != nil { // mode 0700
		return codeFailed, fmt.Errorf("sandbox: %w", err)
	}
	defer os.Remove(p.Scratch) // again, should live not come that far
	runtime.LockOSThread()     // see start
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 16)
	notify(signals)
	defer signal.Stop(signals)
	h, err := start(c, p)
	if err != nil {
		return codeFailed, explain(err)
	}
	defer h.conn.Close()
	finished := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { h.watch(ctx, c.Kill, signals, finished) })
	code, err := h.live(ctx, c, p.Scratch)
	close(finished)
	watching.Wait()
	return code, err
}

// live takes a started half through its life, to its exit code.
func (h *half) live(ctx context.Context, c Config, scratch string) (int, error) {
	files, err := h.ready(c.sockets())
	if err != nil {
		return h.stillborn(err)
	}
	// The child needs it no more; nothing is left behind from here on.
	if err := os.Remove(scratch); err != nil {
		closeAll(files)
		return h.stillborn(err)
	}
	stop, err := serve(ctx, c, files)
	if err != nil {
		return h.stillborn(err)
	}
	defer stop()
	if err := h.release(); err != nil {
		return h.stillborn(err)
	}
	return h.wait()
}

// stillborn is the end of a child that never became the command.
func (h *half) stillborn(cause error) (int, error) {
	var f *failure
	if !errors.As(cause, &f) {
		h.conn.Close() // the child half waits for us no longer
		code, _ := h.wait()
		return max(code, codeFailed), fmt.Errorf("sandbox: the child %w", cause)
	}
	if _, err := h.wait(); err != nil {
		return codeFailed, err
	}
	switch f.kind {
	case reportNotFound:
		return codeNotFound, f
	case reportNotExecutable:
		return codeNotExecutable, f
	case reportDenied:
		return codeFailed, because(f)
	case reportNoWayOut:
		return codeFailed, noWayOut(f, tunDevice)
	default:
		return codeFailed, fmt.Errorf("sandbox: %w", f)
	}
}

// sockets is how many descriptors the child half passes.
func (c Config) sockets() int {
	n := len(c.Listeners) + 2
	if c.Egress != nil {
		n++
	}
	return n
}

// serve answers on the sockets from inside until stop, which waits for the end
// of all that it started. The first two sockets are the name server's; a way out
// is the last.
func serve(ctx context.Context, c Config, files []*os.File) (stop func(), err error) {
	// A command that was asked to end may still want to say goodbye to a server.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	closeWay := func() {}
	if c.Egress != nil {
		last := len(files) - 1
		if closeWay, err = c.Egress.open(ctx, files[last], c.Hosts); err != nil {
			cancel()
			closeAll(files[:last])
			return nil, err
		}
		files = files[:last]
	}
	closeListeners, err := serveListeners(ctx, c, files)
	if err != nil {
		cancel()
		closeWay()
		return nil, err
	}
	return func() {
		cancel()
		closeListeners()
		closeWay()
	}, nil
}

// serveListeners answers on the name server's sockets and the listeners until
// stop, before which ctx has to end.
func serveListeners(ctx context.Context, c Config, files []*os.File) (stop func(), err error) {
	defer closeAll(files) // what is made of them holds descriptors of its own
	packets, err := net.FilePacketConn(files[0])
	if err != nil {
		return nil, err
	}
	var listeners []net.Listener
	closeSockets := func() {
		packets.Close()
		for _, l := range listeners {
			l.Close()
		}
	}
	for _, f := range files[1:] {
		l, err := net.FileListener(f)
		if err != nil {
			closeSockets()
			return nil, err
		}
		listeners = append(listeners, l)
	}
	var wg sync.WaitGroup
	n := names{c.Hosts, c.Egress}
	wg.Go(func() { serveUDP(ctx, packets, n) })
	wg.Go(func() {
		accept(ctx, listeners[0], maxStreams, func(ctx context.Context, conn net.Conn) { serveTCP(ctx, conn, n) })
	})
	for i, l := range c.Listeners {
		wg.Go(func() {
			accept(ctx, listeners[i+1], maxRelays, func(ctx context.Context, conn net.Conn) { relay(ctx, conn, l.Dial) })
		})
	}
	return func() {
		closeSockets()
		wg.Wait()
	}, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// watch passes on signals and the caller's wish to end, until finished.
func (h *half) watch(ctx context.Context, kill <-chan struct{}, signals <-chan os.Signal, finished <-chan struct{}) {
	cancelled := ctx.Done()
	for {
		select {
		case <-finished:
			return
		case s := <-signals:
			if s != syscall.SIGINT || !atTerminal() {
				h.cmd.Process.Signal(s) // it may have ended meanwhile
			}
		case <-cancelled:
			cancelled = nil
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				h.kill()
			} else {
				h.cmd.Process.Signal(syscall.SIGTERM)
			}
		case <-kill:
			kill = nil
			h.kill()
		}
	}
}
