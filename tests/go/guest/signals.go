package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	topics["signals"] = signalsWithin
	topics["storm"] = storm
	topics["wait"] = waitForSignals
	topics["sleep"] = func([]string) {
		fmt.Println("ready")
		time.Sleep(time.Minute)
	}
	topics["ignore"] = func([]string) {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		fmt.Println("ready")
		os.Stdin.Read(make([]byte, 1))
	}
	topics["ignored"] = func([]string) {
		fmt.Println("SIGHUP", signal.Ignored(syscall.SIGHUP), "SIGINT", signal.Ignored(syscall.SIGINT))
	}
}

func next(from chan os.Signal) os.Signal {
	select {
	case s := <-from:
		return s
	case <-time.After(20 * time.Second):
		fail(1, "no signal came")
		return nil
	}
}

func signalsWithin([]string) {
	self := os.Getpid()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGWINCH, syscall.SIGALRM, syscall.SIGURG, syscall.SIGIO, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGCONT,
		syscall.SIGPIPE, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGTRAP, syscall.SIGSYS, syscall.SIGXCPU, syscall.SIGVTALRM} {
		if s == syscall.SIGURG {
			continue // the Go runtime's own: it preempts goroutines with it
		}
		arrived := make(chan os.Signal, 10)
		signal.Notify(arrived, s)
		for i := 0; i < 5; i++ {
			must(syscall.Kill(self, s))
			equal(next(arrived), os.Signal(s))
		}
		signal.Stop(arrived)
	}
	signal.Ignore(syscall.SIGUSR1)
	must(syscall.Kill(self, syscall.SIGUSR1))
	check(signal.Ignored(syscall.SIGUSR1), "SIGUSR1 is not ignored")
	signal.Reset(syscall.SIGWINCH)
	must(syscall.Kill(self, syscall.SIGWINCH))

	children := make(chan os.Signal, 10)
	signal.Notify(children, syscall.SIGCHLD)
	must(exec.Command("/bin/true").Run())
	equal(next(children), os.Signal(syscall.SIGCHLD))
	signal.Stop(children)

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	must(syscall.Kill(self, syscall.SIGINT))
	<-interrupted.Done()
	stop()
	alarm := make(chan os.Signal, 1)
	signal.Notify(alarm, syscall.SIGALRM)
	out, err := exec.Command("/bin/sh", "-c", fmt.Sprintf("kill -ALRM %d; echo sent", self)).Output()
	must(err)
	equal(string(out), "sent\n")
	equal(next(alarm), os.Signal(syscall.SIGALRM))
}

// Signals by the thousand while threads work, sleep and are in blocking calls.
func storm([]string) {
	arrived := make(chan os.Signal, 1024)
	signal.Notify(arrived, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	var count, work atomic.Int64
	stop := make(chan bool)
	go func() {
		for range arrived {
			count.Add(1)
		}
	}()
	reader, writer, err := os.Pipe()
	must(err)
	for i := 0; i < 4; i++ {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					writer.Write([]byte("x"))
					time.Sleep(10 * time.Microsecond)
				}
			}
		}()
		go func() {
			buffer := make([]byte, 1)
			for {
				n, err := reader.Read(buffer)
				if err != nil {
					return
				}
				equal(n, 1)
				equal(buffer[0], 'x')
				work.Add(1)
			}
		}()
	}
	for i := 0; i < 5000; i++ {
		must(syscall.Kill(os.Getpid(), []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH}[i%3]))
	}
	deadline := time.Now().Add(20 * time.Second)
	for (count.Load() < 3 || work.Load() < 100) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	check(count.Load() >= 3, "only %d signals of 5000 arrived", count.Load())
	check(work.Load() >= 100, "only %d bytes were carried", work.Load())
	close(stop)
}

// Prints each signal's name as it comes; ends at SIGTERM.
func waitForSignals([]string) {
	arrived := make(chan os.Signal, 16)
	signal.Notify(arrived, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGWINCH, syscall.SIGUSR1, syscall.SIGCHLD)
	fmt.Println("ready")
	for s := range arrived {
		fmt.Printf("signal %s\n", s)
		if s == syscall.SIGTERM {
			return
		}
	}
}
