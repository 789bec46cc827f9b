package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program that said on its first line of output that it is ready.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	said   string        // the first line
	took   time.Duration // from its start to that line
}

// start runs a program on some cores. It is ended with the test at the latest.
func start(t testing.TB, cores unix.CPUSet, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd}
	cmd.Stderr = &p.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := startOn(cores, cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end() })
	p.said, err = bufio.NewReader(stdout).ReadString('\n')
	p.took = time.Since(begun)
	if err != nil {
		t.Fatalf("%s ended before it was ready: %v\n%s", cmd, cmd.Wait(), &p.stderr)
	}
	p.said = strings.TrimSpace(p.said)
	return p
}

// startOn starts a program from a thread that has only these cores: a child
// has those of its parent.
func startOn(cores unix.CPUSet, cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var mine unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mine); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &cores); err != nil {
		return err
	}
	err := cmd.Start()
	if err := unix.SchedSetaffinity(0, &mine); err != nil {
		return err
	}
	return err
}

// end ends the process as Ctrl-C would. More calls change nothing.
func (p *process) end() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.cmd.Wait()
}

// cpu is the time that all threads of the process have run for, those that are
// gone too. Every process has such a clock; its id is made of the process's.
func (p *process) cpu() time.Duration { return cpuOf(p.cmd.Process.Pid) }

func cpuOf(pid int) time.Duration {
	const schedulerClock = 2 // CPUCLOCK_SCHED
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &at); err != nil {
		panic(fmt.Sprintf("process %d has no clock: %v", pid, err))
	}
	return time.Duration(at.Nano())
}

// settle waits until the process rests: what it still does behind its answers
// belongs to them.
func (p *process) settle() {
	const look, rest = 25 * time.Millisecond, 500 * time.Microsecond
	for before := p.cpu(); ; {
		<-time.After(look)
		now := p.cpu()
		if now-before < rest {
			return
		}
		before = now
	}
}

// memory is what the process has of the machine's memory, in bytes: all of it,
// and the part that no file backs.
func (p *process) memory() (resident, anonymous int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kB, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			resident = kB << 10
		case "RssAnon":
			anonymous = kB << 10
		}
	}
	if resident == 0 {
		return 0, 0, fmt.Errorf("no VmRSS in %q", status)
	}
	return resident, anonymous, nil
}

// cores shares the machine out: one core for the servers, another for the
// clients. Where there is but one, they share it.
type cores struct{ all, server, client unix.CPUSet }

func findCores() (c cores, err error) {
	if err := unix.SchedGetaffinity(0, &c.all); err != nil {
		return c, err
	}
	var ours []int
	for n := range len(c.all) * 64 {
		if c.all.IsSet(n) {
			ours = append(ours, n)
		}
	}
	c.server.Set(ours[0])
	c.client.Set(ours[len(ours)-1])
	return c, nil
}

// keepTo keeps this process to some cores: every thread that it has, and with
// them those that they make.
func keepTo(cores unix.CPUSet) error {
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, path := range threads {
		id, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &cores); err != nil && err != unix.ESRCH {
			return err
		}
	}
	return nil
}
