package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	topics["hello"] = func(arguments []string) { fmt.Println("hello", strings.Join(arguments, " ")) }
	topics["goroutines"] = goroutines
	topics["thread-exit"] = threadExit
	topics["timers"] = timers
	topics["gc"] = collector
	topics["memory"] = bigMemory
	topics["profile"] = profile
	topics["arithmetic"] = arithmetic
}

// Threads of this process, as the host's /proc shows them; natively and as a guest the same file.
func threadCount() int {
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	count := 0
	for _, line := range strings.Split(string(status), "\n") {
		fmt.Sscanf(line, "Threads: %d", &count)
	}
	return count
}

// 10,000 goroutines, 300 of which each hold an operating-system thread inside a blocking read.
func goroutines([]string) {
	const blocked, total = 300, 10_000
	pipe := make([]int, 2)
	must(syscall.Pipe(pipe))
	var inside, sum atomic.Int64
	var all sync.WaitGroup
	for i := 0; i < blocked; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			inside.Add(1)
			buffer := make([]byte, 1)
			for {
				n, err := syscall.Read(pipe[0], buffer)
				if err == syscall.EINTR {
					continue
				}
				must(err)
				equal(n, 1)
				break
			}
			sum.Add(1)
		}()
	}
	for inside.Load() < blocked || threadCount() < blocked {
		time.Sleep(time.Millisecond)
	}
	links := make([]chan int, total+1)
	for i := range links {
		links[i] = make(chan int)
	}
	for i := 0; i < total; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			if i%50 == 0 { // the baton changes threads two hundred times
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			value := <-links[i]
			syscall.Getppid()
			sum.Add(1)
			links[i+1] <- value + 1
		}(i)
	}
	check(threadCount() >= blocked, "only %d threads", threadCount())
	go func() { links[0] <- 0 }()
	equal(<-links[total], total)
	_, err := syscall.Write(pipe[1], bytes.Repeat([]byte{1}, blocked))
	must(err)
	all.Wait()
	equal(sum.Load(), blocked+total)
}

// A goroutine that ends while it is locked to its thread ends the thread too.
func threadExit([]string) {
	debug.SetMaxThreads(200)
	for round := 0; round < 40; round++ {
		var all sync.WaitGroup
		for i := 0; i < 50; i++ {
			all.Add(1)
			go func(i int) {
				defer all.Done()
				runtime.LockOSThread()
				time.Sleep(time.Duration(i%3) * time.Millisecond)
			}(i)
		}
		all.Wait()
	}
	deadline := time.Now().Add(10 * time.Second)
	for threadCount() > 100 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	check(threadCount() <= 100, "%d threads are left", threadCount())
}

func timers([]string) {
	const count = 3000
	var late atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for i := 0; i < count; i++ {
		all.Add(1)
		after := time.Duration(1+rand.Intn(400)) * time.Millisecond
		began := time.Now()
		time.AfterFunc(after, func() {
			defer all.Done()
			took := time.Since(began)
			check(took >= after, "a timer of %v fired after %v", after, took)
			if took > after+2*time.Second {
				late.Add(1)
			}
		})
	}
	all.Wait()
	check(time.Since(start) < 20*time.Second, "timers took %v", time.Since(start))
	equal(late.Load(), 0)

	stopped := time.AfterFunc(50*time.Millisecond, func() { fail(0, "a stopped timer fired") })
	check(stopped.Stop(), "the timer was not running")
	ticker := time.NewTicker(5 * time.Millisecond)
	began := time.Now()
	for i := 0; i < 20; i++ {
		<-ticker.C
	}
	ticker.Stop()
	check(time.Since(began) >= 90*time.Millisecond, "20 ticks of 5 ms took %v", time.Since(began))
	for _, nap := range []time.Duration{time.Microsecond, 100 * time.Microsecond, 3 * time.Millisecond} {
		began = time.Now()
		time.Sleep(nap)
		check(time.Since(began) >= nap, "slept %v instead of %v", time.Since(began), nap)
	}
	wall, monotonic := time.Now().UnixNano(), time.Since(start)
	check(wall > 1_600_000_000e9 && monotonic > 0, "clock: %d %v", wall, monotonic)
}

// Loops without a preemption point: only signals stop them for the collector.
func collector([]string) {
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(1)
	var stop atomic.Bool
	var all sync.WaitGroup
	totals := make([]uint64, 6)
	for i := range totals {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			value := uint64(i)
			for !stop.Load() {
				value = value*6364136223846793005 + 1442695040888963407
			}
			totals[i] = value
		}(i)
	}
	var allocators sync.WaitGroup
	for i := 0; i < 4; i++ {
		allocators.Add(1)
		go func(seed int) {
			defer allocators.Done()
			kept := make([][]byte, 64)
			for n := 0; n < 1000; n++ {
				block := bytes.Repeat([]byte{byte(n)}, 16+(n*37+seed)%4000)
				kept[n%len(kept)] = block
				other := kept[(n*7)%len(kept)]
				if len(other) > 0 {
					check(other[0] == other[len(other)-1], "memory changed under the collector")
				}
			}
		}(i)
	}
	for i := 0; i < 10; i++ {
		runtime.GC()
	}
	allocators.Wait()
	stop.Store(true)
	all.Wait()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	check(stats.NumGC >= 10, "only %d collections", stats.NumGC)
}

func bigMemory([]string) {
	const piece, pieces = 16 << 20, 64
	var held [][]byte
	for i := 0; i < pieces; i++ {
		block := make([]byte, piece)
		for at := 0; at < piece; at += 4096 {
			check(block[at] == 0, "fresh memory is not zero")
			block[at] = byte(i + at>>12)
		}
		held = append(held, block)
	}
	for i, block := range held {
		for at := 0; at < piece; at += 4096 {
			check(block[at] == byte(i+at>>12), "piece %d changed", i)
		}
	}
	held = nil
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	check(stats.HeapReleased >= piece*pieces/2, "only %d bytes were given back", stats.HeapReleased)
}

//go:noinline
func burnProcessorTime(until time.Time) (sum [32]byte) {
	for time.Now().Before(until) {
		for i := 0; i < 1000; i++ {
			sum = sha256.Sum256(sum[:])
		}
	}
	return
}

func profile([]string) {
	var out bytes.Buffer
	must(pprof.StartCPUProfile(&out))
	var all sync.WaitGroup
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			burnProcessorTime(time.Now().Add(700 * time.Millisecond))
		}()
	}
	all.Wait()
	pprof.StopCPUProfile()
	unpacked, err := gzip.NewReader(&out)
	must(err)
	text, err := io.ReadAll(unpacked)
	must(err)
	check(bytes.Contains(text, []byte("main.burnProcessorTime")), "the busy function is not in the profile (%d bytes)", len(text))
}

// Vector and floating-point registers survive calls, signals and thread switches.
func arithmetic([]string) {
	runtime.GOMAXPROCS(4)
	want := func(seed int) float64 {
		x := float64(seed)
		for i := 1; i < 2_000_00; i++ {
			x = x*1.0000001 + 1/float64(i)
		}
		return x
	}
	results := make([]float64, 8)
	for i := range results {
		results[i] = want(i)
	}
	var all sync.WaitGroup
	for i := 0; i < 64; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			for n := 0; n < 20; n++ {
				check(want(i%8) == results[i%8], "a sum came out different")
				syscall.Getppid()
			}
		}(i)
	}
	done := make(chan bool)
	go func() { all.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return
		default:
			runtime.GC()
			sum := sha256.Sum256([]byte("abc"))
			equal(fmt.Sprintf("%x", sum[:4]), "ba7816bf")
		}
	}
}
