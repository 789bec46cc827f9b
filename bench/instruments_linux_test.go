package bench

import (
	"crypto/sha256"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestInstruments measures the limit itself: that its answers are read whole,
// and that what it costs is found.
func TestInstruments(t *testing.T) {
	c, err := findCores()
	if err != nil {
		t.Fatal(err)
	}
	for name, unixSocket := range map[string]bool{"unix": true, "tls": false} {
		t.Run(name, func(t *testing.T) {
			const body = `{"a":"body"}`
			server, at := startBare(t, c.server, unixSocket, []byte(body))
			l := against(t, server, at, 2, same(request("PUT", bareHost, "/a?b=c", "token", "{}")))
			wrong := make(chan string, 100)
			l.answered = func(b []byte) {
				if string(b) != body {
					wrong <- string(b)
				}
			}
			got, err := l.measure(100)
			if err != nil || len(wrong) > 0 {
				t.Fatal(err, len(wrong))
			}
			if got.cpu <= 0 || got.rate <= 0 || got.p99 <= 0 {
				t.Errorf("nothing costs nothing: %+v", got)
			}
			if resident, anonymous, err := server.memory(); err != nil || anonymous <= 0 || resident <= anonymous {
				t.Error(resident, anonymous, err)
			}
			l.next = same([]byte("not HTTP\r\n\r\n"))
			if _, err := l.measure(1); err == nil {
				t.Error("a refusal is taken for an answer")
			}
		})
	}
}

// TestCPUClock holds the clock of a process between that of its own thread and
// what all cores together have.
func TestCPUClock(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := func() time.Duration {
		var at unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at); err != nil {
			t.Fatal(err)
		}
		return time.Duration(at.Nano())
	}
	begun, processBefore, threadBefore := time.Now(), cpuOf(os.Getpid()), thread()
	for range 20 {
		sha256.Sum256(make([]byte, 1<<20))
	}
	threadTook := thread() - threadBefore
	processTook, elapsed := cpuOf(os.Getpid())-processBefore, time.Since(begun)
	const tick = 10 * time.Millisecond // by which threads that run elsewhere may lag
	if most := (elapsed + tick) * time.Duration(runtime.NumCPU()); processTook < threadTook || processTook > most {
		t.Errorf("the process took %v: want between %v and %v", processTook, threadTook, most)
	}
}

func TestMedian(t *testing.T) {
	if got := median([]int64{9, 1, 5}, func(n int64) int64 { return n }); got != 5 {
		t.Errorf("got %d", got)
	}
}
